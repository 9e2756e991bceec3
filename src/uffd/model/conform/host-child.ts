/**
 * The process in which scripts run on the host's kernel. A line of JSON in is a script; out come its answers, a line of JSON
 * each as it is known, and a line `{"stopped": …}` behind them. It is apart because a mistake here is a hang or a crash: an
 * alarm ends it, or the parent after a script that died, and starts another.
 */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { ScriptAnswers } from './conform.ts'
import { HostMachine } from './host-machine.ts'
import { HostThreads } from './host-threads.ts'
import { Interpreter } from './interpreter.ts'
import { AREA_KINDS, type AreaKind } from './machine.ts'
import { SYS_ALARM, systemCall } from './system-calls.ts'

const SCRIPT_LIMIT_S = 20

/** A line of its output. */
export type ChildLine = string | { readonly stopped: ScriptAnswers['stopped'] }

function tell(value: ChildLine): void {
  writeSync(process.stdout.fd, `${JSON.stringify(value)}\n`)
}

function run(script: readonly string[], threads: HostThreads): ScriptAnswers['stopped'] {
  const machine = new HostMachine(threads)
  for (const kind of kindsIn(script)) {
    const reason = machine.lacks(kind)
    if (reason === null) continue
    machine.close()
    return { kind: 'skipped', reason }
  }
  const interpreter = new Interpreter(machine)
  try {
    for (const operation of script) tell(interpreter.run(operation))
    interpreter.close()
    return null
  } catch (error) {
    return { kind: 'died', reason: `died: ${(error as Error).message}` }
  }
}

function kindsIn(script: readonly string[]): AreaKind[] {
  const mapped = script.map(operation => /^map\s+\S+\s+(\S+)/.exec(operation)?.[1])
  return AREA_KINDS.filter(kind => mapped.includes(kind))
}

const threads = new HostThreads()
for await (const line of createInterface({ input: process.stdin })) {
  systemCall(SYS_ALARM, SCRIPT_LIMIT_S)
  const stopped = run(JSON.parse(line), threads)
  systemCall(SYS_ALARM, 0)
  tell({ stopped })
}
