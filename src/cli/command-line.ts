/** The command line of this process, as a shell takes it: what a report says makes it again. */

export function commandLine(): string {
  return ['lazyrestore', ...process.argv.slice(2)].map(quoteForShell).join(' ')
}

function quoteForShell(word: string): string {
  return /^[\w.,:=/%@+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
