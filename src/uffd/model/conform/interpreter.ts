/**
 * Runs the operations of a conformance case, one line of text each, on a machine, and answers each with a line of text.
 * docs/conform.md has the language: verbs, addresses, answers. The model and the real kernel run the same interpreter,
 * so what differs between their answers differs in the kernel.
 */

import {
  errnoName,
  UFFD_EVENT_FORK,
  UFFDIO_COPY_MODE_DONTWAKE,
  UFFDIO_COPY_MODE_WP,
  UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES,
  UFFDIO_WRITEPROTECT_MODE_DONTWAKE,
  UFFDIO_WRITEPROTECT_MODE_WP,
} from '../../constants.ts'
import type { Outcome } from '../../kernel.ts'
import { createMessageBuffer } from '../../message-buffer.ts'
import { EAGAIN } from '../numbers.ts'
import { Layout, parseProtection, type Range } from './layout.ts'
import type { Action, Machine, MachineChannel } from './machine.ts'
import { describeMessages } from './message-text.ts'
import {
  FEATURES,
  hasWord,
  MODES,
  nameIn,
  parseBits,
  parseCountWord,
  parseFlags,
  splitWords,
  usageError,
  type Words,
} from './words.ts'

const INSTALL_FLAGS = { dontwake: UFFDIO_COPY_MODE_DONTWAKE, wp: UFFDIO_COPY_MODE_WP }
const MOVE_FLAGS = { dontwake: UFFDIO_COPY_MODE_DONTWAKE, holes: UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES }
const WRITEPROTECT_FLAGS = { wp: UFFDIO_WRITEPROTECT_MODE_WP, dontwake: UFFDIO_WRITEPROTECT_MODE_DONTWAKE }
const MOST_MESSAGES = 64

type Verb = (words: Words) => string

export class Interpreter {
  readonly #machine: Machine
  readonly #layout: Layout
  readonly #channels = new Map<string, MachineChannel>()
  readonly #messages = createMessageBuffer(MOST_MESSAGES)
  /** Descriptors out of FORK messages that no name was given to. */
  readonly #orphans: number[] = []

  constructor(machine: Machine) {
    this.#machine = machine
    this.#layout = new Layout(machine)
  }

