/** Requests and answers of the client: fetch, MessagePack or JSON, errors. Runs in Node and in browsers alike. */
import { Packr } from 'msgpackr'
import type { ErrorBody } from '../schemas/common.ts'
import { LazyRestoreHttpError } from './errors.ts'
import { readEvents, type ServerEvent } from './sse.ts'

export interface ClientOptions {
  /** Where the server is: `http://127.0.0.1:7070`; in a browser, the page's own origin when not given. */
  readonly baseUrl?: string
  /** What `--token-file` holds. */
  readonly token?: string
  /** How bodies travel; MessagePack when not given, as it keeps typed arrays. */
  readonly encoding?: 'msgpack' | 'json'
  readonly fetch?: typeof fetch
}

export interface CallOptions {
  readonly signal?: AbortSignal
  /** Makes a POST safe to repeat: the second one with the same key is answered as the first was. */
  readonly idempotencyKey?: string
}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

export const MSGPACK = 'application/msgpack'
const JSON_TYPE = 'application/json'

const packr = new Packr({ useRecords: false, moreTypes: true })

/** What can be sent as it is; a file's stream too. */
export type Content = string | Uint8Array<ArrayBuffer> | ArrayBuffer | Blob | ReadableStream<Uint8Array>

export interface RequestBody {
  readonly type: string
  readonly content: Content
}

export class Transport {
  readonly #baseUrl: string
  readonly #token: string | undefined
  readonly #encoding: 'msgpack' | 'json'
  readonly #fetch: typeof fetch

  constructor({ baseUrl = '', token, encoding = 'msgpack', fetch: fetchWith = fetch }: ClientOptions) {
    this.#baseUrl = baseUrl.replace(/\/+$/, '')
    this.#token = token
    this.#encoding = encoding
    this.#fetch = (input, init) => fetchWith(input, init)
  }

  get<T>(path: string, query: Query = {}, options: CallOptions = {}): Promise<T> {
    return this.#call('GET', path, query, null, options)
  }

  delete(path: string, options: CallOptions = {}): Promise<void> {
    return this.#call('DELETE', path, {}, null, options)
  }

  post<T>(path: string, body: unknown, options: CallOptions = {}, query: Query = {}): Promise<T> {
    return this.#call('POST', path, query, this.#encode(body), options)
  }

  /** Sends a body as it is. */
  upload<T>(path: string, body: RequestBody, query: Query, options: CallOptions): Promise<T> {
    return this.#call('POST', path, query, body, options)
  }

  /** The answer's bytes as they come. */
  async bytes(path: string, query: Query = {}, options: CallOptions = {}): Promise<Uint8Array> {
    const response = await this.#send('GET', path, query, null, '*/*', options)
    return new Uint8Array(await response.arrayBuffer())
  }

  /** Server-sent events, until the server ends the stream or the signal aborts it. */
  async *events(
    method: 'GET' | 'POST',
    path: string,
    body: unknown,
    options: CallOptions,
  ): AsyncGenerator<ServerEvent, void> {
    const content = method === 'GET' ? null : this.#encode(body)
    const response = await this.#send(method, path, {}, content, 'text/event-stream', options)
    if (response.body !== null) yield* readEvents(response.body)
  }

  #encode(body: unknown): RequestBody | null {
    if (body === undefined || body === null) return null
    if (this.#encoding === 'json') return { type: JSON_TYPE, content: JSON.stringify(body) }
    // A copy of its own: the packer's buffer is used again for the next request.
    return { type: MSGPACK, content: new Uint8Array(packr.pack(body)) }
  }

  async #call<T>(
    method: string,
    path: string,
    query: Query,
    body: RequestBody | null,
    options: CallOptions,
  ): Promise<T> {
    const accept = this.#encoding === 'json' ? JSON_TYPE : MSGPACK
    return (await decode(await this.#send(method, path, query, body, accept, options))) as T
  }

  async #send(
    method: string,
    path: string,
    query: Query,
    body: RequestBody | null,
    accept: string,
    { signal, idempotencyKey }: CallOptions,
  ): Promise<Response> {
    const headers: Record<string, string> = { accept }
    if (body !== null) headers['content-type'] = body.type
    if (this.#token !== undefined) headers.authorization = `Bearer ${this.#token}`
    if (idempotencyKey !== undefined) headers['idempotency-key'] = idempotencyKey
    const response = await this.#fetch(`${this.#baseUrl}${path}${search(query)}`, {
      method,
      headers,
      ...(body === null ? {} : { body: body.content, duplex: 'half' }),
      ...(signal === undefined ? {} : { signal }),
    } as RequestInit)
    if (response.ok) return response
    throw new LazyRestoreHttpError(response.status, await errorBody(response), retryAfter(response))
  }
}

async function decode(response: Response): Promise<unknown> {
  if (response.status === 204) return undefined
  const type = response.headers.get('content-type') ?? ''
  if (type.startsWith(MSGPACK)) return packr.unpack(new Uint8Array(await response.arrayBuffer()))
  return response.json()
}

/** The server's error body; what a proxy or a broken connection made of it, if it is none. */
async function errorBody(response: Response): Promise<ErrorBody> {
  try {
    const body = (await decode(response)) as Partial<ErrorBody> | null
    if (typeof body?.code === 'string' && typeof body.message === 'string') {
      return { code: body.code, message: body.message, details: body.details ?? null }
    }
  } catch {
    // Said below.
  }
  return { code: 'internal', message: `HTTP status ${response.status}`, details: null }
}

function retryAfter(response: Response): number | null {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return Number.isFinite(seconds) ? seconds : null
}

function search(query: Query): string {
  const parameters = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) if (value !== undefined) parameters.set(key, String(value))
  return parameters.size === 0 ? '' : `?${parameters}`
}
