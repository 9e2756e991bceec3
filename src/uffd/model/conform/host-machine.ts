/** The kernel of this host as a machine for conformance cases: real memory, native threads, the real userfaultfd. */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { LazyRestoreError } from '../../../core/error.ts'
import { errnoName } from '../../constants.ts'
import { libc } from '../../native.ts'
import { Userfaultfd } from '../../userfaultfd.ts'
import { EINVAL, HUGE_PAGE_SIZE, PAGE_SIZE } from '../numbers.ts'
import { createAreaFile, hostLacks } from './host-files.ts'
import type { HostAction, HostThreads } from './host-threads.ts'
import { type Action, type Area, type AreaKind, type Machine, type MachineChannel, PAGE_STATES } from './machine.ts'
import * as sys from './system-calls.ts'
import { ACTION_LOAD, ACTION_LOAD_WIDE, ACTION_STORE, ACTION_STORE_WIDE, ACTION_SYSTEM_CALL } from './thread-code.ts'

const PAGEMAP_PRESENT = 1n << 63n
const PAGEMAP_SWAP = 1n << 62n
const PAGEMAP_FILE = 1n << 61n
const PAGEMAP_WP = 1n << 57n
const HUGETLB_FLAGS = sys.MAP_ANONYMOUS | sys.MAP_HUGETLB | (21 << sys.MAP_HUGE_SHIFT) | sys.MAP_NORESERVE
/** An alias mapping for a moment. */
const ALIAS_ADDRESS = 2 ** 39

/** Sources of COPY by their first byte; they outlive a script. */
const SOURCE_FILES = new Map<number, number>()

export class HostMachine implements Machine {
  readonly #threads: HostThreads
  readonly #files = new Map<string, number>()
  readonly #children = new Map<string, number>()
  readonly #pagemap = openSync('/proc/self/pagemap', 'r')
  /** What kernel-mode touches read from and write to: a file each, because a sleeping write(2) locks its file. */
  readonly #scratch: number[] = []
  /** All that was mapped lies between. */
  #start = Number.POSITIVE_INFINITY
  #end = 0

  constructor(threads: HostThreads) {
    this.#threads = threads
  }

  lacks(kind: AreaKind): string | null {
    return hostLacks(kind)
  }

  mapSource(base: number, pageSize: number, pageCount: number, firstByte: number): void {
    let file = SOURCE_FILES.get(firstByte)
    if (file === undefined) {
      file = sys.createMemoryFile()
      SOURCE_FILES.set(firstByte, file)
      for (let page = 0; page < pageCount; page++) writeSync(file, Buffer.alloc(pageSize, firstByte + page))
    }
    const flags = sys.MAP_SHARED | sys.MAP_FIXED_NOREPLACE | sys.MAP_POPULATE
    this.#mapAt(base, pageSize * pageCount, sys.PROT_READ, flags, file)
  }

