/**
 * Faults that the engine on userfaultfd answers a second, beside a handler in C that does the same: poll, read, bitmap,
 * pread from the page cache, COPY or ZEROPAGE; the same pages in the same order, the time of each access taken. The one in C
 * polls before each read, as handlers do; the engine's leaves that out where it has learnt that messages are there. In turns,
 * engine, C, engine, C … Both bind their threads in the same way: the first vCPU and the handler to the first CPU, and so on.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseSpec } from '../src/core/spec-string.ts'
import { parseHostPages } from '../src/destination/host-pages.ts'
import { createLayout, type Layout } from '../src/destination/layout.ts'
import type { Engine } from '../src/engine/engine.ts'
import { openSnapshot } from '../src/snapshot/open-snapshot.ts'
import { snapshotPages, writeSnapshot } from '../src/snapshot/snapshot-writer.ts'
import { openSynthetic } from '../src/snapshot/synthetic.ts'
import { hostStorage } from '../src/storage/host-storage.ts'
import { probe } from '../src/uffd/availability.ts'
import { createUffdEngine } from '../src/uffd/engine/kernel-engine.ts'
import { memoryOfSnapshot } from '../src/workload/memory.ts'
import { createWorkload } from '../src/workload/registry.ts'
import type { Workload } from '../src/workload/workload.ts'
import { compileC, hasCompiler } from './compile-c.ts'
import { type Bench, recordOf } from './record.ts'

/** One differs from the next by a sixth: of 21 rounds the median ratio was 0.80 to 0.92 for one that 101 rounds put at 0.91. */
const ROUNDS = 61
/** Before those that count: the engine's threads start, and their code is compiled. */
const WARM_UP_ROUNDS = 3
const SEED = 1
const PAGES = 20_000
const VCPUS = [1, 2, 4]

export const uffdFaults: Bench = {
  name: 'uffd-faults',
  summary: 'faults a second answered on userfaultfd, beside a handler in C',
  run: async function* () {
    const missing = probe().userfaultfd ?? (hasCompiler() ? null : 'no C compiler (cc)')
    if (missing !== null) return void process.stderr.write(`uffd-faults: left out: ${missing}\n`)
    const folder = mkdtempSync(join(tmpdir(), 'lazyrestore-bench-'))
    const engine = createUffdEngine()
    try {
      const synthetic = openSynthetic(`synthetic:512MiB,zero=30%,seed=${SEED}`)
      const file = join(folder, 'snapshot')
      await writeSnapshot(file, {
        format: 'mapped-ram',
        machine: 'bench',
        blocks: synthetic.blocks,
        fillPages: snapshotPages(synthetic),
      })
      const snapshot = await openSnapshot(file)
      const layout = createLayout(snapshot, parseHostPages('4K'))
      for (const vcpus of VCPUS) {
        const spec = `working-set:pages=${PAGES},reuse=0,run=1,think=0ns,write=0,vcpus=${vcpus}`
        const workload = createWorkload(spec, memoryOfSnapshot(snapshot), SEED)
        const runTwin = twin(folder, file, layout, workload)
        const ours: number[] = []
        const theirs: number[] = []
        for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
          const rates = [await engineRate(engine, layout, workload), runTwin()]
          if (round < 0) continue
          ours.push(rates[0])
          theirs.push(rates[1])
        }
        yield recordOf(`lazy, warm page cache, vCPUs: ${vcpus}`, 'faults/s', ours, {
          seed: SEED,
          yardstick: { name: 'C handler', values: theirs },
        })
      }
      await snapshot.close()
    } finally {
      await engine.close()
      rmSync(folder, { recursive: true })
    }
  },
}

async function engineRate(engine: Engine, layout: Layout, workload: Workload): Promise<number> {
  const { workDoneNs, resumeNs, copies, zeropages } = await engine.restore({
    layout,
    policy: parseSpec('lazy'),
    workload,
    storage: hostStorage('host:cache=warm'),
    workingSet: null,
    seed: SEED,
    fixedNs: 0,
  })
  return ((copies + zeropages) * 1e9) / (workDoneNs - resumeNs)
}

/** Runs the C program on the same pages in the same order; returns its rate. */
function twin(folder: string, file: string, layout: Layout, workload: Workload): () => number {
  const [{ block }] = layout.blocks
  const [bits, order] = [join(folder, 'bitmap'), join(folder, 'order')]
  writeFileSync(bits, block.bitmap)
  writeFileSync(order, workload.page)
  const parameters = [file, block.pagesOffset, block.pageCount, bits, order, workload.vcpus].map(String)
  return () => {
    const { status, stdout, stderr } = spawnSync(compileC('uffd-handler'), parameters, {
      encoding: 'utf8',
      timeout: 60_000,
    })
    if (status !== 0) throw new Error(`C handler: exit ${status}: ${stderr}`)
    const { tookNs, faults } = JSON.parse(stdout)
    return (faults * 1e9) / tookNs
  }
}
