/** A disk that is soon full. */
import { execFileSync } from 'node:child_process'
import { onTestFinished } from 'vitest'

/** Mounts a file system of its own for the test. Returns why that cannot be done; null: it was. */
export function mountSmallDisk(folder: string, size: string): string | null {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    return 'no small disk can be mounted here, which needs root'
  }
  onTestFinished(() => void execFileSync('umount', ['--lazy', folder]))
  return null
}
