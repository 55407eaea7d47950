/** The fields of subjects and presences: what a form asks, and in which order. */
export interface Field {
  name: string
  /** Sealed: shown masked, changed only when something is typed. */
  personal?: boolean
  wide?: boolean
  lines?: number
  choices?: readonly string[]
  /** i18n key of a choice's name. */
  named?: (choice: string) => string
  kind?: 'date' | 'truth'
  length?: number
}

export const SUBJECT_KINDS = ['enterprise', 'individual_business', 'cooperative', 'natural_person', 'other'] as const
export const SUBJECT_STATUS = ['active', 'cancelled', 'revoked', 'moved', 'unknown'] as const
export const CHANNELS = [
  'platform', 'shop_b', 'shop_c', 'shop', 'site_trade', 'site_info', 'app', 'mini_program', 'official_account', 'live_room', 'local_service', 'other',
] as const
export const EXEMPTIONS = ['farm_produce', 'handicraft', 'service', 'small'] as const
export const PERMIT_KINDS = [
  'food_business', 'food_production', 'drug_retail', 'drug_online', 'medical_device', 'cosmetics', 'publication', 'tobacco', 'hazardous', 'telecom', 'other',
] as const
export const VERIFY_STATES = ['unverified', 'valid', 'expired', 'not_found', 'mismatch'] as const
export const RESULTS = ['normal', 'unreachable', 'not_shown', 'mismatch', 'not_ours', 'suspected', 'other'] as const
export const PURPOSES = ['inspection', 'case', 'complaint', 'verification', 'contact', 'other'] as const
export const TONES = ['info', 'primary', 'success', 'warning', 'danger'] as const

export const PERSONAL = ['phone', 'qq', 'wechat', 'address', 'return_address', 'legal_person', 'id_card', 'payment'] as const

const contact = (name: string, wide = false): Field => ({ name, personal: true, wide, length: wide ? 1000 : 200 })

export const SUBJECT_FIELDS: Field[] = [
  { name: 'name', wide: true, length: 500 },
  { name: 'kind', choices: SUBJECT_KINDS, named: (choice) => `records.kind_${choice}` },
  { name: 'status', choices: SUBJECT_STATUS, named: (choice) => `records.status_${choice}` },
  { name: 'licence', length: 200 },
  { name: 'registered_at', kind: 'date' },
  contact('legal_person'), contact('phone'), contact('qq'), contact('wechat'),
  contact('address', true), contact('return_address', true), contact('id_card'), contact('payment'),
  { name: 'authority_code', length: 40 },
  { name: 'scope', wide: true, lines: 3, length: 4000 },
]

export const PRESENCE_FIELDS: Field[] = [
  { name: 'name', wide: true, length: 500 },
  { name: 'channel', choices: CHANNELS, named: (choice) => `records.channel_${choice}` },
  { name: 'platform', length: 100 },
  { name: 'native_id', length: 128 },
  { name: 'label_no', length: 60 },
  { name: 'url', wide: true, length: 2000 },
  { name: 'path_description', wide: true, lines: 2, length: 1000 },
  { name: 'licence', length: 200 },
  { name: 'icp', length: 200 },
  { name: 'police_no', length: 200 },
  { name: 'ownership', choices: ['B', 'C'], named: (choice) => `records.ownership_${choice}` },
  { name: 'exemption', choices: EXEMPTIONS, named: (choice) => `records.exemption_${choice}` },
  { name: 'over_100k', kind: 'truth', choices: ['true', 'false'], named: (choice) => `records.truth_${choice}` },
  contact('phone'), contact('qq'), contact('wechat'), contact('legal_person'),
  contact('address', true), contact('return_address', true), contact('payment'),
]

const NEW_SUBJECT = ['name', 'kind', 'licence', 'legal_person', 'phone', 'qq', 'wechat', 'address', 'return_address', 'id_card', 'payment']

/** A form's fields by name, in the order given. */
export const subjectFieldsNew: Field[] = SUBJECT_FIELDS.filter((field) => NEW_SUBJECT.includes(field.name))

export type Values = Record<string, string>
type Json = Record<string, unknown>

const asText = (value: unknown): string => (value === null || value === undefined ? '' : String(value))

/** What a form begins with: plain values as they are, personal ones empty (they are never shown in full). */
export function begun(fields: Field[], record: Json | null): Values {
  return Object.fromEntries(fields.map((field) => [field.name, record && !field.personal ? asText(record[field.name]) : '']))
}

const typed = (field: Field, text: string): unknown => (text === '' ? null : field.kind === 'truth' ? text === 'true' : text)

/** What is to be sent: of a new record everything filled in, of a known one only what differs; `cleared` goes as null. */
export function changedValues(fields: Field[], record: Json | null, values: Values, cleared: string[]): Json {
  const before = begun(fields, record)
  const out: Json = {}
  for (const field of fields) {
    const text = values[field.name]!.trim()
    if (cleared.includes(field.name)) out[field.name] = null
    else if (text !== before[field.name]) out[field.name] = typed(field, text)
  }
  return out
}
