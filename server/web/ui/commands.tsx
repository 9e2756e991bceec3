/** Command lines to copy. */
import { Fragment } from 'preact'
import { CopyButton } from './copy-button.tsx'

interface CommandsProps {
  readonly title: string
  readonly commands: readonly string[]
  /** How many there are beyond those. */
  readonly more?: number
}

export function Commands({ title, commands, more = 0 }: CommandsProps) {
  return (
    <section class="commands" aria-label={title}>
      <header>
        <h2>{title}</h2>
        <CopyButton text={commands.join('\n')} />
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <pre tabIndex={0}>
        <code>{commands.join('\n').split('\n').map(renderLine)}</code>
      </pre>
      {more > 0 && <p class="dim">and {more} more, one for each combination</p>}
    </section>
  )
}

/** Lines may be broken behind spaces and commas, never inside of a name. */
function renderLine(line: string, index: number) {
  return (
    <span key={`${index} ${line}`} class="line">
      {line.split(/(?<=[ ,])/).map((piece, i) => (
        <Fragment key={`${i} ${piece}`}>
          <span class="word">{piece}</span>
          <wbr />
        </Fragment>
      ))}
    </span>
  )
}
