/** The smallest resolver: poll, read, copy, in a worker. Started by child.ts; stopped by a flag, never by terminate. */
import { parentPort, workerData } from 'node:worker_threads'
import { createMessageBuffer } from '../../src/uffd/message-buffer.ts'
import { Userfaultfd } from '../../src/uffd/userfaultfd.ts'

interface Job {
  readonly descriptor: number
  readonly address: number
  readonly source: number
  /** [stop, pages resolved] */
  readonly control: Int32Array
}

const PAGE = 4096
const { descriptor, address, source, control } = workerData as Job
const uffd = Userfaultfd.fromDescriptor(descriptor)
const messages = createMessageBuffer(16)
parentPort?.postMessage('ready')

while (Atomics.load(control, 0) === 0) {
  if (!uffd.poll(20)) continue
  const count = uffd.read(messages)
  for (let i = 0; i < count; i++) {
    const page = messages.address[i]
    if (uffd.copy(page, source + page - address, PAGE, 0) === 'done') Atomics.add(control, 1, 1)
  }
}
