/**
 * Code for threads that sleep in userfaultfd: a JS thread cannot, because a resolver would wait for itself, and a signal
 * would end the process. A native thread runs this instead (x86-64): it does the one thing that its block says, a load, a
 * store or a system call, and leaves in the block how it ended. SIGBUS and SIGSEGV end in the block too.
 */

/** Byte offsets of a thread's block, all words 64 bits. */
export const BLOCK = {
  /** 0 load a byte, 1 store a byte, 2 load 8 bytes, 3 store 8 bytes, 4 system call. */
  action: 0,
  result: 8,
  /** 1 when it is over. */
  done: 16,
  threadId: 24,
  signal: 32,
  signalCode: 40,
  signalAddress: 48,
  /** a0: address; a1: value. Of a system call a0 to a5. */
  arguments: 56,
  systemCall: 104,
  size: 128,
} as const

export const ACTION_LOAD = 0
export const ACTION_STORE = 1
export const ACTION_LOAD_WIDE = 2
export const ACTION_STORE_WIDE = 3
export const ACTION_SYSTEM_CALL = 4

/** Offsets of the signal handler and of what it returns to. */
export const HANDLER_OFFSET = 0x7d
export const RESTORER_OFFSET = 0xc0
/** A signal handler that only returns: the `ret` before the other one. */
export const RETURN_OFFSET = HANDLER_OFFSET - 1

/** `entry(block)`, a thread's start routine; position-independent. */
const ASSEMBLED = `
  53                     entry:    push rbx
  48 89 fb                         mov rbx, rdi               ; the block
  b8 ba 00 00 00  0f 05            gettid
  48 89 43 18                      mov [rbx+24], rax
  8b 0b                            mov ecx, [rbx]             ; what to do
  48 8b 7b 38                      mov rdi, [rbx+56]
  48 8b 73 40                      mov rsi, [rbx+64]
  83 f9 01                         cmp ecx, 1
  72 3e                            jb load8
  74 41                            je store8
  83 f9 03                         cmp ecx, 3
  72 41                            jb load64
  74 44                            je store64
  48 8b 53 48                      mov rdx, [rbx+72]
  4c 8b 53 50                      mov r10, [rbx+80]
  4c 8b 43 58                      mov r8, [rbx+88]
  4c 8b 4b 60                      mov r9, [rbx+96]
  8b 43 68                         mov eax, [rbx+104]
  0f 05                            syscall
  48 85 c0                         test rax, rax
  75 2d                            jnz done
  83 7b 68 38                      cmp dword [rbx+104], 56    ; clone: this is the child
  75 27                            jne done
  bf 3c 00 00 00                   mov edi, 60
  b8 25 00 00 00  0f 05            alarm                      ; so that it is never left behind
  b8 22 00 00 00  0f 05  again:    pause
  eb f7                            jmp again
  0f b6 07               load8:    movzx eax, byte [rdi]
  eb 0d                            jmp done
  40 88 37               store8:   mov [rdi], sil
  eb 08                            jmp done
  48 8b 07               load64:   mov rax, [rdi]
  eb 03                            jmp done
  48 89 37               store64:  mov [rdi], rsi
  48 89 43 08            done:     mov [rbx+8], rax
  c7 43 10 01 00 00 00             mov dword [rbx+16], 1
  31 c0                            xor eax, eax
  5b                               pop rbx
  c3                               ret
  48 8d 05 7c ff ff ff   handler:  lea rax, [entry]           ; rdi signal, rsi siginfo, rdx ucontext
  48 8b 8a a8 00 00 00             mov rcx, [rdx+168]         ; rip there
  48 39 c1                         cmp rcx, rax
  72 2e                            jb other
  48 8d 05 d7 ff ff ff             lea rax, [done]
  48 39 c1                         cmp rcx, rax
  73 22                            jae other
  48 8b 8a 80 00 00 00             mov rcx, [rdx+128]         ; rbx there: the block
  48 89 79 20                      mov [rcx+32], rdi
  8b 7e 08                         mov edi, [rsi+8]
  48 89 79 28                      mov [rcx+40], rdi
  48 8b 7e 10                      mov rdi, [rsi+16]
  48 89 79 30                      mov [rcx+48], rdi
  48 89 82 a8 00 00 00             mov [rdx+168], rax         ; go on at done
  c3                               ret
  0f 0b                  other:    ud2                        ; a crash of something else
  b8 0f 00 00 00  0f 05  restorer: rt_sigreturn
`

export function threadCode(): Uint8Array {
  const bytes = ASSEMBLED.split('\n').flatMap(
    line => /^ {2}((?:[0-9a-f]{2} {1,2})+)/.exec(line)?.[1].match(/[0-9a-f]{2}/g) ?? [],
  )
  return Uint8Array.from(bytes, byte => Number.parseInt(byte, 16))
}
