/**
 * Leaves out of a script what cannot be compared with a real kernel: operations that the model does not know the answer of,
 * and those whose answer depends on which of several woken threads runs first, which the kernel does not promise.
 */
import { LazyRestoreError } from '../../../core/error.ts'
import type { WakeOrder } from '../context.ts'
import type { ModelKernelOptions } from '../model-kernel.ts'
import { Interpreter } from './interpreter.ts'
import { ModelMachine } from './model-machine.ts'

export interface PrunedScript {
  readonly script: readonly string[]
  /** The model's answers to it. */
  readonly answers: readonly string[]
}

/**
 * The script without its races. `look` operations are kept; a difference that shows in one is blamed on the operation
 * before it.
 */
export function pruneScript(operations: readonly string[], options: ModelKernelOptions = {}): PrunedScript {
  let script = runnable(operations, options)
  for (;;) {
    const answers = answersOf(script, options, 'oldest first')
    const others = answersOf(script, options, 'latest first')
    const difference = answers.findIndex((answer, index) => answer !== others[index])
    if (difference < 0) return { script, answers }
    const culprit = script[difference] === 'look' ? difference - 1 : difference
    script = runnable(
      script.filter((_, index) => index !== culprit),
      options,
    )
  }
}

/** Up to an operation that is not modelled, which may be so in one order alone. */
function answersOf(script: readonly string[], options: ModelKernelOptions, wakeOrder: WakeOrder): string[] {
  const interpreter = new Interpreter(new ModelMachine({ ...options, wakeOrder }))
  const answers: string[] = []
  for (const operation of script) {
    const answer = modelled(() => interpreter.run(operation))
    if (answer === null) break
    answers.push(answer)
  }
  if (modelled(() => interpreter.close()) === null) answers.pop()
  return answers
}

/**
 * Without the operations that are not modelled, those that lead to it when all is closed among them. Each starts the model
 * over, as it may have been left halfway.
 */
function runnable(operations: readonly string[], options: ModelKernelOptions): string[] {
  const script = [...operations]
  for (;;) {
    const interpreter = new Interpreter(new ModelMachine(options))
    const culprit = script.findIndex(operation => modelled(() => interpreter.run(operation)) === null)
    const closes = modelled(() => interpreter.close()) !== null
    if (culprit < 0 && closes) return script
    script.splice(culprit, 1) // -1: the last one
  }
}

/** Null: not modelled. */
function modelled<T>(run: () => T): T | null {
  try {
    return run()
  } catch (error) {
    if (error instanceof LazyRestoreError && error.code === 'unsupported') return null
    throw error
  }
}
