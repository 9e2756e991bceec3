/** Sweeps of small cells for tests: their spec, and what they came to. */
import { checkSweepSpec, type RestoreResult, type SweepSpec } from 'lazyrestore'
import { Sweep, type SweepOptions, type SweepWork } from 'lazyrestore/sweeps'

/** Some ms a cell. */
export function smallSpec(value: object = {}): SweepSpec {
  return checkSweepSpec(
    {
      name: 'small',
      cell: { snapshot: 'synthetic:{size}', workload: 'working-set:share={share}' },
      grid: { policy: ['lazy', 'eager', 'lazy-sweep'], size: ['4MiB', '8MiB'] },
      random: { points: 5, of: { share: { from: '1%', to: '20%' } } },
      ...value,
    },
    'spec',
  )
}

export interface Outcome {
  readonly finished: boolean
  readonly counts: { readonly done: number; readonly failed: number }
  readonly errors: readonly (string | null)[]
  readonly results: readonly (RestoreResult | null)[]
}

export async function runSweep(
  spec: SweepSpec,
  options: SweepOptions,
  work: Partial<SweepWork> = {},
): Promise<Outcome> {
  const sweep = await Sweep.open(spec, options)
  try {
    const finished = await sweep.work({ signal: new AbortController().signal, ...work })
    const rows = [...sweep.rows()]
    return {
      finished,
      counts: sweep.counts,
      errors: rows.map(({ ended }) => ended?.error?.message ?? null),
      results: rows.map(({ result }) => result),
    }
  } finally {
    await sweep.close()
  }
}
