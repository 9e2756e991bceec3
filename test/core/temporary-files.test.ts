import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { holdTemporary } from '../../src/core/temporary-files.ts'

const listeners = () => (['SIGINT', 'SIGTERM', 'exit'] as const).map(event => process.listenerCount(event as never))

describe('a temporary file with a name', () => {
  it('is listened for as long as there is one', () => {
    const before = listeners()
    const release = holdTemporary('one')
    const releaseOther = holdTemporary('other')
    expect(listeners()).toEqual(before.map(count => count + 1))
    release()
    release()
    expect(listeners()).toEqual(before.map(count => count + 1))
    releaseOther()
    expect(listeners()).toEqual(before)
  })

  it('stays when somebody else makes something of the signal, even once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'temporary')
    writeFileSync(path, '')
    const heard = new Promise<void>(resolve => process.once('SIGTERM', () => resolve()))
    const release = holdTemporary(path)
    process.kill(process.pid, 'SIGTERM')
    await heard
    release()
    expect(readdirSync(folder)).toEqual(['temporary'])
  })
})
