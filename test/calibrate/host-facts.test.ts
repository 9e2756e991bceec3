/** Facts about the host. */
import { tmpdir } from 'node:os'
import { describe, expect, it } from 'vitest'
import { fileSystemOf, folderFacts, hostFacts } from '../../src/calibrate/host-facts.ts'

const MOUNTS = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:27 / /dev/shm rw - tmpfs tmpfs rw
31 27 8:1 / /mnt/my\\040disk rw shared:5 - xfs /dev/sda1 rw
32 27 8:2 / /mnt rw - btrfs /dev/sdb rw
`

describe('the file system of a path', () => {
  it.each([
    ['/', 'ext4'],
    ['/home/a', 'ext4'],
    ['/dev/shm', 'tmpfs'],
    ['/dev/shm/a/b', 'tmpfs'],
    ['/dev/shmem', 'ext4'],
    ['/mnt/other', 'btrfs'],
    ['/mnt/my disk/a', 'xfs'],
  ])('of %s is %s', (path, expected) => expect(fileSystemOf(path, MOUNTS)).toBe(expected))

  it('is unknown without mounts', () => expect(fileSystemOf('/a', '')).toBe('unknown'))
})

describe('the facts of this host', () => {
  it('say what a reader wants to know, and nothing private', () => {
    const facts = hostFacts(folderFacts(tmpdir()), 0.5)
    expect(facts.cores).toBeGreaterThan(0)
    expect(facts.node).toBe(process.version)
    expect(Date.parse(facts.date)).toBeGreaterThan(0)
    expect(facts.loadBefore).toBe(0.5)
    expect(Object.keys(facts)).not.toContain('hostname')
  })
})
