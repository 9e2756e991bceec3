/** What must run in a process of its own: `child.ts CASE`, one line of JSON on stdout. Started by children.test.ts. */
import Module from 'node:module'
import { Worker } from 'node:worker_threads'
import { GIB } from '../../src/core/units.ts'
import { probe } from '../../src/uffd/availability.ts'
import { UFFDIO_REGISTER_MODE_MISSING } from '../../src/uffd/constants.ts'
import { MemoryRegion } from '../../src/uffd/memory-region.ts'
import { libc, nativeReason } from '../../src/uffd/native.ts'
import { Userfaultfd } from '../../src/uffd/userfaultfd.ts'

const PAGE = 4096
const PAGES = 512
const NOBODY = 65534

const cases: Readonly<Record<string, () => unknown>> = {
  'resolve-in-worker': resolveInWorker,
  'touch-poison': touchPoison,
  'view-much': () => {
    const region = new MemoryRegion({ kind: 'shmem', hostPageSize: PAGE, byteLength: 9 * GIB })
    const last = Array.from({ length: 9 }, (_, i) => region.view(i * GIB + GIB - 1, 1)[0]++)
    return { last, again: region.view(9 * GIB - 1, 1)[0] }
  },
  'probe-as-nobody': () => {
    nativeReason() // loads koffi, which nobody may not be able to read
    process.setgroups?.([])
    process.setgid?.(NOBODY)
    process.setuid?.(NOBODY)
    const userModeOnly = Userfaultfd.open({ userModeOnly: true })
    return { ...probe(), userModeOnly: userModeOnly.api(0) }
  },
  'probe-without-koffi': () => {
    const loader = Module as unknown as { _load: (name: string, ...rest: unknown[]) => unknown }
    const load = loader._load
    loader._load = (name, ...rest) => load(name === 'koffi' ? 'koffi-is-absent' : name, ...rest)
    return probe()
  },
}

/** This thread touches and sleeps; a worker takes the descriptor over by number and resolves. */
async function resolveInWorker(): Promise<unknown> {
  const byteLength = PAGES * PAGE
  const region = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength })
  const source = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength })
  for (let i = 0; i < PAGES; i++) source.view(i * PAGE, PAGE).fill(i)
  const uffd = Userfaultfd.open()
  uffd.api(0)
  uffd.register(region.address, byteLength, UFFDIO_REGISTER_MODE_MISSING)

  const control = new Int32Array(new SharedArrayBuffer(8))
  const worker = startWorker('./resolver-worker.ts', {
    descriptor: uffd.descriptor,
    address: region.address,
    source: source.address,
    control,
  })
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  const same = libc().memcmp(region.address, source.address, byteLength)
  Atomics.store(control, 0, 1)
  await new Promise(resolve => worker.once('exit', resolve))
  const difference = region.resident.compare(region.address, source.view(0, byteLength))
  uffd.close()
  region.close()
  source.close()
  return { same, difference, resolved: control[1] }
}

/** On Node 20 a worker does not take over tsx by itself. */
function startWorker(file: string, workerData: unknown): Worker {
  const tsx = import.meta.resolve('tsx/esm/api')
  const target = new URL(file, import.meta.url)
  const code = `import { register } from '${tsx}'; register(); await import('${target}')`
  return new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), { workerData })
}

/** SIGBUS ends this process. */
function touchPoison(): never {
  const region = new MemoryRegion({ kind: 'anon', hostPageSize: PAGE, byteLength: PAGE })
  const uffd = Userfaultfd.open()
  uffd.api(0)
  uffd.register(region.address, PAGE, UFFDIO_REGISTER_MODE_MISSING)
  uffd.poison(region.address, PAGE, 0)
  region.view(0, 1)[0]++
  throw new Error('found the page readable, expected SIGBUS')
}

console.log(JSON.stringify(await cases[process.argv[2]]()))
