/** Asks for the token that the server wants. */
import { useId } from 'preact/hooks'

interface TokenFormProps {
  readonly wasRefused: boolean
  readonly onToken: (token: string) => void
}

export function TokenForm({ wasRefused, onToken }: TokenFormProps) {
  const id = useId()
  const submit = (event: SubmitEvent): void => {
    event.preventDefault()
    const token = new FormData(event.currentTarget as HTMLFormElement).get('token')
    if (typeof token === 'string' && token !== '') onToken(token.trim())
  }
  return (
    <form class="token panel" onSubmit={submit}>
      <h1>Token</h1>
      <p class="dim">
        This server answers only with the token of its --token-file. It is kept until the tab is closed.
      </p>
      {wasRefused && (
        <p class="failure" role="alert">
          The server did not accept that token.
        </p>
      )}
      <label for={id}>Token</label>
      <div class="row">
        <input id={id} name="token" type="password" autocomplete="off" required />
        <button type="submit" class="primary">
          Use it
        </button>
      </div>
    </form>
  )
}
