/** The model kernel as a machine for conformance cases. */
import { LazyRestoreError } from '../../../core/error.ts'
import { errnoName } from '../../constants.ts'
import { ModelKernel, type ModelKernelOptions } from '../model-kernel.ts'
import type { ModelProcess } from '../model-process.ts'
import { EINVAL } from '../numbers.ts'
import { type FileKind, type ModelFile, PagePool } from '../page.ts'
import type { ModelThread } from '../thread.ts'
import { fileIndex } from '../vma.ts'
import { type Action, type Area, type AreaKind, type Machine, type MachineChannel, PAGE_STATES } from './machine.ts'

const FILE_KINDS: Readonly<Record<AreaKind, FileKind | null>> = {
  anon: null,
  thp: null,
  shmem: 'shmem',
  'shmem-private': 'shmem',
  'shmem-anon': 'shmem',
  hugetlb: 'hugetlb',
  'hugetlb-private': 'hugetlb',
  'hugetlb-anon': 'hugetlb',
  'hugetlb-empty': 'hugetlb',
  'hugetlb-empty-private': 'hugetlb',
  gigantic: 'hugetlb',
  'gigantic-private': 'hugetlb',
  file: 'file',
  'file-private': 'file',
}
const SHARED: readonly AreaKind[] = ['shmem', 'shmem-anon', 'hugetlb', 'hugetlb-empty', 'gigantic', 'file']

/** Sources of COPY by their first byte: nothing writes to them, so all machines share them. */
const SOURCES = new Map<number, Uint8Array>()

export class ModelMachine implements Machine {
  readonly #kernel: ModelKernel
  readonly #process: ModelProcess
  readonly #files = new Map<string, ModelFile>()
  readonly #threads = new Map<string, ModelThread>()
  /** What each thread did last. */
  readonly #actions = new Map<string, Action>()
  readonly #children = new Map<string, ModelProcess>()

  constructor(options: ModelKernelOptions) {
    this.#kernel = new ModelKernel(options)
    this.#process = this.#kernel.createProcess()
  }

  lacks(): string | null {
    return null
  }

  mapSource(base: number, pageSize: number, pageCount: number, firstByte: number): void {
    let bytes = SOURCES.get(firstByte)
    if (bytes === undefined) {
      bytes = new Uint8Array(pageSize * pageCount)
      for (let page = 0; page < pageCount; page++) bytes.fill(firstByte + page, page * pageSize, (page + 1) * pageSize)
      SOURCES.set(firstByte, bytes)
    }
    this.#process.mapBuffer(base, bytes)
  }

  map(area: Area): string {
    const { base, pageSize, pageCount, read, write, fileReadOnly, kind } = area
    const shared = SHARED.includes(kind)
    const fileKind = FILE_KINDS[kind]
    const options = { read, write, mayWrite: !(fileReadOnly && shared), transparentHuge: kind === 'thp' }
    if (fileKind === null) this.#process.mapAnonymous(base, pageSize * pageCount, options)
    else {
      const file = area.fileOf === null ? this.#createFile(area, fileKind) : this.#file(area.fileOf)
      this.#files.set(area.name, file)
      this.#process.mapFile(base, pageSize * pageCount, { file, shared, ...options })
    }
    return 'ok'
  }