  #mapAt(base: number, length: number, protection: number, flags: number, file: number): void {
    sys.must('mmap', libc().mmap(base, length, protection, flags, file, 0))
    this.#end = Math.max(this.#end, base + length)
    this.#start = Math.min(this.#start, base)
  }

  map(area: Area): string {
    const { base, pageSize, pageCount, kind } = area
    const length = pageSize * pageCount
    const protection = protectionOf(area.read, area.write)
    const shared =
      kind === 'shmem' ||
      kind === 'hugetlb' ||
      kind === 'hugetlb-empty' ||
      kind === 'gigantic' ||
      kind === 'file' ||
      kind === 'shmem-anon'
    const flags = sys.MAP_FIXED_NOREPLACE | (shared ? sys.MAP_SHARED : sys.MAP_PRIVATE)
    switch (kind) {
      case 'anon':
      case 'thp':
      case 'shmem-anon':
        this.#mapAt(base, length, protection, flags | sys.MAP_ANONYMOUS, -1)
        break
      case 'hugetlb-anon':
        this.#mapAt(base, length, protection, flags | HUGETLB_FLAGS, -1)
        break
      default:
        this.#mapAt(base, length, protection, flags | sys.MAP_NORESERVE, this.#openFile(area))
    }
    if (kind === 'thp') sys.must('madvise', libc().madvise(base, length, sys.MADV_HUGEPAGE))
    return 'ok'
  }

  /** The area's file, created unless another area's is mapped again; its descriptor as this area may use it. */
  #openFile(area: Area): number {
    const file = area.fileOf === null ? this.#createFile(area) : this.#file(area.fileOf)
    this.#files.set(area.name, file)
    return area.fileReadOnly ? openSync(`/proc/self/fd/${file}`, 'r') : file
  }

  #createFile({ name, kind, pageSize, filePages }: Area): number {
    const file = createAreaFile(kind, name, pageSize)
    ftruncateSync(file, pageSize * filePages)
    return file
  }

  #file({ name }: Area): number {
    const file = this.#files.get(name)
    if (file === undefined) throw new LazyRestoreError('usage', `area ${name}: found no file, expected one`)
    return file
  }

  createChannel(userModeOnly: boolean): MachineChannel {
    return Userfaultfd.open({ userModeOnly })
  }

  adopt(descriptor: number): MachineChannel {
    return Userfaultfd.fromDescriptor(descriptor)
  }

  start(thread: string, action: Action): string {
    return this.#threads.start(thread, this.#hostAction(action))
  }

  #hostAction(action: Action): HostAction {
    switch (action.call) {
      case 'touch':
        return action.kernelMode ? this.#kernelTouch(action) : userTouch(action)
      case 'munmap':
        return call(sys.SYS_MUNMAP, action.address, action.length)
      case 'mapover': {
        const flags = sys.MAP_PRIVATE | sys.MAP_ANONYMOUS | sys.MAP_FIXED
        this.#end = Math.max(this.#end, action.address + action.length)
        return call(sys.SYS_MMAP, action.address, action.length, protectionOf(true, true), flags, -1, 0)
      }
      case 'dontneed':
        return call(sys.SYS_MADVISE, action.address, action.length, sys.MADV_DONTNEED)
      case 'remove':
        return call(sys.SYS_MADVISE, action.address, action.length, sys.MADV_REMOVE)
      case 'free':
        return call(sys.SYS_MADVISE, action.address, action.length, sys.MADV_FREE)
      case 'mremap': {
        const flags = action.to === null ? 0 : sys.MREMAP_MAYMOVE | sys.MREMAP_FIXED
        this.#end = Math.max(this.#end, (action.to ?? action.address) + action.newLength)
        return call(sys.SYS_MREMAP, action.address, action.length, action.newLength, flags, action.to ?? 0)
      }
      case 'fork': {
        this.exit(action.child) // one of that name is replaced
        // Shared descriptors: with copies of them in the child, closing one here would not be the last close.
        const fork = call(sys.SYS_CLONE, sys.CLONE_FILES | sys.SIGCHLD, 0, 0, 0, 0)
        const describe = (pid: bigint) => {
          this.#children.set(action.child, Number(pid))
          return 'ok'
        }
        return { ...fork, describe }
      }
    }
  }

  /** The kernel copies between the touched address and a file. */
  #kernelTouch({ address, write, length, value }: Extract<Action, { call: 'touch' }>): HostAction {
    const file = this.#scratchFile(Buffer.alloc(length, value))
    if (write) return call(sys.SYS_PREAD64, file, address, length, 0)
    const describe = () => {
      const byte = Buffer.alloc(1)
      readSync(file, byte, 0, 1, 0)
      return byteText(byte[0])
    }
    return { ...call(sys.SYS_PWRITE64, file, address, length, 0), describe }
  }

  #scratchFile(content: Uint8Array): number {
    const file = sys.createMemoryFile()
    this.#scratch.push(file)
    writeSync(file, content)
    return file
  }

  progress(thread: string): string {
    return this.#threads.progress(thread)
  }

  signal(thread: string): string {
    return this.#threads.signal(thread)
  }

  threadNames(): readonly string[] {
    return this.#threads.names()
  }

  threadName(id: number): string {
    return this.#threads.nameOf(id)
  }

  protect(address: number, length: number, read: boolean, write: boolean): string {
    return sys.answerOf(libc().mprotect(address, length, protectionOf(read, write)))
  }

  lock(address: number, length: number): string {
    return sys.answerOf(sys.systemCall(sys.SYS_MLOCK2, address, length, sys.MLOCK_ONFAULT))
  }

  fill(area: Area, page: number, value: number): string {
    const file = this.#file(area)
    if (!area.kind.startsWith('hugetlb')) {
      writeSync(file, Buffer.of(value), 0, 1, page * PAGE_SIZE)
      return 'ok'
    }
    const flags = sys.MAP_SHARED | sys.MAP_FIXED_NOREPLACE | sys.MAP_NORESERVE
    const mapped = libc().mmap(
      ALIAS_ADDRESS,
      HUGE_PAGE_SIZE,
      protectionOf(true, true),
      flags,
      file,
      page * HUGE_PAGE_SIZE,
    )
    sys.must('mmap', mapped)
    const answer = sys.answerOf(libc().pread(this.#scratchFile(Buffer.of(value)), ALIAS_ADDRESS, 1, 0))
    sys.must('munmap', libc().munmap(ALIAS_ADDRESS, HUGE_PAGE_SIZE))
    return answer
  }

  punch(area: Area, firstPage: number, pageCount: number): string {
    const { pageSize } = area
    const mode = sys.FALLOC_FL_KEEP_SIZE | sys.FALLOC_FL_PUNCH_HOLE
    return sys.answerOf(libc().fallocate(this.#file(area), mode, firstPage * pageSize, pageCount * pageSize))
  }

  truncate(area: Area, pageCount: number): string {
    ftruncateSync(this.#file(area), pageCount * area.pageSize)
    return 'ok'
  }

  pageStates({ base, pageSize, pageCount }: Area): string {
    const entries = Buffer.alloc(8 * pageCount)
    if (pageSize === PAGE_SIZE) readSync(this.#pagemap, entries, 0, entries.length, (base / PAGE_SIZE) * 8)
    else {
      for (let page = 0; page < pageCount; page++) {
        readSync(this.#pagemap, entries, page * 8, 8, ((base + page * pageSize) / PAGE_SIZE) * 8)
      }
    }
    return Array.from({ length: pageCount }, (_, page) => pageState(entries.readBigUInt64LE(page * 8))).join('')
  }

  cacheStates(area: Area): string {
    const file = this.#files.get(area.name)
    if (file === undefined || !area.kind.startsWith('shmem')) return ''
    const pageCount = fstatSync(file).size / PAGE_SIZE
    let states = ''
    for (let page = 0; page < pageCount; page++) {
      const data = sys.systemCall(sys.SYS_LSEEK, file, page * PAGE_SIZE, sys.SEEK_DATA)
      states += data === page * PAGE_SIZE ? 'C' : '.'
    }
    return states
  }

  exit(child: string): string {
    const pid = this.#children.get(child)
    if (pid === undefined) return errnoName(EINVAL)
    this.#children.delete(child)
    process.kill(pid, 'SIGKILL')
    sys.must('wait4', sys.systemCall(sys.SYS_WAIT4, pid))
    return 'ok'
  }

  settle(): void {
    this.#threads.settle()
  }

  /** @throws LazyRestoreError `io` when a thread cannot be got to end: the process is of no more use */
  close(): void {
    this.#threads.finish()
    for (const child of [...this.#children.keys()]) this.exit(child)
    if (this.#end > 0) sys.must('munmap', libc().munmap(this.#start, this.#end - this.#start))
    for (const file of new Set([...this.#files.values(), ...this.#scratch])) closeSync(file)
    closeSync(this.#pagemap)
  }
}

function call(nr: number, ...args: number[]): HostAction {
  return { action: ACTION_SYSTEM_CALL, systemCall: nr, arguments: args, describe: () => 'ok' }
}

function userTouch({ address, write, length, value }: Extract<Action, { call: 'touch' }>): HostAction {
  const wide = length === 8
  if (!write) {
    const action = wide ? ACTION_LOAD_WIDE : ACTION_LOAD
    return { action, arguments: [address], describe: result => byteText(Number(result & 0xffn)) }
  }
  const word = wide ? value * 0x01010101 : value
  return { action: wide ? ACTION_STORE_WIDE : ACTION_STORE, arguments: [address, word], describe: () => 'ok' }
}

function protectionOf(read: boolean, write: boolean): number {
  return (read ? sys.PROT_READ : 0) | (write ? sys.PROT_WRITE : 0)
}

function byteText(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`
}

function pageState(entry: bigint): string {
  const wp = (entry & PAGEMAP_WP) !== 0n
  if ((entry & PAGEMAP_PRESENT) === 0n) {
    if (wp) return PAGE_STATES.wpMarker
    return (entry & PAGEMAP_SWAP) === 0n ? PAGE_STATES.missing : PAGE_STATES.poison
  }
  if ((entry & PAGEMAP_FILE) !== 0n) return wp ? PAGE_STATES.fileProtected : PAGE_STATES.file
  return wp ? PAGE_STATES.anonymousProtected : PAGE_STATES.anonymous
}
