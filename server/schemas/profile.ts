/** A host profile, as `lazyrestore calibrate` writes it. Which parameters there are the library checks; here is how much of it there may be. */
import type { HostProfile } from 'lazyrestore'
import Type from 'typebox'
import { strict } from './common.ts'

const MAX_TEXT = 1000
const MAX_PARAMETERS = 100
const Key = Type.String({ maxLength: 64 })
const Text = Type.String({ maxLength: MAX_TEXT })

const Parameter = strict({
  value: Type.Integer({ minimum: 0 }),
  unit: Type.String({ maxLength: 64 }),
  source: Text,
  spread: Type.Optional(strict({ p10: Type.Integer({ minimum: 0 }), p90: Type.Integer({ minimum: 0 }) })),
})
const Parameters = Type.Record(Key, Parameter, { maxProperties: MAX_PARAMETERS })
const Fact = Type.Union([Text, Type.Number(), Type.Boolean(), Type.Null()])

export const Profile = Type.Unsafe<HostProfile>(
  strict(
    {
      name: Type.Optional(Text),
      host: Type.Optional(Text),
      facts: Type.Optional(Type.Record(Key, Fact, { maxProperties: MAX_PARAMETERS })),
      parameters: Parameters,
      device: Type.Optional(Parameters),
    },
    'A host profile, as `lazyrestore calibrate` writes it',
  ),
)
