/**
 * Memory for reads that go past the page cache: O_DIRECT (open(2)) asks for an address that is a multiple of the device's block
 * size, and Node's own buffers have any. A WebAssembly memory begins at a page of the host, and is ordinary memory otherwise.
 */

/** As much of it as is used here; the types of Node have none. */
declare const WebAssembly: {
  readonly Memory: new (descriptor: { readonly initial: number }) => { readonly buffer: ArrayBuffer }
}

const WASM_PAGE_BYTES = 64 * 1024

/** At least `byteLength` bytes, zeros, at a multiple of 4096. */
export function alignedBuffer(byteLength: number): Buffer {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(byteLength / WASM_PAGE_BYTES) })
  return Buffer.from(memory.buffer)
}
