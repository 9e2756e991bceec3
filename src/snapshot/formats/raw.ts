/**
 * A raw memory image: page after page, no header, one block. Pages in holes of the file are zero; pages that were written
 * as zeros have data until a zero scan finds them. Nothing in the bytes says that a file is one, so it is asked for:
 * `raw:PATH`, or by a name that ends in `.raw`.
 */
import { option } from '../../core/spec-string.ts'
import {
  checkLength,
  checkPageCount,
  checkPageSize,
  expectFile,
  imageBlocks,
  imageSnapshot,
  PAGE_BYTES,
} from '../memory-image.ts'
import { fileName } from '../stored-file.ts'
import { snapshotReader } from './reader.ts'

export const rawReader = snapshotReader({
  format: 'raw',
  writtenBy: 'anything that copies memory to a file',
  options: { page: option('bytes', PAGE_BYTES, 'target page size') },
  recognises: subject => subject.file !== null && fileName(subject).endsWith('.raw'),
  async read(subject, { page }) {
    checkPageSize(page)
    const file = expectFile(subject, 'a file')
    const { byteLength: length } = file
    checkLength(file, page)
    checkPageCount(file.name, 0, length / page)
    const region = { name: 'ram', address: null, length, pagesOffset: 0 }
    return imageSnapshot('raw', subject.path, file, imageBlocks([region], file.dataRuns().runs, page))
  },
})
