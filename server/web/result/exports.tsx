/** Ways on from here: the records as files, and the same on a command line. */
import type { ExperimentRecord, ExportQuery } from 'lazyrestore/client'
import { useState } from 'preact/hooks'
import { compareCommand } from '../cli-command.ts'
import { plural } from '../format.ts'
import type { Slice } from '../slices.ts'
import { useApi } from '../ui/api.ts'
import { Commands } from '../ui/commands.tsx'
import { explain } from '../ui/states.tsx'
import { useAsync } from '../ui/use-async.ts'

type Format = ExportQuery['format']

const FORMATS: Readonly<Record<Format, { title: string; what: string; extension: string }>> = {
  json: { title: 'JSON', what: 'every record, all fields', extension: 'json' },
  csv: { title: 'CSV', what: 'a row a restore', extension: 'csv' },
  parquet: { title: 'Parquet', what: 'the same rows, for DuckDB or pandas', extension: 'parquet' },
  hdr: { title: 'HDR', what: 'latency histograms, as an HdrHistogram log', extension: 'hlog' },
  perfetto: { title: 'Perfetto', what: 'a trace of phases and residency', extension: 'perfetto-trace' },
}

interface ExportsProps {
  readonly experiment: ExperimentRecord
  readonly slice: Slice
}

export function Exports({ experiment, slice }: ExportsProps) {
  const { client, choices } = useApi()
  const { id, spec } = experiment
  const { snapshot, engine, seed, fixedNs, recording, profile } = spec
  const named = useAsync(
    async signal => nameOf(snapshot, id => client.snapshots.get(id, { signal })),
    [client, snapshot],
  )
  const isAll = spec.policies.join() === choices.policies.map(({ name }) => name).join()
  const facts = {
    snapshot: named.value ?? snapshot,
    policies: isAll ? null : spec.policies,
    engine,
    seed,
    fixedNs,
    recording,
    hasProfile: profile !== null,
  }
  return (
    <div class="exports">
      <section class="panel" aria-label="Downloads">
        <header>
          <h2>Downloads</h2>
          <span class="dim">{plural(experiment.done, 'record')}</span>
        </header>
        <ul class="downloads">
          {(Object.keys(FORMATS) as Format[]).map(format => (
            <li key={format}>
              <Download id={id} format={format} fileName={`${id}.${FORMATS[format].extension}`}>
                {FORMATS[format].title}
              </Download>
              <span class="dim">{FORMATS[format].what}</span>
            </li>
          ))}
        </ul>
      </section>
      <div class="panel">
        <Commands title="This slice on a command line" commands={[compareCommand(facts, slice)]} />
      </div>
    </div>
  )
}

interface DownloadProps {
  readonly id: string
  readonly format: Format
  readonly fileName: string
  readonly children: string
}

/** A link; a link carries no token, so that with one the file is fetched. */
function Download({ id, format, fileName, children }: DownloadProps) {
  const { client, hasToken } = useApi()
  const [error, setError] = useState<Error | null>(null)
  if (!hasToken) {
    return (
      <a class="button" href={client.experiments.exportPath(id, format)} download={fileName}>
        {children}
      </a>
    )
  }
  const fetchFile = async (): Promise<void> => {
    const content = await client.experiments.export(id, format)
    const link = document.createElement('a')
    link.href = URL.createObjectURL(new Blob([content as Uint8Array<ArrayBuffer>]))
    link.download = fileName
    link.click()
    URL.revokeObjectURL(link.href)
  }
  return (
    <>
      <button type="button" onClick={() => fetchFile().catch(setError)}>
        {children}
      </button>
      {error !== null && (
        <span class="bad" role="alert">
          {explain(error)}
        </span>
      )}
    </>
  )
}

/** What a snapshot's id stands for; a synthetic one is its own name. */
async function nameOf(snapshot: string, find: (id: string) => Promise<{ name: string }>): Promise<string> {
  return snapshot.startsWith('synthetic:') ? snapshot : (await find(snapshot)).name
}
