/** `lazyrestore/server`: the HTTP server as a library, for the command line and for tests. */
import { createApp } from './app.ts'

export interface ServerOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
}

export interface RunningServer {
  /** `http://127.0.0.1:7070` */
  readonly url: string
  close(): Promise<void>
}

export async function startServer({ host, port }: ServerOptions): Promise<RunningServer> {
  const app = await createApp()
  const url = await app.listen({ host, port })
  return { url, close: () => app.close() }
}
