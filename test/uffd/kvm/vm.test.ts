import { describe, expect, it, onTestFinished } from 'vitest'
import { TABLES_ADDRESS } from '../../../src/uffd/kvm/guest-map.ts'
import { Vcpu } from '../../../src/uffd/kvm/vcpu.ts'
import { kvmReason, Vm } from '../../../src/uffd/kvm/vm.ts'
import { MemoryRegion } from '../../../src/uffd/memory-region.ts'
import { requireForEach } from '../../support/availability.ts'
import { PAGE } from '../support.ts'

describe('a host that has no KVM', () => {
  it('says in one line that the guest is of another architecture', () => {
    const arch = Object.getOwnPropertyDescriptor(process, 'arch')!
    onTestFinished(() => Object.defineProperty(process, 'arch', arch) && undefined)
    Object.defineProperty(process, 'arch', { ...arch, value: 'arm64' })
    expect(kvmReason()).toBe('kvm: the guest is x86-64 code, found arm64')
  })
})

describe('a VM', { tags: ['kvm'] }, () => {
  requireForEach(kvmReason)

  const createVm = (): Vm => {
    const vm = new Vm()
    onTestFinished(() => vm.close())
    return vm
  }

  it('refuses memory above the addresses of this host, or that is not whole pages', () => {
    const vm = createVm()
    const region = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: PAGE })
    onTestFinished(() => region.close())
    const most = /^kvm: found guest memory up to .*, expected at most \d+ [GT]iB$/
    expect(() => vm.addMemory(2 ** 52, region.address, PAGE)).toThrow(most)
    expect(() => vm.addMemory(0, region.address, 100)).toThrow(/^kvm: KVM_SET_USER_MEMORY_REGION.*: found EINVAL/)
    vm.addMemory(0, region.address, PAGE)
  })

  it('has each vCPU once, which knows the rate of its clock', () => {
    const vm = createVm()
    const vcpu = new Vcpu(vm.handle, 0, TABLES_ADDRESS)
    onTestFinished(() => vcpu.close())
    expect(() => new Vcpu(vm.handle, 0, TABLES_ADDRESS)).toThrow(
      'kvm: KVM_CREATE_VCPU 0: found EEXIST, expected success',
    )
    expect(vcpu.tscKhz()).toBeGreaterThan(1e5)
  })

  it('without code does not run, and says why', { tags: ['shutdown'] }, () => {
    const vcpu = new Vcpu(createVm().handle, 0, TABLES_ADDRESS)
    onTestFinished(() => vcpu.close())
    expect(vcpu.run()).toBe('failed')
    expect(vcpu.failure).not.toBe('')
    vcpu.close()
    expect(() => vcpu.run()).toThrow('vCPU: found it closed, expected it open')
  })
})
