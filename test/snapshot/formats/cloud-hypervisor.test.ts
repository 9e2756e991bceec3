/**
 * Cloud Hypervisor's snapshot folder, written here as its source says (no real one: the VMM does not run on this machine). The sparse memory file is a real
 * one of this file system.
 */
import { writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { openSnapshot } from '../../../src/snapshot/open-snapshot.ts'
import { expectRefusal } from '../support.ts'
import { stateOf } from './cloud-hypervisor-state.ts'
import { dataPages, firstBytes, PAGE, pageOf, sparseFile, temporaryFolder } from './support.ts'

const path = temporaryFolder('cloud-hypervisor')

const RANGES = [
  { gpa: 0, length: 160 * PAGE },
  { gpa: 0x100000, length: 8 * PAGE },
  { gpa: 2 ** 32, length: 3 * PAGE },
]
const MANAGER = { memory_ranges: { data: RANGES }, start_of_device_area: 2 ** 40 - 1, boot_ram: 1, current_ram: 1 }

async function folderWith(name: string, state: string, pages = 171): Promise<string> {
  await writeFile(path(name, 'state.json'), state)
  await writeFile(path(name, 'config.json'), '{}')
  const pieces = [1, 160, 167, 170].map(page => [page * PAGE, pageOf(page)] as const)
  await sparseFile(path(name, 'memory-ranges'), pages * PAGE, pieces)
  return path(name)
}

describe('a snapshot folder', () => {
  test.each(['folder', 'its memory file'])('is read by the name of the %s', async what => {
    const folder = await folderWith('good', stateOf(MANAGER))
    const snapshot = await openSnapshot(what === 'folder' ? folder : `${folder}/memory-ranges`)
    expect(snapshot.format).toBe('cloud-hypervisor')
    expect(snapshot.blocks).toMatchObject([
      { name: 'ram@0x0', address: 0, usedLength: 160 * PAGE, pagesOffset: 0 },
      { name: 'ram@0x100000', address: 0x100000, usedLength: 8 * PAGE, pagesOffset: 160 * PAGE },
      { name: 'ram@0x100000000', address: 2 ** 32, usedLength: 3 * PAGE, pagesOffset: 168 * PAGE },
    ])
    expect(snapshot.blocks.map(dataPages)).toEqual([[1], [0, 7], [2]])
    const memory = await firstBytes(snapshot)
    expect([memory[0][1], memory[1][0], memory[1][7], memory[2][2]]).toEqual([1, 160, 167, 170].map(p => pageOf(p)[0]))
    expect(memory[0][0]).toBe(0)
    await snapshot.close()
  })

  const at = stateOf(MANAGER).indexOf('"memory-manager"').toString(16)
  test.each([
    [
      'JSON that is cut',
      stateOf(MANAGER).slice(0, -9),
      /state\.json: 0x[0-9a-f]+: JSON: found .*, expected JSON text$/,
    ],
    ['no manager', '{"snapshots": {}}', /state\.json: 0x0: memory-manager: found no such snapshot, expected one/],
    [
      'a state in bytes',
      '{"snapshots": {"memory-manager": {"snapshot_data": {"state": [1, 2]}}}}',
      /0xf: memory-manager\.snapshot_data\.state: found a list of 2, expected JSON in a string$/,
    ],
    ['no ranges', stateOf({}), /memory_ranges\.data: found undefined, expected a list of 1 to 4096 ranges$/],
    [
      'a length of no whole pages',
      stateOf({ memory_ranges: { data: [RANGES[0], { gpa: 2 ** 20, length: 5 }] } }),
      new RegExp(`0x${at}: memory_ranges\\.data\\[1\\]\\.length: found 5, expected a multiple of 4096$`),
    ],
    [
      'a range twice',
      stateOf({ memory_ranges: { data: [RANGES[0], RANGES[0]] } }),
      /memory_ranges\.data: found two ranges at one address, expected an address each$/,
    ],
    [
      'ranges that are longer than the memory file',
      stateOf({ memory_ranges: { data: [...RANGES, { gpa: 2 ** 33, length: PAGE }] } }),
      /memory-ranges: 0xab000: end of the file: found 700416 bytes, expected 704512, the sum of the ranges in state\.json$/,
    ],
  ])('with %s is refused', async (name, state, message) => {
    await expectRefusal(openSnapshot(await folderWith(name, state)), 'format', message)
  })
})
