/**
 * What the operations of a conformance case act on: memory, threads that touch it, and userfaultfds. There are two: the model
 * kernel and the kernel of this host. Answers are words, so that they can be written into a case and compared as text.
 */
import type { FaultChannel } from '../../kernel.ts'

export const AREA_KINDS = [
  /** Private anonymous memory. */
  'anon',
  /** The same, eligible for transparent huge pages. */
  'thp',
  /** A memfd, shared or private. */
  'shmem',
  'shmem-private',
  /** MAP_SHARED|MAP_ANONYMOUS: shmem without a descriptor. */
  'shmem-anon',
  /** A memfd of 2 MiB pages, shared or private; mapped without a reservation. */
  'hugetlb',
  'hugetlb-private',
  /** MAP_PRIVATE|MAP_ANONYMOUS|MAP_HUGETLB. */
  'hugetlb-anon',
  /** 2 MiB pages of a pool that has none. */
  'hugetlb-empty',
  'hugetlb-empty-private',
  /** 1 GiB pages, of which the host has none either. */
  'gigantic',
  'gigantic-private',
  /** A file on another file system than tmpfs, shared or private. */
  'file',
  'file-private',
] as const
export type AreaKind = (typeof AREA_KINDS)[number]

export interface Area {
  readonly name: string
  readonly kind: AreaKind
  readonly base: number
  readonly pageSize: number
  readonly pageCount: number
  /** End of file, in pages; it may lie within the area. */
  readonly filePages: number
  readonly fileReadOnly: boolean
  readonly read: boolean
  readonly write: boolean
  /** The area whose file this one maps again. */
  readonly fileOf: Area | null
}

/** What a thread is to do; it may fall asleep at it. */
export type Action =
  | {
      readonly call: 'touch'
      readonly address: number
      readonly write: boolean
      readonly kernelMode: boolean
      /** 1 or 8 bytes. */
      readonly length: 1 | 8
      readonly value: number
    }
  | { readonly call: 'munmap' | 'mapover'; readonly address: number; readonly length: number }
  | { readonly call: 'dontneed' | 'remove' | 'free'; readonly address: number; readonly length: number }
  | {
      readonly call: 'mremap'
      readonly address: number
      readonly length: number
      readonly newLength: number
      readonly to: number | null
    }
  | { readonly call: 'fork'; readonly child: string }

export interface MachineChannel extends FaultChannel {
  /** Sleeping threads, as fdinfo counts them. */
  readonly counters: { readonly pending: number; readonly total: number }
}

export interface Machine {
  /** Why areas of this kind cannot be had here; null when they can. */
  lacks(kind: AreaKind): string | null
  /** Readable memory for COPY: page `i` of `pageSize` bytes holds the byte `firstByte + i`. */
  mapSource(base: number, pageSize: number, pageCount: number, firstByte: number): void
  map(area: Area): string
  createChannel(userModeOnly: boolean): MachineChannel
  /** The userfaultfd that a FORK message named. */
  adopt(descriptor: number): MachineChannel
  /** Lets a thread of that name do something, until it has done it or sleeps; see `progress` for the answer. */
  start(thread: string, action: Action): string
  /** `ok`, `0x41` (the byte a read saw), `blocked`, a signal or the name of an errno. */
  progress(thread: string): string
  /**
   * Sends a signal, which it handles and returns from, to a thread that is asleep in a touch of user mode.
   * @throws LazyRestoreError `unsupported` for another: a kernel-mode fault spins until it is resolved
   */
  signal(thread: string): string
  threadNames(): readonly string[]
  /** The name of the thread that a message with this id is from. */
  threadName(id: number): string
  protect(address: number, length: number, read: boolean, write: boolean): string
  /** Locks memory without touching it. */
  lock(address: number, length: number): string
  /** Stores a byte at the start of a page of the area's file, by another way than the area. */
  fill(area: Area, page: number, value: number): string
  punch(area: Area, firstPage: number, pageCount: number): string
  truncate(area: Area, pageCount: number): string
  /** One character a page: see `PAGE_STATES`. */
  pageStates(area: Area): string
  /** `C` for pages in the file's page cache, `.` for others; empty when the host cannot tell. */
  cacheStates(area: Area): string
  /** Kills a child that a `fork` made. */
  exit(child: string): string
  /** Waits until every thread has done what it was started for, or sleeps. */
  settle(): void
  /** Wakes and ends what is left; the machine cannot be used any more. */
  close(): void
}

/** What /proc/PID/pagemap tells apart. Poison on hugetlb shows as missing. */
export const PAGE_STATES = {
  missing: '.',
  anonymous: 'P',
  anonymousProtected: 'W',
  file: 'F',
  fileProtected: 'V',
  wpMarker: 'w',
  poison: 'x',
} as const
