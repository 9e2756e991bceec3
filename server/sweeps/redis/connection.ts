/** Connections to Redis. bullmq and ioredis are installed by those who want it, and loaded here only. */
import type { Redis } from 'ioredis'
import { LazyRestoreError } from 'lazyrestore'

const CONNECT_MS = 5000
const MAX_RETRY_MS = 2000

export interface RedisAddress {
  readonly url: string
  /** For messages: without a password. */
  readonly shown: string
}

/** @param text `redis://[user:password@]host:port[/db]`, `rediss://…`, or `unix:/path/to/socket` */
export function parseRedisUrl(text: string): RedisAddress {
  const refuse = (): never => {
    throw new LazyRestoreError('usage', `--redis: found "${text}", expected redis://host:port or unix:/path`)
  }
  if (text.startsWith('unix:/')) return { url: text.slice('unix:'.length).replace(/^\/\/+/, '/'), shown: text }
  if (!/^rediss?:\/\//.test(text) || !URL.canParse(text)) return refuse()
  const url = new URL(text)
  url.password = ''
  url.username = ''
  return { url: text, shown: url.href }
}

export async function loadBullmq(): Promise<typeof import('bullmq')> {
  return orSayMissing(() => import('bullmq'))
}

/** Connected, and connects again when the connection is lost. @throws LazyRestoreError `io`, `unsupported` */
export async function connectRedis({ url, shown }: RedisAddress): Promise<Redis> {
  const { Redis } = await orSayMissing(() => import('ioredis'))
  let wasReady = false
  const options = {
    lazyConnect: true,
    connectTimeout: CONNECT_MS,
    // What BullMQ's blocking calls want.
    maxRetriesPerRequest: null,
    retryStrategy: (times: number) => (wasReady ? Math.min(MAX_RETRY_MS, 50 * 2 ** times) : null),
  }
  const redis = new Redis(url, options)
  // Errors of a connection that is made again are no news; calls that fail say so themselves.
  let lastError: Error | null = null
  redis.on('error', error => {
    lastError = error
  })
  try {
    await redis.connect()
    await redis.ping()
    wasReady = true
    return redis
  } catch (cause) {
    redis.disconnect()
    const { message } = (lastError ?? cause) as Error
    throw new LazyRestoreError('io', `${shown}: cannot connect: ${message}`, { cause })
  }
}

async function orSayMissing<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load()
  } catch (cause) {
    throw new LazyRestoreError(
      'unsupported',
      '--redis: needs packages bullmq and ioredis: npm install bullmq ioredis',
      {
        cause,
      },
    )
  }
}
