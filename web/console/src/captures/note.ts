import type { Step } from '@/api/types'

/** What one step found, as an i18n key and its values; null when there is nothing to add to its name. */
export interface StepNote {
  key: string
  values: Record<string, string | number>
}

type Detail = Step['detail']
const number = (value: unknown): number | null => (typeof value === 'number' ? value : null)
const text = (value: unknown): string => (typeof value === 'string' ? value : '')

function cleanNote(detail: Detail): StepNote | null {
  if (!Array.isArray(detail.checks)) return null
  const checks = detail.checks as { ok?: boolean }[]
  const bad = checks.filter((check) => check.ok !== true).length
  return bad ? { key: 'steps.note_unclean', values: { n: bad } } : { key: 'steps.note_clean', values: { n: checks.length } }
}

function stampNote(detail: Detail): StepNote | null {
  const stamps = (Array.isArray(detail.stamps) ? detail.stamps : []) as { authority?: string }[]
  const names = stamps.map((stamp) => text(stamp.authority)).filter(Boolean)
  return names.length ? { key: 'steps.note_text', values: { text: names.join('、') } } : null
}

/** A note from one number of the detail. */
function counted(key: string, value: unknown): StepNote | null {
  const n = number(value)
  return n === null ? null : { key: `steps.${key}`, values: { n } }
}

const NOTES: Record<string, (detail: Detail) => StepNote | null> = {
  order_logged: (detail) => counted('note_index', detail.log_index),
  clean_check: cleanNote,
  load: (detail) => counted('note_http', detail.status),
  scroll: (detail) => counted('note_scrolls', detail.steps),
  shots: (detail) => counted('note_height', detail.height),
  collect: (detail) => counted('note_requests', detail.requests),
  hashing: (detail) => counted('note_files', detail.files),
  upload: (detail) => counted('note_files', detail.files),
  signed: (detail) => counted('note_signatures', Array.isArray(detail.keyids) ? detail.keyids.length : null),
  stamped: stampNote,
  logged: (detail) => counted('note_index', detail.index),
  custodian: (detail) => (text(detail.custodian) ? { key: 'steps.note_text', values: { text: text(detail.custodian) } } : null),
  sealed: (detail) => (text(detail.evidence_no) ? { key: 'steps.note_text', values: { text: text(detail.evidence_no) } } : null),
}

/** The note of a step; steps this console does not know have none. */
export function noteOf(step: Step): StepNote | null {
  return NOTES[step.op]?.(step.detail) ?? null
}
