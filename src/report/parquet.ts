/** A table as a Parquet file: text columns for names, DOUBLE for numbers; both may be absent. */
import type { FieldValue } from './csv.ts'

export interface TableColumn {
  readonly name: string
  readonly data: FieldValue[]
}

export async function writeParquet(columns: readonly TableColumn[]): Promise<Uint8Array> {
  const { parquetWriteBuffer } = await import('hyparquet-writer')
  const columnData = columns.map(({ name, data }) => {
    const type = data.some(value => typeof value === 'string') ? ('STRING' as const) : ('DOUBLE' as const)
    return { name, data, type, nullable: true }
  })
  return new Uint8Array(parquetWriteBuffer({ columnData }))
}
