/**
 * The naive simulator: docs/model.md once more, for tests. It is written to be read beside that text, with sets, maps and
 * linear searches, and shares with src/sim only what is input to both: policies, the host's costs, the random stream and
 * the table of device latencies. The simulator proper must agree with it to the nanosecond.
 */
import { handlerLife, workerLife } from './carrier.ts'
import { type Life, Machine, type NaiveInput } from './machine.ts'
import { vcpuLife } from './vcpu.ts'

export function simulateNaively(input: NaiveInput): Machine {
  const machine = new Machine(input)
  const { handlers, workers } = input.policy.mechanism
  const lives: Life[] = []
  for (let vcpu = 0; vcpu < input.workload.vcpus; vcpu++) lives.push(vcpuLife(machine, vcpu))
  for (let i = 0; i < handlers; i++) lives.push(handlerLife(machine, machine.firstHandler + i))
  for (let i = 0; i < workers; i++) lives.push(workerLife(machine, machine.firstWorker + i))
  for (const life of lives) life.next()
  if (workers === 0) machine.begun()
  for (let actor = machine.clock.next(); actor !== null; actor = machine.clock.next()) lives[actor].next()
  return machine
}
