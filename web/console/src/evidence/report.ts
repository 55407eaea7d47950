/** The verifier's report, brought into one shape for display. */
import type { Bilingual } from '@/api/types'

export interface Check {
  code: string
  status: 'passed' | 'failed' | 'skipped' | 'warned'
  zh: string
  en: string
  detail: string
}

export interface Report {
  verdict: string
  checks: Record<string, unknown>[]
  not_checked?: unknown[]
  [more: string]: unknown
}

function statusOf(check: Record<string, unknown>): Check['status'] {
  const said = check.status ?? check.result ?? check.ok ?? check.passed
  if (said === true || ['ok', 'pass', 'passed', 'valid', 'PASS', 'OK'].includes(String(said))) return 'passed'
  if (['warn', 'warning', 'warned', 'WARN'].includes(String(said))) return 'warned'
  if (['skip', 'skipped', 'not_checked', 'SKIP'].includes(String(said))) return 'skipped'
  // Anything unknown counts as failed: absence of a clear "passed" is never shown as good.
  return 'failed'
}

const text = (value: unknown): string => (typeof value === 'string' ? value : value == null ? '' : JSON.stringify(value))

export function checksOf(report: Report): Check[] {
  return report.checks.map((check) => ({
    code: text(check.code),
    status: statusOf(check),
    zh: text(check.zh ?? check.text ?? check.name),
    en: text(check.en ?? check.text ?? check.name),
    detail: text(check.detail),
  }))
}

/** What the verifier says it did not check. */
export function notChecked(report: Report): Bilingual[] {
  return (report.not_checked ?? []).map((entry) => {
    if (typeof entry === 'string') return { zh: entry, en: entry }
    const given = entry as Record<string, unknown>
    return { code: text(given.code), zh: text(given.zh ?? given.text), en: text(given.en ?? given.text) }
  })
}
