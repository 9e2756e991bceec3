/**
 * Finds where in a file the migration stream starts: at byte 0; behind libvirt's save header (`virsh save` with the
 * sparse format; libvirt src/qemu/qemu_saveimage.h); at an offset that the user gives (QEMU's `file:PATH,offset=N`); or,
 * failing these, at the first magic in the first MiB. Offsets inside the stream count from byte 0 of the file anyway.
 */
import { LazyRestoreError } from '../core/error.ts'
import { MIB } from '../core/units.ts'
import type { ByteSource } from './byte-source.ts'
import { formatError, hexBytes } from './format-error.ts'
import { ownFileKind } from './frame-magic.ts'
import { STREAM_MAGIC, STREAM_VERSION } from './stream-format.ts'

const LIBVIRT_MAGIC = 'LibvirtQemudSave'
const LIBVIRT_MAGIC_PARTIAL = 'LibvirtQemudPart'
const LIBVIRT_HEADER_BYTES = 92
const SCAN_BYTES = MIB
/** What both of its magics begin with. */
export const LIBVIRT_MAGIC_PREFIX = Uint8Array.from(Buffer.from('LibvirtQemud', 'latin1'))

/** Files that people hand over as they were stored. */
const COMPRESSED: readonly { readonly magic: readonly number[]; readonly name: string; readonly advice: string }[] = [
  { magic: [0x1f, 0x8b], name: 'gzip', advice: 'gunzip it first' },
  { magic: [0x28, 0xb5, 0x2f, 0xfd], name: 'zstd', advice: 'unzstd it first' },
  { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a], name: 'xz', advice: 'unxz it first' },
  { magic: [0x42, 0x5a, 0x68], name: 'bzip2', advice: 'bunzip2 it first' },
]

/** The offset of the stream's magic. */
export async function findStream(source: ByteSource, streamOffset?: number): Promise<number> {
  if (streamOffset !== undefined) {
    if (Number.isSafeInteger(streamOffset) && streamOffset >= 0)
      return expectMagic(source, streamOffset, 'stream magic')
    throw new LazyRestoreError('usage', `stream offset: found ${streamOffset}, expected a whole number`)
  }
  const head = Buffer.alloc(Math.min(LIBVIRT_HEADER_BYTES, source.byteLength))
  await source.read(0, head)
  if (startsWith(head, STREAM_MAGIC)) return 0
  const compressed = COMPRESSED.find(({ magic }) => startsWith(head, magic))
  if (compressed !== undefined) {
    const { name, advice } = compressed
    throw new LazyRestoreError('unsupported', `${source.name}: found a ${name} file, expected a snapshot: ${advice}`)
  }
  const own = ownFileKind(head)
  if (own !== null) throw new LazyRestoreError('format', `${source.name}: 0x0: found a ${own}, expected a snapshot`)
  const wrapper = head.toString('latin1', 0, LIBVIRT_MAGIC.length)
  if (wrapper === LIBVIRT_MAGIC_PARTIAL) {
    throw new LazyRestoreError('format', `${source.name}: 0x0: libvirt's save did not finish (${wrapper})`)
  }
  return wrapper === LIBVIRT_MAGIC ? skipLibvirtHeader(source, head) : scanForMagic(source, head)
}

/** magic[16], then u32 in the writer's byte order: version, length of the data behind the header, …, format. */
function skipLibvirtHeader(source: ByteSource, header: Buffer): Promise<number> {
  if (header.length < LIBVIRT_HEADER_BYTES) {
    const found = `the end of the file after ${header.length} bytes`
    throw formatError({ name: source.name, offset: 0, field: 'libvirt header', found, expected: LIBVIRT_HEADER_BYTES })
  }
  const version = header.readUInt32LE(16)
  if (version === 0 || version > 0xffff) {
    const expected = '1..65535, little-endian'
    throw formatError({ name: source.name, offset: 16, field: 'libvirt header version', found: version, expected })
  }
  const offset = LIBVIRT_HEADER_BYTES + header.readUInt32LE(20)
  return expectMagic(source, offset, `stream magic behind libvirt's header (save format ${header.readUInt32LE(28)})`)
}

async function expectMagic(source: ByteSource, offset: number, field: string): Promise<number> {
  const magic = Buffer.alloc(Math.max(0, Math.min(STREAM_MAGIC.length, source.byteLength - offset)))
  await source.read(offset, magic)
  if (startsWith(magic, STREAM_MAGIC)) return offset
  const expected = `${hexBytes(STREAM_MAGIC)} (QEVM)`
  throw formatError({ name: source.name, offset, field, found: hexBytes(magic), expected })
}

async function scanForMagic(source: ByteSource, head: Buffer): Promise<number> {
  const start = Buffer.alloc(Math.min(SCAN_BYTES, source.byteLength))
  await source.read(0, start)
  const offset = start.indexOf(Uint8Array.of(...STREAM_MAGIC, 0, 0, 0, STREAM_VERSION))
  if (offset >= 0) return offset
  const expected = `${hexBytes(STREAM_MAGIC)} (QEVM) there or in the first MiB, or a format in front, as in raw:${source.name}`
  throw formatError({
    name: source.name,
    offset: 0,
    field: 'stream magic',
    found: hexBytes(head.subarray(0, STREAM_MAGIC.length)),
    expected,
  })
}

export function startsWith(bytes: Uint8Array, magic: ArrayLike<number>): boolean {
  return bytes.length >= magic.length && Array.from(magic).every((byte, i) => bytes[i] === byte)
}
