/**
 * What predictions are held against: every policy on warm and cold files, on small and huge pages, with threads and with a
 * KVM guest, under workloads of different shapes. None of it is used to calibrate.
 */

export interface ValidationCase {
  readonly engine: 'uffd' | 'kvm'
  /** As written: name, or name:option=value,… */
  readonly policy: string
  readonly workload: string
  readonly hostPages: string
  readonly cache: 'warm' | 'cold'
}

export const VALIDATION_SNAPSHOT = 'synthetic:256MiB,zero=40%,runs=32,seed=7'

/** A small service on one vCPU, the same on two, and hot pages that two vCPUs share. */
const SERVICE = 'working-set:pages=6000,reuse=3,think=5us'
const ONE_VCPU = `${SERVICE},vcpus=1`
const TWO_VCPUS = `${SERVICE},vcpus=2`
const HOT_PAGES = 'zipf:accesses=40000,think=2us,vcpus=2'
const SCAN = 'sequential:share=30%,think=2us,vcpus=1'

const SMALL = '4K'
const HUGE = '2M'

function group(
  engine: ValidationCase['engine'],
  cache: ValidationCase['cache'],
  hostPages: string,
  workload: string,
  policies: readonly string[],
): ValidationCase[] {
  return policies.map(policy => ({ engine, policy, workload, hostPages, cache }))
}

export const VALIDATION_CASES: readonly ValidationCase[] = [
  ...group('uffd', 'warm', SMALL, ONE_VCPU, [
    'eager',
    'lazy',
    'lazy-sweep',
    'qemu-11.2',
    'read-around',
    'working-set',
    'mmap',
  ]),
  ...group('uffd', 'warm', SMALL, ONE_VCPU, [
    'follow-sweep',
    'fault-around',
    'adaptive',
    'precopy-x',
    'criu',
    'cloud-hypervisor',
    'firecracker-file',
    'reap',
    'e2b',
    'faasnap',
  ]),
  ...group('uffd', 'warm', SMALL, TWO_VCPUS, ['lazy', 'lazy-sweep:rate=200MiB', 'read-around', 'mmap']),
  ...group('uffd', 'warm', SMALL, HOT_PAGES, ['eager', 'lazy', 'working-set:wait=true']),
  ...group('uffd', 'warm', SMALL, SCAN, ['lazy', 'read-around', 'stride']),
  ...group('uffd', 'warm', '4K:shmem', ONE_VCPU, ['lazy', 'lazy-sweep']),
  ...group('uffd', 'warm', HUGE, ONE_VCPU, ['eager', 'lazy', 'lazy-sweep']),
  ...group('uffd', 'cold', SMALL, ONE_VCPU, ['eager', 'eager-multi', 'lazy', 'read-around', 'working-set', 'mmap']),
  ...group('uffd', 'cold', HUGE, ONE_VCPU, ['lazy']),
  ...group('kvm', 'warm', SMALL, ONE_VCPU, ['eager', 'lazy', 'lazy-sweep', 'read-around', 'working-set']),
  ...group('kvm', 'warm', SMALL, TWO_VCPUS, ['lazy']),
  ...group('kvm', 'warm', HUGE, ONE_VCPU, ['lazy']),
]
