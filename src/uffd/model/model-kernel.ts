/**
 * A model of the kernel's userfaultfd: the state machine that was probed on a real one, with pages of real bytes, without a
 * kernel. A resolver loop runs over it unchanged, in one JS thread and deterministically; docs/conform.md says what it
 * covers and how it is compared with the kernel of the host.
 *
 *     const kernel = new ModelKernel({ profile: '6.18', injection: { races: 3, pagesPerCall: 2 } })
 *     const vm = kernel.createProcess()
 *     const memory = vm.createMemory({ kind: 'anon', hostPageSize: 4096, byteLength: 16 * 4096 })
 *     const source = vm.createBuffer(Buffer.alloc(4096, 0x41))      // never registered; COPY reads it
 *     const channel = kernel.createUserfaultfd(vm)                   // a FaultChannel
 *     channel.api(0)
 *     channel.register(memory.address, memory.byteLength, UFFDIO_REGISTER_MODE_MISSING)
 *     const vcpu = vm.createThread()
 *     vm.touch(vcpu, memory.address, { write: false })               // 'blocked', and a message can be read
 *     channel.copy(memory.address, source, 4096, 0)                  // 'done'; vcpu.ending is 'ok', vcpu.value 0x41
 *     memory.bytes(0, 4096)
 *
 * A thread that wakes runs on at once, inside the call that woke it. What else is to happen while a resolver waits is a
 * callback: `channel.onIdle`. A handler dies by `channel.close()`, as the kernel closes what a process leaves open.
 */
import { AddressSpace } from './address-space.ts'
import { Context, type WakeOrder } from './context.ts'
import { type Injection, resolveInjection } from './injection.ts'
import { ModelProcess } from './model-process.ts'
import { ModelUserfaultfd } from './model-userfaultfd.ts'
import { HUGE_PAGE_SIZE, PAGE_SIZE } from './numbers.ts'
import { type FileKind, ModelFile, PagePool } from './page.ts'
import { type KernelProfile, type ProfileTraits, traitsOf } from './profile.ts'
import { ModelThread } from './thread.ts'

export interface ModelKernelOptions {
  /** `6.18` unless told. */
  readonly profile?: KernelProfile
  readonly injection?: Partial<Injection>
  /** `oldest first` unless told. */
  readonly wakeOrder?: WakeOrder
}

export class ModelKernel {
  readonly traits: ProfileTraits
  readonly injection: Injection
  /** A test that lets memory come back adds to `free`. */
  readonly smallPages: PagePool
  readonly addressSpaces = new Set<AddressSpace>()
  readonly #hugePages = new Map<number, PagePool>()
  readonly #contexts: Context[] = []
  readonly #descriptors = new Map<number, ModelUserfaultfd>()
  readonly #wakeOrder: WakeOrder
  #threads = 0

  /** @throws LazyRestoreError `usage` for an injection that is no count */
  constructor({ profile = '6.18', injection = {}, wakeOrder = 'oldest first' }: ModelKernelOptions = {}) {
    this.#wakeOrder = wakeOrder
    this.traits = traitsOf(profile)
    this.injection = resolveInjection(injection)
    this.smallPages = new PagePool(PAGE_SIZE, this.injection.smallPages)
  }

  /** The pool of huge pages of that size, each with as many as the injection says. */
  hugePages(pageSize = HUGE_PAGE_SIZE): PagePool {
    let pool = this.#hugePages.get(pageSize)
    if (pool === undefined) {
      pool = new PagePool(pageSize, this.injection.hugePages)
      this.#hugePages.set(pageSize, pool)
    }
    return pool
  }

  createProcess(): ModelProcess {
    return new ModelProcess(this, this.createAddressSpace())
  }

  createAddressSpace(): AddressSpace {
    const mm = new AddressSpace()
    this.addressSpaces.add(mm)
    return mm
  }

  createThread(): ModelThread {
    return new ModelThread(++this.#threads)
  }

  /** A memfd of `pageCount` pages, or a file of another file system; hugetlb may have a pool of its own. */
  createFile(
    kind: FileKind,
    pageCount: number,
    pool = kind === 'hugetlb' ? this.hugePages() : this.smallPages,
  ): ModelFile {
    return new ModelFile(kind, pool, pageCount)
  }

  createUserfaultfd(process: ModelProcess, options: { readonly userModeOnly?: boolean } = {}): ModelUserfaultfd {
    const context = new Context(process.mm, options.userModeOnly ?? false, this.#wakeOrder)
    return this.open(context, process)
  }

  /** The userfaultfd that a FORK message named. */
  userfaultfd(descriptor: number): ModelUserfaultfd | undefined {
    return this.#descriptors.get(descriptor)
  }

  /** A descriptor for a context, held by `holder`. */
  open(context: Context, holder: ModelProcess): ModelUserfaultfd {
    const channel = new ModelUserfaultfd(this, context, holder, this.#descriptors.size + 3)
    this.#descriptors.set(channel.descriptor, channel)
    this.#contexts.push(context)
    return channel
  }

  /** A signal wakes a thread that sleeps in a fault of user mode; see `ModelProcess.signal`. */
  signal(thread: ModelThread): void {
    for (const context of this.#contexts) context.disturb(thread)
  }

  /** Lets threads run whose event was read: what time does on a real machine. */
  settle(): void {
    for (const context of this.#contexts) context.runDelivered()
  }
}
