/**
 * libc, called from JavaScript by koffi (src/core/koffi.ts), which is loaded at the first use. Every thread loads its own;
 * descriptors and addresses are the process's, and can be sent to a worker as numbers.
 *
 * Addresses, lengths and offsets are plain numbers (user addresses are below 2^47), and structs are typed arrays that the
 * caller keeps: such a call allocates nothing and costs 0.1 µs beside the system call. A function answers as its manual
 * page says, -1 with `errno()` set on failure, unless its comment says otherwise.
 */
import { LazyRestoreError } from '../core/error.ts'
import { type Koffi, type KoffiFunction, loadKoffi } from '../core/koffi.ts'
import { formatBytes, GIB } from '../core/units.ts'

/** A struct or an array that the kernel reads or writes. */
export type Struct = Uint8Array | Uint16Array | Int32Array | Uint32Array | Float64Array | BigUint64Array | BigInt64Array

export interface Libc {
  /** errno of the last call that failed. Ask at once: another call, or node itself, may overwrite it. */
  errno(): number
  open(path: string, flags: number): number
  close(fd: number): number
  fcntl(fd: number, command: number, argument: number): number
  ioctl(fd: number, request: number, argument: Struct): number
  /** For requests whose argument is a number, or an address. */
  ioctlWithNumber(fd: number, request: number, argument: number): number
  /** `fds` is the address of a struct pollfd: the descriptor, then `events | revents << 16`. */
  poll(fds: number, count: number, timeoutMs: number): number
  /** As `pread`, at most 2^31 - 4096 bytes at a time, as the kernel has it. */
  read(fd: number, address: number, length: number): number
  pread(fd: number, address: number, length: number, offset: number): number
  mmap(address: number, length: number, protection: number, flags: number, fd: number, offset: number): number
  munmap(address: number, length: number): number
  mprotect(address: number, length: number, protection: number): number
  madvise(address: number, length: number, advice: number): number
  mincore(address: number, length: number, residency: Uint8Array): number
  memfd_create(name: string, flags: number): number
  ftruncate(fd: number, length: number): number
  fallocate(fd: number, mode: number, offset: number, length: number): number
  /** Answers the errno itself; 0 is success. */
  posix_fadvise(fd: number, offset: number, length: number, advice: number): number
  memcpy(destination: number, source: number, length: number): void
  /** Below, at or above 0. */
  memcmp(left: number, right: number, length: number): number
  gettid(): number
  /** The CPU that the calling thread is on now. */
  sched_getcpu(): number
  /** `usage` is of struct rusage: two struct timeval, then fourteen longs. */
  getrusage(who: number, usage: BigInt64Array): number
  /** Of the calling thread when `pid` is 0. `mask` has a bit per CPU. */
  sched_setaffinity(pid: number, maskBytes: number, mask: Uint32Array): number
  /** `set` and `old` are of sigset_t. Answers the errno itself; 0 is success. */
  pthread_sigmask(how: number, set: BigUint64Array, old: BigUint64Array): number
  /** Takes a pending signal of the set; `info` is of siginfo_t, `timeout` of struct timespec. */
  sigtimedwait(set: BigUint64Array, info: BigUint64Array, timeout: BigInt64Array): number
  socket(domain: number, type: number, protocol: number): number
  /** `pair` receives two descriptors. */
  socketpair(domain: number, type: number, protocol: number, pair: Int32Array): number
  /** `address` is of struct sockaddr_un. */
  bind(fd: number, address: Uint8Array, length: number): number
  connect(fd: number, address: Uint8Array, length: number): number
  listen(fd: number, backlog: number): number
  accept4(fd: number, address: number, length: number, flags: number): number
  /** `header` is of struct msghdr. */
  sendmsg(fd: number, header: BigUint64Array, flags: number): number
  recvmsg(fd: number, header: BigUint64Array, flags: number): number
  getsockopt(fd: number, level: number, name: number, value: Int32Array, length: Uint32Array): number
  /** Any system call by its number (syscall(2)); numbers differ between architectures. */
  syscall(nr: number, a: number, b: number, c: number, d: number, e: number, f: number): number
  /** Starts a native thread at an address of code. Answers the errno itself; 0 is success. */
  pthread_create(thread: BigUint64Array, attributes: number, routine: number, argument: number): number
}

/** Functions that take numbers only, so that they can run on another thread. */
type NumericName =
  | 'close'
  | 'poll'
  | 'pread'
  | 'mmap'
  | 'munmap'
  | 'mprotect'
  | 'madvise'
  | 'memcpy'
  | 'memcmp'
  | 'ioctlWithNumber'

/** A larger view may end the process: V8 limits the memory outside its heap that one ArrayBuffer stands for. */
export const MAX_VIEW_BYTES = GIB

