/** Machine code of ours in memory of this process. */
import { assemble, type CodeLine } from './assembler.ts'
import { MemoryRegion } from './memory-region.ts'
import { libc } from './native.ts'

const CODE_BYTES = 4096
const PROT_READ_EXEC = 5

/** At most 4 KiB. Null where the host allows no code of ours. @throws LazyRestoreError `unsupported` without koffi */
export function loadCode(lines: readonly CodeLine[]): MemoryRegion | null {
  const region = new MemoryRegion({ kind: 'anon', hostPageSize: CODE_BYTES, byteLength: CODE_BYTES })
  region.view(0, CODE_BYTES).set(assemble(lines).bytes)
  if (libc().mprotect(region.address, CODE_BYTES, PROT_READ_EXEC) === 0) return region
  region.close()
  return null
}

/** An address as the eight bytes of an instruction's operand. */
export function littleEndian(address: number): string {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(address))
  return [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join(' ')
}
