/** The frame around every page: the client, the header, the page that the address names, and keys that work everywhere. */
import type { Choices } from 'lazyrestore/client'
import { useMemo, useState } from 'preact/hooks'
import { ComparePage } from './compare/compare-page.tsx'
import { FormPage } from './form/form-page.tsx'
import { ListPage } from './list/list-page.tsx'
import { ResultPage } from './result/result-page.tsx'
import type { Place } from './router.ts'
import { ApiContext, clientWith, keepToken, keptToken, needsToken } from './ui/api.ts'
import { Header } from './ui/header.tsx'
import { KeysDialog } from './ui/keys-dialog.tsx'
import { Empty, Failure, Loading } from './ui/states.tsx'
import { TokenForm } from './ui/token-form.tsx'
import { type Async, useAsync } from './ui/use-async.ts'
import { useKeys } from './ui/use-keys.ts'
import { goTo, usePlace } from './ui/use-place.ts'

export function App() {
  const place = usePlace()
  const [token, setToken] = useState(keptToken)
  const [attempt, setAttempt] = useState(0)
  const [showsKeys, setShowsKeys] = useState(false)
  const client = useMemo(() => clientWith(token), [token])
  const choices = useAsync(signal => client.choices({ signal }), [client, attempt])
  useKeys({
    n: () => goTo('#/new'),
    l: () => goTo('#/'),
    '?': () => setShowsKeys(true),
  })
  const useToken = (given: string | null): void => {
    keepToken(given)
    setToken(given)
  }
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to content
      </button>
      <Header place={place} onKeys={() => setShowsKeys(true)} onForget={token === null ? null : () => useToken(null)} />
      <main id="main" tabIndex={-1}>
        {renderBody(choices)}
      </main>
      {showsKeys && <KeysDialog onClose={() => setShowsKeys(false)} />}
    </>
  )

  function renderBody(answer: Async<Choices>) {
    if (answer.state === 'failed') {
      if (needsToken(answer.error)) return <TokenForm wasRefused={token !== null} onToken={useToken} />
      return <Failure error={answer.error} retry={() => setAttempt(attempt + 1)} />
    }
    if (answer.value === null) return <Loading what="the server's choices" />
    const api = { client, choices: answer.value, hasToken: token !== null }
    return <ApiContext.Provider value={api}>{renderPage(place)}</ApiContext.Provider>
  }
}

function renderPage({ path, query }: Place) {
  const [page = '', id] = path
  if (page === '') return <ListPage />
  if (page === 'new') return <FormPage />
  if (page === 'experiments' && id !== undefined) return <ResultPage key={id} id={id} query={query} />
  if (page === 'compare' && query.a && query.b)
    return <ComparePage key={`${query.a} ${query.b}`} a={query.a} b={query.b} />
  return (
    <Empty title="There is no such page.">
      <a href="#/">All experiments</a>
    </Empty>
  )
}
