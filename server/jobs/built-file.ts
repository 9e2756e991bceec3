/** Where the entry of a thread or process lies: Node runs no TypeScript in them, so that from the sources the built file is taken. */

/** @param path from the folder of the server, ending in .js; @param from import.meta.url of a file one folder below it */
export function builtFile(path: string, from: string): URL {
  return new URL(from.endsWith('.ts') ? `../../dist/server/${path}` : `../${path}`, from)
}
