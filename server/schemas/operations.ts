/** How a page came, by the library's number of it, and how much one batch may ask; apart from the schemas, whose library takes long to load. */

export const OPERATIONS = ['copy', 'zeropage', 'zero-copy', 'resident', 'minor', 'major'] as const

export const MAX_BATCH = 65_536
