/**
 * Loaded before the benches: what they import of src comes from dist, so that what is measured is the code that is shipped.
 * The compiler that runs TypeScript directly rewrites classes, which costs the simulator a tenth of its speed.
 */
import { register } from 'node:module'

const hook = `
const SRC = ${JSON.stringify(new URL('../src/', import.meta.url).href)}
const DIST = ${JSON.stringify(new URL('../dist/', import.meta.url).href)}
export function resolve(specifier, context, next) {
  const url = specifier.startsWith('.') ? new URL(specifier, context.parentURL).href : ''
  return next(url.startsWith(SRC) ? url.replace(SRC, DIST).replace(/\\.ts$/, '.js') : specifier, context)
}`
register(`data:text/javascript,${encodeURIComponent(hook)}`)
