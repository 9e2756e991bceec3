/** What SIGTERM and SIGINT abort: the first is a request to stop, a second one ends the process as ever. */

export function stopSignal(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(new Error(signal)))
  return stop.signal
}
