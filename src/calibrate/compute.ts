/** Stands for the computing of a guest. */
import { monotonicNs } from '../uffd/engine/clock.ts'

/** Keeps the calling thread's CPU busy for so long. */
export function computeFor(ns: number): void {
  const untilNs = monotonicNs() + ns
  while (monotonicNs() < untilNs);
}
