/**
 * The guest: four loops of machine code, each instruction beside its bytes (Intel 64 and IA-32 Architectures Software
 * Developer's Manual, vol. 2). It runs in long mode at privilege level 3, without a stack, a timer or an interrupt table,
 * over the lists that guest-lists.ts describes, and speaks to its thread by `out`.
 *
 *     rsi  the current entry of its list        rbx  the address that `walk` or `fold` accesses
 *     rdi  the end of the list                  r8   the TSC as it was read last
 *     r10  TSC ticks per ns, times 2^TICKS_SHIFT
 *     r11  ticks between two looks at the TSC from which on the vCPU was not running between them
 */
import { at, type CodeLine, jump } from '../assembler.ts'

/** Ports. The value that an `out` carries is eax. */
export const PORT_DONE = 0
/** eax: ns that the vCPU stays halted. */
export const PORT_IDLE = 1
/** rax: the TSC. */
export const PORT_SYNC = 2

/** Fraction bits of r10. */
export const TICKS_SHIFT = 24

/** Where `fold` starts, and what it multiplies by: see foldWords in guest-lists.ts. */
export const FOLD_BASIS = 0x811c9dc5
export const FOLD_FACTOR = 0x9e3779b1

const READ_TSC: readonly CodeLine[] = [
  ['0f 31', 'rdtsc'],
  ['48 c1 e2 20', 'shl rdx, 32'],
  ['48 09 d0', 'or rax, rdx'],
]

export const GUEST_CODE: readonly CodeLine[] = [
  // Walks an access list: think, access, put the TSC before and after the access in the entry's place.
  at('walk'),
  ...READ_TSC,
  ['49 89 c0', 'mov r8, rax'],
  at('next'),
  ['48 39 fe', 'cmp rsi, rdi'],
  jump('73', 'jae', 'done'),
  ['48 8b 1e', 'mov rbx, [rsi]'],
  ['8b 4e 08', 'mov ecx, [rsi + 8]'],
  ['48 0f ba f3 3e', 'btr rbx, 62'], // ENTRY_IDLE
  jump('72', 'jc', 'idle'),
  ['49 0f af ca', 'imul rcx, r10'], // ns to ticks
  ['48 c1 e9 18', 'shr rcx, 24'], // TICKS_SHIFT
  at('think'), // rcx: ticks left; time in which the vCPU did not run is not thought
  ...READ_TSC,
  ['48 89 c2', 'mov rdx, rax'],
  ['4c 29 c2', 'sub rdx, r8'],
  ['49 89 c0', 'mov r8, rax'],
  ['4c 39 da', 'cmp rdx, r11'],
  jump('73', 'jae', 'think'),
  ['48 29 d1', 'sub rcx, rdx'],
  jump('77', 'ja', 'think'),
  at('access'),
  ['49 89 c1', 'mov r9, rax'],
  ['48 0f ba f3 3f', 'btr rbx, 63'], // ENTRY_WRITE
  jump('72', 'jc', 'write'),
  ['8a 03', 'mov al, [rbx]'],
  jump('eb', 'jmp', 'record'),
  // The byte stays what it is, and the first fault is already one of a write; without `lock` an emulated CPU (QEMU's) loads first.
  at('write'),
  ['f0 80 0b 00', 'lock or byte ptr [rbx], 0'],
  at('record'),
  ['0f ae e8', 'lfence'], // the access is over before the clock is read
  ...READ_TSC,
  ['49 89 c0', 'mov r8, rax'],
  ['4c 89 0e', 'mov [rsi], r9'],
  ['4c 89 46 08', 'mov [rsi + 8], r8'],
  ['48 83 c6 10', 'add rsi, 16'],
  jump('eb', 'jmp', 'next'),
  at('idle'),
  ['89 c8', 'mov eax, ecx'],
  ['e7 01', 'out 1, eax'], // PORT_IDLE
  ...READ_TSC,
  jump('eb', 'jmp', 'access'),

  at('done'),
  ['e7 00', 'out 0, eax'], // PORT_DONE
  jump('eb', 'jmp', 'done'),

  // Folds the words of each range of a list into one, and puts it in the entry's place.
  at('fold'),
  ['48 39 fe', 'cmp rsi, rdi'],
  jump('73', 'jae', 'done'),
  ['48 8b 1e', 'mov rbx, [rsi]'],
  ['48 8b 4e 08', 'mov rcx, [rsi + 8]'],
  ['48 01 d9', 'add rcx, rbx'],
  ['b8 c5 9d 1c 81', 'mov eax, 0x811c9dc5'], // FOLD_BASIS
  at('fold_word'),
  ['48 39 cb', 'cmp rbx, rcx'],
  jump('73', 'jae', 'folded'),
  ['c1 c0 05', 'rol eax, 5'],
  ['33 03', 'xor eax, [rbx]'],
  ['69 c0 b1 79 37 9e', 'imul eax, eax, 0x9e3779b1'], // FOLD_FACTOR
  ['48 83 c3 04', 'add rbx, 4'],
  jump('eb', 'jmp', 'fold_word'),
  at('folded'),
  ['48 89 06', 'mov [rsi], rax'],
  ['48 83 c6 10', 'add rsi, 16'],
  jump('eb', 'jmp', 'fold'),

  // Touches each page from rsi to rdi, so that the hypervisor has mapped them.
  at('warm'),
  ['48 39 fe', 'cmp rsi, rdi'],
  jump('73', 'jae', 'done'),
  ['80 0e 00', 'or byte ptr [rsi], 0'],
  ['48 81 c6 00 10 00 00', 'add rsi, 4096'],
  jump('eb', 'jmp', 'warm'),

  // Tells the TSC each time that it is run.
  at('sync'),
  ['0f ae e8', 'lfence'],
  ...READ_TSC,
  ['e7 02', 'out 2, eax'], // PORT_SYNC
  jump('eb', 'jmp', 'sync'),
]

export type GuestProgram = 'walk' | 'fold' | 'warm' | 'sync'
