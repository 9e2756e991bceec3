/** What shows that a VM's work is done: over real sockets, with a peer that says what a VM's side would. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { missingInCommand, parseWorkSign, WorkWatch } from '../../src/qemu/engine/work-sign.ts'
import type { Vm } from '../../src/qemu/vm.ts'

let folder: string
const servers: Server[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lazyrestore-test-'))
})
afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise(done => server.close(done))
  rmSync(folder, { recursive: true })
})

/** What of a VM a watch uses: where its sockets are. */
const vm = (): Vm => ({ serialPath: join(folder, 'serial'), agentPath: join(folder, 'agent') }) as Vm

function listen(place: string | number, onConnection: (socket: Socket) => void): Promise<number> {
  const server = createServer(onConnection)
  servers.push(server)
  return new Promise(done => {
    const onListening = (): void => {
      const address = server.address()
      done(typeof address === 'object' ? (address?.port ?? 0) : 0)
    }
    if (typeof place === 'string') server.listen(join(folder, place), onListening)
    else server.listen(place, '127.0.0.1', onListening)
  })
}

describe('a sign of work', () => {
  it('is a text on the serial port, though it comes in pieces and among others', async () => {
    await listen('serial', socket => {
      socket.on('error', () => {})
      socket.on('data', () => {
        socket.write('starting\nlog')
        setTimeout(() => socket.write('in: \n'), 5)
      })
    })
    const watch = await WorkWatch.open(vm(), parseWorkSign('serial:login:', '--until'), 'go')
    const beginMs = performance.now()
    expect(await watch.done(5000)).toBeGreaterThanOrEqual(beginMs)
    watch.close()
  })

  it('is a byte from a port, once a connection brings one', async () => {
    let connections = 0
    const port = await listen(0, socket => {
      socket.on('error', () => {})
      if (++connections < 3) socket.destroy()
      else socket.on('data', () => socket.write('SSH'))
    })
    const watch = await WorkWatch.open(vm(), parseWorkSign(`port:${port}`, '--until'), 'hello')
    await watch.done(5000)
    expect(connections).toBe(3)
  })

  it('is an answer of the guest agent, which is asked again until it is there', async () => {
    let asked = 0
    await listen('agent', socket => {
      socket.on('error', () => {})
      socket.setEncoding('latin1').on('data', (text: string) => {
        if (++asked < 2) return
        const { execute, arguments: given } = JSON.parse(text.replaceAll('\xff', ''))
        expect(execute).toBe('guest-sync')
        socket.write(`{"return": ${given.id}}\n`)
      })
    })
    const watch = await WorkWatch.open(vm(), parseWorkSign('guest-agent', '--until'), null)
    await watch.done(5000)
    expect(asked).toBe(2)
    watch.close()
  })

  it('that does not come, or a VM that ends, is an error', async () => {
    await listen('serial', socket => {
      socket.on('error', () => {})
      socket.on('data', () => socket.end('bye'))
    })
    const silent = await WorkWatch.open(vm(), { kind: 'serial', text: 'W' }, null)
    await expect(silent.done(10)).rejects.toThrow('the VM: found no "W" on the serial port')
    silent.close()
    const ended = await WorkWatch.open(vm(), { kind: 'serial', text: 'W' }, 'x')
    await expect(ended.done(5000)).rejects.toThrow('it has ended')
    const nobody = await WorkWatch.open(vm(), { kind: 'port', port: 1 }, null)
    await expect(nobody.done(10)).rejects.toThrow('nothing that answers on port 1')
  })
})

describe('what is refused', () => {
  it.each(['', 'serial', 'serial:', 'port:0', 'port:65536', 'port:x', 'guest-agent:1', 'ssh'])('%j as a sign', text => {
    expect(() => parseWorkSign(text, '--until')).toThrow(
      `--until: found "${text}", expected serial:TEXT, port:N or guest-agent`,
    )
  })

  it('a command line without the socket that the sign needs', () => {
    const serial = parseWorkSign('serial:a:b', '--until')
    expect(serial).toEqual({ kind: 'serial', text: 'a:b' })
    expect(missingInCommand(serial, null, ['qemu'])).toMatch(/^-serial unix:@SERIAL/)
    expect(missingInCommand(serial, null, ['qemu', '-serial', 'unix:@SERIAL'])).toBeNull()
    expect(missingInCommand({ kind: 'guest-agent' }, null, ['qemu'])).toMatch(/@AGENT/)
    expect(missingInCommand({ kind: 'guest-agent' }, 'x', ['qemu', '@AGENT'])).toMatch(/@SERIAL/)
    expect(missingInCommand({ kind: 'port', port: 1 }, 'x', ['qemu'])).toBeNull()
  })
})
