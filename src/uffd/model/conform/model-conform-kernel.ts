/** The model as a kernel that runs scripts. */
import { LazyRestoreError } from '../../../core/error.ts'
import type { ModelKernelOptions } from '../model-kernel.ts'
import type { ConformKernel, ScriptAnswers } from './conform.ts'
import { Interpreter } from './interpreter.ts'
import { ModelMachine } from './model-machine.ts'

export function modelConformKernel(options: ModelKernelOptions = {}): ConformKernel {
  return {
    name: 'model',
    run: async script => runOnModel(script, options),
    close: async () => {},
  }
}

/** A script with something in it that is not modelled is skipped. @throws LazyRestoreError `usage` for what is no operation */
export function runOnModel(script: readonly string[], options: ModelKernelOptions = {}): ScriptAnswers {
  const interpreter = new Interpreter(new ModelMachine(options))
  try {
    const answers = script.map(operation => interpreter.run(operation))
    interpreter.close()
    return { answers, stopped: null }
  } catch (error) {
    if (!(error instanceof LazyRestoreError) || error.code !== 'unsupported') throw error
    return { answers: [], stopped: { kind: 'skipped', reason: error.message } }
  }
}
