import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { probe } from '../../src/uffd/availability.ts'
import { requireForEach, requireOrSkip } from '../support/availability.ts'
import { type ChildResult, runChild } from '../support/run-child.ts'

requireForEach(() => probe().userfaultfd)

const run = (name: string): Promise<ChildResult> => runChild('test/uffd/child.ts', [name])

describe('in a process of its own', () => {
  it('a worker that took the descriptor over by number resolves what the main thread touches', async () => {
    const { stdout, stderr, signal } = await run('resolve-in-worker')
    expect([signal, stderr]).toEqual([null, ''])
    expect(JSON.parse(stdout)).toEqual({ same: 0, difference: null, resolved: 512 })
  })

  it('a touch of a poisoned page is SIGBUS', async () => {
    expect((await run('touch-poison')).signal).toBe('SIGBUS')
  })

  it('9 GiB are seen through views of 1 GiB', async () => {
    const { stdout, stderr, signal } = await run('view-much')
    expect([signal, stderr]).toEqual([null, ''])
    expect(JSON.parse(stdout)).toEqual({ last: new Array(9).fill(0), again: 1 })
  })

  it('an unprivileged user is told what to do, and may handle user mode', async context => {
    requireOrSkip(context, process.getuid?.() === 0 ? null : 'needs root, to become nobody')
    const { stdout, stderr } = await run('probe-as-nobody')
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toMatchObject({
      koffi: null,
      userfaultfd: expect.stringMatching(/^userfaultfd: not permitted; run as root: .*\/dev\/userfaultfd.*$/),
      kvm: expect.stringMatching(
        existsSync('/dev/kvm')
          ? /^kvm: not permitted; run as root: usermod/
          : /^kvm: no \/dev\/kvm; run as root: modprobe/,
      ),
      userModeOnly: 'done',
    })
  })

  it('without koffi, what needs it says so in one line', async () => {
    const { stdout, stderr } = await run('probe-without-koffi')
    expect(stderr).toBe('')
    const { koffi, userfaultfd } = JSON.parse(stdout)
    expect(koffi).toBe('the optional package koffi is not installed; run: npm install --include=optional')
    expect(userfaultfd).toBe(koffi)
  })
})