  #createFile({ kind, pageSize, filePages }: Area, fileKind: FileKind): ModelFile {
    const withoutPages = kind.startsWith('hugetlb-empty') || kind.startsWith('gigantic')
    return this.#kernel.createFile(fileKind, filePages, withoutPages ? new PagePool(pageSize, 0) : undefined)
  }

  #file({ name }: Area): ModelFile {
    const file = this.#files.get(name)
    if (file === undefined) throw new LazyRestoreError('usage', `area ${name}: found no file, expected one`)
    return file
  }

  createChannel(userModeOnly: boolean): MachineChannel {
    return this.#kernel.createUserfaultfd(this.#process, { userModeOnly })
  }

  adopt(descriptor: number): MachineChannel {
    const channel = this.#kernel.userfaultfd(descriptor)
    if (channel === undefined)
      throw new LazyRestoreError('usage', 'adopt: found no FORK message, expected one read before')
    return channel
  }

  start(name: string, action: Action): string {
    const thread = this.#threads.get(name) ?? this.#process.createThread()
    this.#perform(thread, action)
    this.#threads.set(name, thread)
    this.#actions.set(name, action)
    return this.progress(name)
  }

  #perform(thread: ModelThread, action: Action): void {
    switch (action.call) {
      case 'touch':
        this.#process.touch(thread, action.address, action)
        break
      case 'munmap':
        this.#process.munmap(thread, action.address, action.length)
        break
      case 'mapover':
        this.#process.mapOver(thread, action.address, action.length)
        break
      case 'mremap':
        this.#process.mremap(thread, action.address, action.length, action.newLength, action.to)
        break
      case 'fork':
        this.exit(action.child) // one of that name is replaced
        this.#children.set(action.child, this.#process.fork(thread).child)
        break
      default:
        this.#process.madvise(thread, action.address, action.length, action.call)
    }
  }

  progress(name: string): string {
    const thread = this.#threads.get(name)
    if (thread === undefined) return 'idle'
    const action = this.#actions.get(name)
    const hasLoaded = thread.ending === 'ok' && action?.call === 'touch' && !action.write
    if (hasLoaded) return `0x${thread.value.toString(16).padStart(2, '0')}`
    return thread.ending ?? 'blocked'
  }

  signal(name: string): string {
    const action = this.#actions.get(name)
    if (action?.call !== 'touch' || action.kernelMode) {
      throw new LazyRestoreError(
        'unsupported',
        'signal: found a thread in a system call, expected one asleep in a touch',
      )
    }
    this.#process.signal(this.#threads.get(name)!)
    return 'ok'
  }

  threadNames(): readonly string[] {
    return [...this.#threads.keys()]
  }

  threadName(id: number): string {
    for (const [name, thread] of this.#threads) if (thread.id === id) return name
    return '?'
  }

  protect(address: number, length: number, read: boolean, write: boolean): string {
    return this.#process.mprotect(address, length, { read, write })
  }

  lock(address: number, length: number): string {
    return this.#process.mlock(address, length)
  }

  fill(area: Area, page: number, value: number): string {
    this.#process.fill(this.#file(area), page, value)
    return 'ok'
  }

  punch(area: Area, firstPage: number, pageCount: number): string {
    this.#process.punchHole(this.#file(area), firstPage, pageCount)
    return 'ok'
  }

  truncate(area: Area, pageCount: number): string {
    this.#process.truncate(this.#file(area), pageCount)
    return 'ok'
  }

  pageStates(area: Area): string {
    let states = ''
    for (let page = 0; page < area.pageCount; page++) states += this.#pageState(area.base + page * area.pageSize)
    return states
  }

  #pageState(address: number): string {
    const vma = this.#process.mm.vmas.find(address)
    const entry = this.#process.mm.entry(address)
    if (vma === undefined || entry === undefined) return PAGE_STATES.missing
    if (entry.kind === 'wp-marker') return PAGE_STATES.wpMarker
    if (entry.kind === 'poison') return vma.file?.kind === 'hugetlb' ? PAGE_STATES.missing : PAGE_STATES.poison
    const ofFile = vma.file !== null && vma.file.cached(fileIndex(vma, address)) === entry.page
    if (ofFile) return entry.wp ? PAGE_STATES.fileProtected : PAGE_STATES.file
    return entry.wp ? PAGE_STATES.anonymousProtected : PAGE_STATES.anonymous
  }

  cacheStates(area: Area): string {
    const file = this.#files.get(area.name)
    if (file?.kind !== 'shmem' || area.kind === 'shmem-anon') return ''
    return Array.from({ length: file.pageCount }, (_, index) => (file.cached(index) === undefined ? '.' : 'C')).join('')
  }

  exit(child: string): string {
    const process = this.#children.get(child)
    if (process?.running !== true) return errnoName(EINVAL)
    this.#children.delete(child)
    process.exit()
    return 'ok'
  }

  settle(): void {
    this.#kernel.settle()
  }

  close(): void {}
}