let functions: Libc | undefined

/** @throws LazyRestoreError `unsupported`, with one line that says what is missing and how to get it. */
export function libc(): Libc {
  functions ??= bind(loadKoffi())
  return functions
}

/** Why libc cannot be called here; null when it can. */
export function nativeReason(): string | null {
  try {
    libc()
    return null
  } catch (error) {
    return (error as Error).message
  }
}

/**
 * Memory at an address as an ArrayBuffer. The caller must drop it before the memory is unmapped: an access after that ends
 * the process. Not to be called while this thread may be terminated.
 * @throws LazyRestoreError `limit` above MAX_VIEW_BYTES.
 */
export function viewMemory(address: number, length: number): ArrayBuffer {
  if (length > MAX_VIEW_BYTES) {
    const most = formatBytes(MAX_VIEW_BYTES)
    throw new LazyRestoreError('limit', `view of memory: found ${formatBytes(length)}, expected at most ${most}`)
  }
  return loadKoffi().view(address, length)
}

/** Where a typed array's bytes are. They stay there as long as the array is referenced. */
export function addressOf(array: Struct): number {
  return Number(loadKoffi().address(array))
}

/** Where a function of the process is. */
export function addressOfFunction(name: string): number {
  const find = loadKoffi().load(null).func('dlsym', 'uint64_t', ['uint64_t', 'str'])
  return Number(find(0, name))
}

/** Code at an address, of a function `void (void)`: the one that is called with the least work. It must stay there as long as it is called. */
export function functionAt(address: number): () => void {
  const koffi = loadKoffi()
  return koffi.decode(BigInt(address), koffi.proto('void', [])) as () => void
}

/**
 * Calls a function on a thread of libuv's pool, for calls that may block: a touch of a page that another thread must
 * install first, or madvise while its event is unread. There is no errno. A call that never ends keeps the process.
 */
export function callInBackground(name: NumericName, ...parameters: number[]): Promise<number> {
  const target = libc()[name] as unknown as KoffiFunction
  return new Promise((resolve, reject) => {
    target.async(...parameters, (error: unknown, result: number) => (error ? reject(error) : resolve(result)))
  })
}

function bind(ffi: Koffi): Libc {
  const library = ffi.load(null) // the process itself, whichever libc it runs on
  const [int, size, offset, address, struct] = ['int', 'size_t', 'int64_t', 'uint64_t', 'void *']
  const f = (name: string, result: string, ...parameters: string[]) => library.func(name, result, parameters)
  return {
    errno: () => ffi.errno(),
    open: f('open', int, 'str', int),
    close: f('close', int, int),
    fcntl: f('fcntl', int, int, int, 'long'),
    ioctl: f('ioctl', int, int, 'ulong', struct),
    ioctlWithNumber: f('ioctl', int, int, 'ulong', address),
    poll: f('poll', int, address, 'ulong', int),
    read: f('read', int, int, address, size),
    pread: f('pread', int, int, address, size, offset),
    mmap: f('mmap', offset, address, size, int, int, int, offset),
    munmap: f('munmap', int, address, size),
    mprotect: f('mprotect', int, address, size, int),
    madvise: f('madvise', int, address, size, int),
    mincore: f('mincore', int, address, size, struct),
    memfd_create: f('memfd_create', int, 'str', 'uint'),
    ftruncate: f('ftruncate', int, int, offset),
    fallocate: f('fallocate', int, int, int, offset, offset),
    posix_fadvise: f('posix_fadvise', int, int, offset, offset, int),
    memcpy: f('memcpy', 'void', address, address, size),
    memcmp: f('memcmp', int, address, address, size),
    gettid: f('gettid', int),
    sched_getcpu: f('sched_getcpu', int),
    getrusage: f('getrusage', int, int, struct),
    sched_setaffinity: f('sched_setaffinity', int, int, size, struct),
    pthread_sigmask: f('pthread_sigmask', int, int, struct, struct),
    sigtimedwait: f('sigtimedwait', int, struct, struct, struct),
    socket: f('socket', int, int, int, int),
    socketpair: f('socketpair', int, int, int, int, struct),
    bind: f('bind', int, int, struct, 'uint'),
    connect: f('connect', int, int, struct, 'uint'),
    listen: f('listen', int, int, int),
    accept4: f('accept4', int, int, address, address, int),
    sendmsg: f('sendmsg', 'long', int, struct, int),
    recvmsg: f('recvmsg', 'long', int, struct, int),
    getsockopt: f('getsockopt', int, int, int, int, struct, struct),
    syscall: f('syscall', 'long', 'long', 'long', 'long', 'long', 'long', 'long', 'long'),
    pthread_create: f('pthread_create', int, struct, address, address, address),
  }
}
