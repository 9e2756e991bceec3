/** The processes of a CRIU dump and their memory mappings: pstree.img, mm-PID.img (images/{pstree,mm,vma}.proto). */
import type { Folder } from '../../stored-file.ts'
import { ImageFile, MM_MAGIC, PSTREE_MAGIC } from './image-file.ts'

/** criu/include/image.h: what `status` of a mapping says. */
export const VMA_VSYSCALL = 1 << 2
export const VMA_VDSO = 1 << 3
export const VMA_ANON_SHARED = 1 << 8
export const VMA_ANON_PRIVATE = 1 << 9
export const VMA_VVAR = 1 << 12

const PAGE = 4096
const MAX_TASKS = 65_536
const MAX_MAPPINGS = 1 << 20

export interface Mapping {
  readonly start: number
  readonly end: number
  /** Offset in the file or shared memory that is mapped. */
  readonly offset: number
  /** Id of the shared memory. */
  readonly sharedId: number
  /** PROT_*; 0: reserved, and cannot be touched. */
  readonly protection: number
  readonly status: number
}

/** Process ids, in the order of the tree. */
export async function readTasks(folder: Folder): Promise<number[]> {
  const image = await ImageFile.open(folder, 'pstree.img', PSTREE_MAGIC)
  const tasks: number[] = []
  for (const record of image?.records() ?? []) {
    let pid = -1
    image!.visit(record, (field, value) => {
      if (field === 1) pid = value
    })
    if (!(pid > 0)) throw image!.error(record.start, 'pid', pid < 0 ? 'none' : pid, 'a number above 0')
    if (tasks.length === MAX_TASKS) throw image!.error(record.start, 'processes', 'more', `at most ${MAX_TASKS}`)
    tasks.push(pid)
  }
  return tasks
}

/** The mappings of a process by address; null for one without memory of its own (a zombie, a thread group's helper). */
export async function readMappings(folder: Folder, pid: number): Promise<Mapping[] | null> {
  const image = await ImageFile.open(folder, `mm-${pid}.img`, MM_MAGIC)
  if (image === null) return null
  const mappings: Mapping[] = []
  for (const record of image.records()) {
    image.visit(record, (field, _, inner) => {
      if (field !== 14) return
      if (mappings.length === MAX_MAPPINGS)
        throw image.error(inner.start, 'mappings', 'more', `at most ${MAX_MAPPINGS}`)
      const numbers = new Float64Array(8)
      image.visit(inner, (inField, value) => {
        if (inField < numbers.length) numbers[inField] = value
      })
      const [, start, end, offset, sharedId, protection, , status] = numbers
      if (!(start % PAGE === 0 && end % PAGE === 0 && start < end)) {
        throw image.error(inner.start, 'mapping', `[${start}, ${end})`, 'whole pages in order')
      }
      if (offset % PAGE !== 0) throw image.error(inner.start, "mapping's offset", offset, `a multiple of ${PAGE}`)
      const before = mappings.at(-1)
      if (before !== undefined && before.end > start) {
        throw image.error(inner.start, 'mapping', `0x${start.toString(16)}`, `at least 0x${before.end.toString(16)}`)
      }
      mappings.push({ start, end, offset, sharedId, protection, status })
    })
  }
  return mappings
}
