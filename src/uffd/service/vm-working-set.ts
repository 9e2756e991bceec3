/**
 * The working set that a VM is given: what `workingset build` has made of the snapshot, or a recording. Its pages are those
 * of the snapshot; the VM's layout has the same numbers, less those of the blocks before the one that it takes.
 */
import { LazyRestoreError } from '../../core/error.ts'
import type { Layout } from '../../destination/layout.ts'
import { checkWorkingSetIsOf, type WorkingSetFile } from '../../working-set/open.ts'
import { writeTemporaryWorkingSet } from '../../working-set/temporary.ts'
import { type WorkingSet, workingSetOf } from '../../working-set/working-set.ts'
import type { Workload } from '../../workload/workload.ts'
import type { OffsetSpace } from './region-layout.ts'

/** A working-set file, or a recording that is one for the snapshot. */
export type GivenWorkingSet =
  | { readonly kind: 'file'; readonly file: WorkingSetFile }
  | { readonly kind: 'recording'; readonly recording: Workload; readonly name: string }

export interface VmWorkingSet extends WorkingSet {
  close(): Promise<void>
}

/** @throws LazyRestoreError `mismatch` when it is for other host pages, or for blocks that the VM does not take; `io` */
export async function fitWorkingSet(given: GivenWorkingSet, space: OffsetSpace, layout: Layout): Promise<VmWorkingSet> {
  if (given.kind === 'file') {
    const { file } = given
    const pages = pagesOfFile(file, space, layout)
    return { pages, contents: file.contents, close: async () => {} }
  }
  const { recording, name } = given
  const page = recording.page.map(page => page - space.firstTargetPage)
  if (page.some(page => page >= layout.targetPageCount)) refuse(name, layout)
  const { pages } = workingSetOf(layout, { ...recording, page })
  const file = await writeTemporaryWorkingSet(layout, pages)
  return { pages, contents: file.contents, close: file.close }
}

function pagesOfFile(file: WorkingSetFile, { snapshot, blocks }: OffsetSpace, layout: Layout): Uint32Array {
  const { header, contents } = file
  checkWorkingSetIsOf(file, snapshot)
  const pageSizes = [...new Set(layout.blocks.map(({ hostPageSize }) => hostPageSize))]
  let first = 0
  let isBefore = true
  for (const { name, usedLength, hostPageSize } of header.blocks) {
    if (blocks.some(block => block.name === name)) {
      isBefore = false
      if (pageSizes.length === 1 && pageSizes[0] === hostPageSize) continue
      const found = `found a working set for host pages of ${hostPageSize} in block ${name}`
      const expected = `expected ${pageSizes.join(' and ')} as the VM has; workingset build --host-page-size makes one`
      throw new LazyRestoreError('mismatch', `${contents.path}: ${found}, ${expected}`)
    }
    if (isBefore) first += Math.ceil(usedLength / hostPageSize)
  }
  const pages = file.pages.map(page => page - first)
  if (pages.some(page => page >= layout.hostPageCount)) refuse(contents.path, layout)
  return pages
}

function refuse(name: string, { blocks }: Layout): never {
  const names = blocks.map(({ block }) => block.name).join(', ')
  throw new LazyRestoreError('mismatch', `${name}: found pages of other blocks, expected those of ${names} only`)
}
