/**
 * Who may ask: holders of the token when there is one; without one, programs on this machine. A browser is such a program,
 * and runs other people's pages, so requests that such a page could have sent are refused: those from another origin, and
 * those that reached a loopback address under a name of the Internet (DNS rebinding).
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { LazyRestoreError } from 'lazyrestore'
import { HttpError } from './errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers without the token: nothing in it is secret. */
    open?: boolean
  }
}

const HEADERS = {
  'content-security-policy':
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase()
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}

/** @throws LazyRestoreError `usage` for an address that others reach, without a token */
export function checkExposure(host: string, token: string | null): void {
  if (token !== null || isLoopback(host)) return
  throw new LazyRestoreError(
    'usage',
    `--host: found ${host} without --token-file, expected a token, or a loopback address`,
  )
}

export function addSecurity(app: FastifyInstance, token: string | null): void {
  const expected = token === null ? null : digest(`Bearer ${token}`)
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS)
    checkOrigin(request)
    if (expected === null) return checkHostName(request)
    if (request.routeOptions.config.open === true) return
    if (timingSafeEqual(digest(request.headers.authorization ?? ''), expected)) return
    reply.header('www-authenticate', 'Bearer')
    throw new HttpError('unauthorized', 'found no valid token, expected the header "authorization: Bearer TOKEN"')
  })
}

function checkOrigin({ headers }: FastifyRequest): void {
  const { origin, host } = headers
  const isForeign = origin !== undefined && !sameHost(origin, host)
  if (isForeign || headers['sec-fetch-site'] === 'cross-site') {
    throw new HttpError('forbidden', 'found a request from another origin, expected one of this server or of no page')
  }
}

function sameHost(origin: string, host: string | undefined): boolean {
  try {
    return new URL(origin).host === host
  } catch {
    return false
  }
}

function checkHostName({ headers }: FastifyRequest): void {
  const name = (headers.host ?? '').replace(/:\d+$/, '')
  if (!isLoopback(name))
    throw new HttpError('forbidden', 'found a foreign name in the header "host", expected a loopback address')
}

/** Of one length, whatever was sent. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
