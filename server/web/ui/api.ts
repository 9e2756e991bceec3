/** The client of the server that the page came from, for every component below. */
import { type Choices, type Client, createClient, LazyRestoreHttpError } from 'lazyrestore/client'
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'

const KEY = 'lazyrestore-token'

export interface Api {
  readonly client: Client
  /** What the server can be asked for. */
  readonly choices: Choices
  /** Whether requests carry a token, so that a plain link would be refused. */
  readonly hasToken: boolean
}

export const ApiContext = createContext<Api | null>(null)

export function useApi(): Api {
  const api = useContext(ApiContext)
  if (api === null) throw new Error('found no client, expected a component inside of the application')
  return api
}

/** The token lives as long as the tab. */
export function keptToken(): string | null {
  return sessionStorage.getItem(KEY)
}

export function keepToken(token: string | null): void {
  if (token === null) sessionStorage.removeItem(KEY)
  else sessionStorage.setItem(KEY, token)
}

export function clientWith(token: string | null): Client {
  return createClient(token === null ? {} : { token })
}

export function needsToken(error: Error): boolean {
  return error instanceof LazyRestoreHttpError && error.status === 401
}
