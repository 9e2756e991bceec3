/**
 * Firecracker's memory file: the guest's memory regions one after the other in the order of their addresses, no header.
 * Where the regions are follows from the architecture and the size (Firecracker src/vmm/src/arch/{x86_64,aarch64}/layout.rs),
 * or is given. A full snapshot writes every page; a diff snapshot is a sparse file of the same length with the dirty pages
 * alone, and is of use as a layer over its base (layers.ts).
 *
 * Known by a microVM state file beside it, which begins with a magic number that also names the architecture
 * (src/vmm/src/snapshot/mod.rs); failing that, by a usual name.
 */
import { LazyRestoreError } from '../../core/error.ts'
import { option } from '../../core/spec-string.ts'
import { GIB, MIB, parseBytes } from '../../core/units.ts'
import { formatError } from '../format-error.ts'
import {
  checkLength,
  checkPageCount,
  expectFile,
  imageBlocks,
  imageSnapshot,
  PAGE_BYTES,
  type Region,
  regionName,
} from '../memory-image.ts'
import { fileName, headOf, type Subject } from '../stored-file.ts'
import { snapshotReader } from './reader.ts'

type Architecture = 'x86_64' | 'aarch64'

/** The magic's upper 48 bits; older versions keep a version number in the lower 16. */
const STATE_MAGIC: readonly (readonly [magic: bigint, architecture: Architecture])[] = [
  [0x0710_1984_8664n, 'x86_64'],
  [0x0710_1984_aaaan, 'aarch64'],
]
/** Firecracker refuses larger state files. */
const MAX_STATE_BYTES = 10 * MIB
/** Files beside the memory file that are looked at. */
const MAX_NEIGHBOURS = 64
const MEMORY_NAMES = /^(mem|memory|mem_file|memfile|memory\.bin|mem\.bin|snapshot_mem|vm\.mem|.*\.mem|.*\.memory)$/i

/** Address ranges that a guest's memory fills from the lowest on. */
const MEMORY_AREAS: Readonly<Record<Architecture, readonly (readonly [start: number, end: number])[]>> = {
  // The 32-bit MMIO gap is 3 to 4 GiB, the 64-bit one 256 to 512 GiB.
  x86_64: [
    [0, 3 * GIB],
    [4 * GIB, 256 * GIB],
    [512 * GIB, Number.MAX_SAFE_INTEGER],
  ],
  aarch64: [
    [2 * GIB, 256 * GIB],
    [512 * GIB, Number.MAX_SAFE_INTEGER],
  ],
}

export const firecrackerReader = snapshotReader({
  format: 'firecracker',
  writtenBy: 'Firecracker, PUT /snapshot/create: the memory file, full or diff',
  options: {
    arch: option('text', '', 'x86_64 or aarch64; by the state file beside it, else x86_64'),
    regions: option('text', '', 'ADDRESS+LENGTH;… instead of the rule of the architecture'),
  },
  async recognises(subject) {
    const { file } = subject
    if (file === null || file.byteLength % MIB !== 0) return false
    return MEMORY_NAMES.test(fileName(subject)) || (await stateFileBeside(subject)) !== null
  },
  async read(subject, { arch, regions: written }) {
    const file = expectFile(subject, "Firecracker's memory file")
    checkLength(file, written === '' ? MIB : PAGE_BYTES)
    checkPageCount(file.name, 0, file.byteLength / PAGE_BYTES)
    const regions =
      written === ''
        ? regionsByRule(await architectureOf(subject, arch), file.byteLength)
        : parseRegions(written, file.name, file.byteLength)
    return imageSnapshot('firecracker', subject.path, file, imageBlocks(regions, file.dataRuns().runs, PAGE_BYTES))
  },
})

/** The regions of a guest with so much memory. */
export function regionsByRule(architecture: Architecture, memoryBytes: number): Region[] {
  const regions: Region[] = []
  let pagesOffset = 0
  for (const [start, end] of MEMORY_AREAS[architecture]) {
    const length = Math.min(end - start, memoryBytes - pagesOffset)
    if (length > 0) regions.push({ name: regionName(start), address: start, length, pagesOffset })
    pagesOffset += length
  }
  return regions
}

async function architectureOf(subject: Subject, asked: string): Promise<Architecture> {
  if (asked === 'x86_64' || asked === 'aarch64') return asked
  if (asked !== '') {
    throw new LazyRestoreError('usage', `firecracker: arch: found "${asked}", expected x86_64 or aarch64`)
  }
  return (await stateFileBeside(subject)) ?? 'x86_64'
}

/** The architecture that a state file beside the memory file names; null without one. */
async function stateFileBeside({ folder, file }: Subject): Promise<Architecture | null> {
  for (const name of await folder.list(MAX_NEIGHBOURS)) {
    const neighbour = await folder.open(name).catch(() => null)
    if (neighbour === null || neighbour.name === file?.name || neighbour.byteLength > MAX_STATE_BYTES) continue
    const head = await headOf(neighbour)
    if (head.length < 8) continue
    const magic = head.readBigUInt64LE(0) >> 16n
    for (const [known, architecture] of STATE_MAGIC) if (magic === known) return architecture
  }
  return null
}

/** `0+3GiB;4GiB+1GiB`, in the order of the file, which they must fill. */
function parseRegions(text: string, name: string, fileBytes: number): Region[] {
  let pagesOffset = 0
  const regions = text.split(';').map(piece => {
    const [start, size, ...rest] = piece.split('+')
    if (size === undefined || rest.length > 0) {
      throw new LazyRestoreError('usage', `firecracker: regions: found "${piece}", expected ADDRESS+LENGTH`)
    }
    const address = parseAddress(start)
    const length = parseAddress(size)
    if (length === 0 || length % PAGE_BYTES !== 0 || address % PAGE_BYTES !== 0) {
      throw new LazyRestoreError('usage', `firecracker: regions: found "${piece}", expected whole pages of 4 KiB`)
    }
    const region = { name: regionName(address), address, length, pagesOffset }
    pagesOffset += length
    return region
  })
  const sorted = [...regions].sort((a, b) => a.address - b.address)
  const overlap = sorted.find((region, i) => i > 0 && sorted[i - 1].address + sorted[i - 1].length > region.address)
  if (overlap !== undefined) {
    throw new LazyRestoreError('usage', `firecracker: regions: found ${overlap.name} inside another, expected none`)
  }
  if (pagesOffset === fileBytes) return regions
  const found = `${fileBytes} bytes`
  throw formatError({
    name,
    offset: fileBytes,
    field: 'end of the file',
    found,
    expected: `${pagesOffset}, as regions say`,
  })
}

function parseAddress(text: string): number {
  const hex = /^0x[0-9a-f]{1,13}$/i.test(text.trim()) ? Number(text.trim()) : null
  return hex ?? parseBytes(text, 'firecracker: regions')
}
