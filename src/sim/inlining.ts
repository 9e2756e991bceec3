/**
 * The simulator is many small methods around one loop, and the compiler's budget for inlining ends after a few of them: what
 * is left pays a call and a boxed double each. With more of a budget an access costs half (`npm run bench -- sim-access`), but
 * the loop takes the compiler some hundred ms each time that it sees something new, which many short simulations of several
 * policies do all the time: they were three times slower. So the first long simulation raises the budget. These are V8's
 * names; they decide what is compiled together and nothing else, and hold for the whole process from then on.
 */
import { setFlagsFromString } from 'node:v8'

/** Accesses from which on a simulation is long. */
const LONG = 2 ** 18

/** Bytes of bytecode: of all callees of a function, of one, and the most that is looked at; and how often one must be called. */
const FLAGS = [
  '--max-inlined-bytecode-size-cumulative=10000',
  '--max-inlined-bytecode-size=2000',
  '--max-inlined-bytecode-size-absolute=20000',
  '--min-inlining-frequency=0',
]

let isRaised = false

/** Called before a simulation of so many accesses. */
export function raiseInliningBudget(accesses: number): void {
  if (isRaised || accesses < LONG) return
  isRaised = true
  for (const flag of FLAGS) setFlagsFromString(flag)
}
