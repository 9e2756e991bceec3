/** What the tests with a real QEMU share: is it there, a destination for a fixture, and the guest that checks its own memory. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { onTestFinished } from 'vitest'
import { parseSpec } from '../../src/core/spec-string.ts'
import { parseHostPages } from '../../src/destination/host-pages.ts'
import { createLayout, type Layout } from '../../src/destination/layout.ts'
import type { Address } from '../../src/qemu/channel.ts'
import { type RestoreQemuOptions, restoreQemu } from '../../src/qemu/restore-qemu.ts'
import { Vm } from '../../src/qemu/vm.ts'
import { openSnapshot } from '../../src/snapshot/open-snapshot.ts'

const FIXTURES = join(import.meta.dirname, '../fixtures/snapshots')
const QEMU = 'qemu-system-x86_64'
const GUEST_LIMIT_MS = 20_000

export type FixtureName = 'pc-16m' | 'memfd-16m'
/** What the guest's RAM lies on: block pc.ram, or block m0 of 4 KiB or 2 MiB pages. */
export type Backend = 'default' | 'memfd' | 'huge'

/** Why there is no QEMU for the tests; null when there is one. */
export function qemuReason(): string | null {
  try {
    execFileSync(QEMU, ['--version'])
    return null
  } catch {
    return `needs ${QEMU} (apt-get install qemu-system-x86)`
  }
}

export interface FixtureFile {
  readonly path: string
  readonly rom: string
  readonly folder: string
}

/** The fixture's snapshot and its guest's ROM in a folder of their own; it goes when the test is over. */
export function fixtureFile(name: FixtureName): FixtureFile {
  const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'vm.mig')
  writeFileSync(path, gunzipSync(readFileSync(join(FIXTURES, `${name}.mig.gz`))))
  const rom = join(folder, 'rom')
  copyFileSync(join(FIXTURES, `${name}.bin`), rom)
  return { path, rom, folder }
}

/** The command line of a QEMU that fits the fixtures. */
export function qemuCommand(rom: string, backend: Backend, mib = 16): string[] {
  const huge = backend === 'huge' ? ',hugetlb=on,hugetlbsize=2M' : ''
  const memory = backend === 'default' ? [] : ['-object', `memory-backend-memfd,id=m0,size=${mib}M,share=off${huge}`]
  const machine = `pc-i440fx-7.2${backend === 'default' ? '' : ',memory-backend=m0'}`
  return [
    ...[QEMU, '-accel', 'tcg', '-m', String(mib), '-machine', machine, ...memory],
    ...['-bios', rom, '-nodefaults', '-display', 'none', '-serial', 'unix:@SERIAL,server=on,wait=off'],
  ]
}

export interface DestinationOptions {
  readonly backend?: Backend
  readonly capabilities?: readonly string[]
  readonly mib?: number
  /** Listens on TCP. */
  readonly tcp?: boolean
}

export interface Destination {
  readonly vm: Vm
  readonly address: Address
  readonly guest: Guest
}

/** A QEMU that waits for the migration of a fixture; it is ended with the test. */
export async function startDestination(rom: string, options: DestinationOptions = {}): Promise<Destination> {
  const { backend = 'default', capabilities = [], mib } = options
  const vm = await Vm.start({ command: qemuCommand(rom, backend, mib) })
  onTestFinished(() => vm.close())
  await vm.setCapabilities('postcopy-ram', ...capabilities)
  const address = await listen(vm, 'migrate-incoming', options.tcp ?? false)
  return { vm, address, guest: await Guest.connect(vm.serialPath) }
}

/** Tells a QEMU to listen; `command` is migrate-incoming or migrate-recover. */
export async function listen(vm: Vm, command: string, tcp = false): Promise<Address> {
  if (tcp) {
    await vm.qmp.execute(command, { uri: 'tcp:127.0.0.1:0' })
    const { 'socket-address': found } = await vm.qmp.execute<{ 'socket-address': { port: string }[] }>('query-migrate')
    return { kind: 'tcp', host: '127.0.0.1', port: Number(found[0].port) }
  }
  const path = join(vm.folder, command)
  await vm.qmp.execute(command, { uri: `unix:${path}` })
  return { kind: 'unix', path }
}

/** The guest of the fixtures: it answers one letter on its serial port when it has done what another one asked for. */
export class Guest {
  readonly #socket: Socket
  #heard = ''
  #onHeard: (() => void) | null = null

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {})
    socket.setEncoding('latin1').on('data', (text: string) => {
      this.#heard += text
      this.#onHeard?.()
    })
  }

  static connect(path: string): Promise<Guest> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path }, () => resolve(new Guest(socket)))
      socket.once('error', reject)
      onTestFinished(() => {
        socket.destroy()
      })
    })
  }

  /** Asks without waiting for the answer. */
  ask(letter: string): void {
    this.#socket.write(letter)
  }

  /** The next answer. */
  async answer(): Promise<string> {
    const endMs = performance.now() + GUEST_LIMIT_MS
    while (this.#heard === '') {
      const leftMs = endMs - performance.now()
      if (leftMs <= 0) throw new Error('the guest does not answer')
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, leftMs)
        this.#onHeard = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    const [letter] = this.#heard
    this.#heard = this.#heard.slice(1)
    return letter
  }

  /** Reads its working set: W. */
  work(): Promise<string> {
    this.ask('w')
    return this.answer()
  }

  /** Checks every word of its memory: V, or X at the first wrong one. */
  verify(): Promise<string> {
    this.ask('v')
    return this.answer()
  }
}

/** The layout of a snapshot file; the file is closed with the test. */
export async function layoutOf(path: string, hostPages = '4K'): Promise<Layout> {
  const snapshot = await openSnapshot(path)
  onTestFinished(() => snapshot.close())
  return createLayout(snapshot, parseHostPages(hostPages))
}

export function restore(
  layout: Layout,
  address: Address,
  policy: string,
  options: Partial<RestoreQemuOptions> = {},
): ReturnType<typeof restoreQemu> {
  return restoreQemu({
    ...{ layout, address, policy: parseSpec(policy), workingSet: null, completeAfterMs: 100, limitMs: 20_000 },
    ...options,
  })
}
