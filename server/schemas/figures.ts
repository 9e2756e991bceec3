/** The figures of a restore that lists and comparisons show; apart from the schemas, which those who only count do not load. */

export const FIGURES = ['resumeNs', 'workDoneNs', 'residentNs', 'stallNs', 'faults', 'bytesRead', 'slowdown'] as const
export type Figure = (typeof FIGURES)[number]
