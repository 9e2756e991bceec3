/**
 * The simulator is many small methods around one loop, and the compiler's budget for inlining ends after a few of them: what
 * is left pays a call and a boxed double each. With more of a budget an access costs half (`npm run bench -- sim-access`).
 * These are V8's names; they decide what is compiled together and nothing else, hold for the whole process, and only code
 * that is compiled later sees them. So they are set when the simulator is loaded.
 */
import { setFlagsFromString } from 'node:v8'

/** Bytes of bytecode: of all callees of a function, of one, and the most that is looked at; and how often one must be called. */
const FLAGS = [
  '--max-inlined-bytecode-size-cumulative=10000',
  '--max-inlined-bytecode-size=2000',
  '--max-inlined-bytecode-size-absolute=20000',
  '--min-inlining-frequency=0',
]

for (const flag of FLAGS) setFlagsFromString(flag)
