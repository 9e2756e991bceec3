/**
 * Temporary files that have a name, as they are to take another one: gone when a signal, or an exit before the end, finds the
 * process writing them. A command that has its own idea of the signal goes on, and so does its file. SIGKILL leaves them.
 */
import { rmSync } from 'node:fs'

const SIGNALS = ['SIGINT', 'SIGTERM'] as const
const held = new Set<string>()

/** Call before the file is made; what is returned, when it is renamed or removed. */
export function holdTemporary(path: string): () => void {
  if (held.size === 0) listen()
  held.add(path)
  return () => {
    if (held.delete(path) && held.size === 0) ignore()
  }
}

function listen(): void {
  // Ahead of the others, which may be listeners for one time only and would not be seen any more.
  for (const signal of SIGNALS) process.prependListener(signal, onSignal)
  process.on('exit', removeAll)
}

function ignore(): void {
  for (const signal of SIGNALS) process.off(signal, onSignal)
  process.off('exit', removeAll)
}

function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return
  removeAll()
  ignore()
  // Nobody listens now: it ends the process as if nobody ever had.
  process.kill(process.pid, signal)
}

function removeAll(): void {
  for (const path of held) rmSync(path, { force: true })
  held.clear()
}
