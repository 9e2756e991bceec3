/**
 * The words that a migration source says to a destination QEMU beside the sections: commands, of the form `08`, u16 command,
 * u16 length, data, all big-endian. Specified in QEMU docs/devel/migration/postcopy.rst and migration/savevm.c
 * (qemu_savevm_command_send).
 */
import { ByteWriter } from '../snapshot/byte-writer.ts'
import { ELEMENT_COMMAND } from '../snapshot/stream-format.ts'

const OPEN_RETURN_PATH = 1
const PING = 2
const POSTCOPY_ADVISE = 3
const POSTCOPY_LISTEN = 4
const POSTCOPY_RUN = 5
const POSTCOPY_RAM_DISCARD = 6
const PACKAGED = 7
const POSTCOPY_RESUME = 9
const RECV_BITMAP = 10

const DISCARD_VERSION = 0
/** The length of what a package holds is a u32. */
export const MAX_PACKAGE_BYTES = 2 ** 32 - 1

/** Asks the destination to answer on the same connection. */
export function openReturnPath(): Uint8Array {
  return command(OPEN_RETURN_PATH)
}

/** The destination answers PONG with the same value when it has come so far in the stream. */
export function ping(value: number): Uint8Array {
  return command(PING, new ByteWriter().u32(value))
}

/**
 * Announces postcopy.
 * @param pageSizes bitwise OR of the host page sizes of the destination's RAM blocks; it refuses any other value
 */
export function postcopyAdvise(pageSizes: number, targetPageSize: number): Uint8Array {
  return command(POSTCOPY_ADVISE, new ByteWriter().u64(pageSizes).u64(targetPageSize))
}

/** From here on missing pages are asked for. */
export function postcopyListen(): Uint8Array {
  return command(POSTCOPY_LISTEN)
}

/** The VM may run. */
export function postcopyRun(): Uint8Array {
  return command(POSTCOPY_RUN)
}

/** Empties `[0, length)` of a block, so that all of it is missing. */
export function discardBlock(name: string, length: number): Uint8Array {
  return command(POSTCOPY_RAM_DISCARD, new ByteWriter().u8(DISCARD_VERSION).name(name).u8(0).u64(0).u64(length))
}

/** Announces so many bytes of stream that the destination reads as a whole before it acts on them. */
export function packageOf(length: number): Uint8Array {
  return command(PACKAGED, new ByteWriter().u32(length))
}

/** Asks a paused destination which pages of the block it has. */
export function receivedBitmap(name: string): Uint8Array {
  return command(RECV_BITMAP, new ByteWriter().name(name))
}

/** A paused destination goes on. */
export function postcopyResume(): Uint8Array {
  return command(POSTCOPY_RESUME)
}

function command(number: number, body = new ByteWriter()): Uint8Array {
  const data = body.finish()
  return new ByteWriter().u8(ELEMENT_COMMAND).u16(number).u16(data.length).bytes(data).finish()
}
