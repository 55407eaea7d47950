/** How values of unknown shape are laid out: pure decisions of LooseFacts. */

export type Loose = Record<string, unknown>

export const isRecord = (value: unknown): value is Loose => typeof value === 'object' && value !== null && !Array.isArray(value)

export function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true
  if (Array.isArray(value)) return value.length === 0
  return isRecord(value) && Object.values(value).every(isEmpty)
}

/** Tables and named values on the first two levels; anything deeper on one line, so that nothing nests without end. */
export function kindOf(value: unknown, depth: number): 'none' | 'text' | 'list' | 'record' | 'records' {
  if (isEmpty(value)) return 'none'
  if (Array.isArray(value)) return depth === 0 && value.every(isRecord) ? 'records' : 'list'
  if (!isRecord(value) || 'zh' in value) return 'text'
  return depth < 2 ? 'record' : 'text'
}

/** A record whose `zh` and `en` are one text in two languages becomes one value of that text. */
export function tidyRecord(record: Loose): Loose {
  if (!('zh' in record)) return record
  const { zh, en, ...rest } = record
  return { ...rest, words: { zh, en } }
}

// What a row is about comes first; the platform sends keys in alphabetical order.
const FIRST = ['name', 'host', 'url', 'from', 'to', 'by', 'words', 'authority', 'operator', 'answers', 'ip', 'port', 'status', 'verdict', 'reason']

/** Columns of a table: every key with a value in some row; the telling ones first, the others in order of appearance. */
export function columnsOf(records: Loose[]): string[] {
  const rank = (key: string): number => (FIRST.includes(key) ? FIRST.indexOf(key) : FIRST.length)
  return [...new Set(records.flatMap((record) => Object.keys(record)))]
    .filter((key) => records.some((record) => !isEmpty(record[key])))
    .sort((a, b) => rank(a) - rank(b))
}

/** A value on one line: `name: value; name: value`. */
export function inline(value: unknown, nameOf: (key: string) => string): string {
  if (Array.isArray(value)) return value.map((one) => inline(one, nameOf)).join(', ')
  if (isRecord(value)) return Object.entries(value).filter(([, one]) => !isEmpty(one)).map(([key, one]) => `${nameOf(key)}: ${inline(one, nameOf)}`).join('; ')
  return String(value)
}

/** Equal rows once, with how often they came. */
export function counted(rows: Loose[]): Loose[] {
  const found = new Map<string, { row: Loose; times: number }>()
  for (const row of rows) {
    const key = JSON.stringify(row)
    const seen = found.get(key)
    if (seen) seen.times += 1
    else found.set(key, { row, times: 1 })
  }
  return [...found.values()].map(({ row, times }) => (times > 1 ? { ...row, times } : row))
}
