/** A server over real HTTP for the tests of a file or a `describe`, and its client. */
import { type Client, type ClientOptions, createClient } from 'lazyrestore/client'
import { type RunningServer, type ServerOptions, startServer } from 'lazyrestore/server'
import { afterAll, beforeAll } from 'vitest'
import { temporaryFolder } from './temporary-folder.ts'

export interface TestServer {
  readonly url: string
  readonly dataDirectory: string
  client(options?: ClientOptions): Client
  fetch(path: string, init?: RequestInit): Promise<Response>
}

/** Started before the tests and closed after them. */
export function useServer(options: Partial<ServerOptions> = {}): TestServer {
  const dataDirectory = options.dataDirectory ?? temporaryFolder()
  let server: RunningServer
  beforeAll(async () => {
    server = await startServer({ host: '127.0.0.1', port: 0, dataDirectory, ...options })
  })
  afterAll(() => server.close())
  return {
    get url() {
      return server.url
    },
    dataDirectory,
    client: (given = {}) => createClient({ baseUrl: server.url, ...given }),
    fetch: (path, init) => fetch(`${server.url}${path}`, init),
  }
}

/** Waits until something is so. @throws when it is not within the time */
export async function until(isSo: () => boolean | Promise<boolean>, what: string, limitMs = 10_000): Promise<void> {
  const end = performance.now() + limitMs
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`found no ${what} after ${limitMs} ms`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}