  /** @throws LazyRestoreError `usage` for what is no operation */
  run(text: string): string {
    const words = splitWords(text)
    const verb = Object.hasOwn(this.#verbs, words.verb) ? this.#verbs[words.verb] : undefined
    if (verb === undefined) throw usageError(text, words.verb, `one of ${Object.keys(this.#verbs).join(', ')}`)
    const answer = verb(words)
    this.#machine.settle()
    return answer
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.close()
    for (const descriptor of this.#orphans) this.#machine.adopt(descriptor).close()
    this.#machine.close()
  }

  readonly #verbs: Readonly<Record<string, Verb>> = {
    // Memory
    map: words => this.#machine.map(this.#layout.add(words)),
    protect: words => {
      const { address, length } = this.#layout.range(words, 0)
      const { read, write } = parseProtection(words, words.words[2])
      return this.#machine.protect(address, length, read, write)
    },
    lock: words => {
      const { address, length } = this.#layout.range(words, 0)
      return this.#machine.lock(address, length)
    },
    fill: words => {
      const { area, page } = this.#layout.pageOfArea(words, words.words[0])
      return this.#machine.fill(area, page, parseCountWord(words.text, words.words[1], 'a byte'))
    },
    punch: words => {
      const { area, page } = this.#layout.pageOfArea(words, words.words[0])
      return this.#machine.punch(area, page, parseCountWord(words.text, words.words[1], 'a number of pages'))
    },
    truncate: words => {
      const area = this.#layout.area(words, words.words[0])
      return this.#machine.truncate(area, parseCountWord(words.text, words.words[1], 'a number of pages'))
    },

    // Threads
    touch: words => this.#touch(words),
    munmap: words => this.#call(words, 'munmap'),
    mapover: words => this.#call(words, 'mapover'),
    dontneed: words => this.#call(words, 'dontneed'),
    remove: words => this.#call(words, 'remove'),
    free: words => this.#call(words, 'free'),
    mremap: words => {
      const { address, length, pageSize } = this.#layout.range(words, 1)
      const newLength = this.#layout.length(words, words.words[3], pageSize)
      const destination = words.options.get('to')
      const to = destination === undefined ? null : this.#layout.place(words, destination).address
      return this.#start(words.words[0], { call: 'mremap', address, length, newLength, to })
    },
    fork: words => this.#start(nameIn(words, 0, 'a thread'), { call: 'fork', child: nameIn(words, 1, 'a child') }),
    exit: words => this.#machine.exit(nameIn(words, 0, 'a child')),
    state: words => this.#machine.progress(nameIn(words, 0, 'a thread')),
    signal: words => {
      const thread = nameIn(words, 0, 'a thread')
      const progress = this.#machine.progress(thread)
      return progress === 'blocked' ? this.#machine.signal(thread) : progress
    },

    // userfaultfds
    create: words => this.#create(words),
    api: words => this.#api(words),
    open: words => {
      this.#create(words)
      return this.#api(words)
    },
    adopt: words => {
      const descriptor = this.#orphans.pop()
      if (descriptor === undefined) throw usageError(words.text, 'no FORK message', 'one read before')
      this.#channels.set(nameIn(words, 0, 'a userfaultfd'), this.#machine.adopt(descriptor))
      return 'ok'
    },
    close: words => this.#close(words),
    reopen: words => {
      this.#close(words)
      this.#create(words)
      return this.#api(words)
    },
    register: words => {
      const channel = this.#channel(words)
      const { address, length } = this.#layout.range(words, 1)
      const outcome = channel.register(address, length, parseBits(words.text, words.words[3], MODES))
      return outcome === 'done' ? `ok 0x${channel.ioctls.toString(16)}` : errnoName(channel.errno)
    },
    unregister: words => this.#plain(words, (channel, { address, length }) => channel.unregister(address, length)),
    wake: words => this.#plain(words, (channel, { address, length }) => channel.wake(address, length)),
    writeprotect: words =>
      this.#plain(words, (channel, { address, length }) =>
        channel.writeprotect(address, length, parseFlags(words, 3, WRITEPROTECT_FLAGS)),
      ),
    copy: words =>
      this.#install(words, (channel, range) => {
        const from = words.options.get('from')
        const source = from === undefined ? this.#layout.copySource(range) : this.#layout.place(words, from).address
        return channel.copy(range.address, source, range.length, parseFlags(words, 3, INSTALL_FLAGS))
      }),
    zeropage: words =>
      this.#install(words, (channel, { address, length }) =>
        channel.zeropage(address, length, parseFlags(words, 3, INSTALL_FLAGS)),
      ),
    continue: words =>
      this.#install(words, (channel, { address, length }) =>
        channel.continue(address, length, parseFlags(words, 3, INSTALL_FLAGS)),
      ),
    poison: words =>
      this.#install(words, (channel, { address, length }) =>
        channel.poison(address, length, parseFlags(words, 3, INSTALL_FLAGS)),
      ),
    move: words =>
      this.#install(words, (channel, { address, length }) => {
        const source = this.#layout.place(words, words.options.get('from')).address
        return channel.move(address, source, length, parseFlags(words, 3, MOVE_FLAGS))
      }),
    poll: words => {
      const channel = this.#channel(words)
      return channel.poll(0) ? 'ready' : nothing(channel)
    },
    read: words => this.#read(words),

    // What can be seen from outside
    count: words => counters(this.#channel(words)),
    pages: words => this.#machine.pageStates(this.#layout.area(words, words.words[0])),
    cache: words => this.#machine.cacheStates(this.#layout.area(words, words.words[0])),
    look: () => this.#look(),
  }

  #create(words: Words): string {
    this.#channels.set(nameIn(words, 0, 'a userfaultfd'), this.#machine.createChannel(hasWord(words, 'user-only')))
    return 'ok'
  }

  #close(words: Words): string {
    this.#channel(words).close()
    this.#channels.delete(words.words[0])
    return 'ok'
  }

  #api(words: Words): string {
    const features = words.words.slice(1).filter(word => word !== 'user-only')
    const channel = this.#channel(words)
    const outcome = channel.api(parseBits(words.text, features[0] ?? 'none', FEATURES))
    return outcome === 'done' ? `ok 0x${channel.features.toString(16)}` : errnoName(channel.errno)
  }

  #read(words: Words): string {
    const channel = this.#channel(words)
    const count = channel.read(this.#messages)
    if (count === 0) return nothing(channel)
    for (let i = 0; i < count; i++) {
      if (this.#messages.event[i] === UFFD_EVENT_FORK) this.#orphans.push(this.#messages.extra[i])
    }
    const lines = describeMessages(this.#messages, count, {
      address: address => this.#layout.describe(address),
      thread: id => this.#machine.threadName(id),
    })
    if (hasWord(words, 'sorted')) lines.sort()
    return lines.join(', ')
  }

  #touch(words: Words): string {
    const [thread, , direction] = words.words
    if (direction !== 'read' && direction !== 'write') throw usageError(words.text, direction, 'read or write')
    return this.#start(thread, {
      call: 'touch',
      address: this.#layout.place(words, words.words[1]).address,
      write: direction === 'write',
      kernelMode: hasWord(words, 'kernel'),
      length: hasWord(words, 'wide') ? 8 : 1,
      value: parseCountWord(words.text, words.options.get('value') ?? '0x77', 'value=BYTE'),
    })
  }

  #call(words: Words, call: 'munmap' | 'mapover' | 'dontneed' | 'remove' | 'free'): string {
    const { address, length } = this.#layout.range(words, 1)
    return this.#start(words.words[0], { call, address, length })
  }

  /** A thread that sleeps in one thing cannot begin another. */
  #start(thread: string, action: Action): string {
    return this.#machine.progress(thread) === 'blocked' ? 'busy' : this.#machine.start(thread, action)
  }

  #plain(words: Words, act: (channel: MachineChannel, range: Range) => Outcome): string {
    const channel = this.#channel(words)
    return answer(act(channel, this.#layout.range(words, 1)), channel)
  }

  /** Operations with an out field: it is told in pages of the area, in bytes when it is no whole number of them. */
  #install(words: Words, act: (channel: MachineChannel, range: Range) => Outcome): string {
    const channel = this.#channel(words)
    const range = this.#layout.range(words, 1)
    const outcome = act(channel, range)
    if (outcome !== 'done' && outcome !== 'partial') return errnoName(channel.errno)
    const pages = channel.bytesDone / range.pageSize
    return `${outcome} ${Number.isInteger(pages) ? pages : `${channel.bytesDone}b`}`
  }

  #look(): string {
    const parts = this.#layout.mapped().map(area => {
      const cache = this.#machine.cacheStates(area)
      return `${area.name}=${this.#machine.pageStates(area)}${cache === '' ? '' : `/${cache}`}`
    })
    for (const [name, channel] of this.#channels) parts.push(`${name}=${counters(channel)}`)
    for (const thread of this.#machine.threadNames()) parts.push(`${thread}=${this.#machine.progress(thread)}`)
    return parts.join(' ')
  }

  #channel({ text, words: [name] }: Words): MachineChannel {
    const channel = this.#channels.get(name)
    const known = [...this.#channels.keys()].join(', ')
    if (channel === undefined) throw usageError(text, name, `one of the userfaultfds ${known}`)
    return channel
  }
}

function counters({ counters: { pending, total } }: MachineChannel): string {
  return `${pending}/${total}`
}

/** Why `poll` or `read` has nothing. */
function nothing({ errno }: MachineChannel): string {
  return errno === EAGAIN ? 'empty' : errnoName(errno)
}

function answer(outcome: Outcome, channel: MachineChannel): string {
  return outcome === 'done' ? 'ok' : errnoName(channel.errno)
}
