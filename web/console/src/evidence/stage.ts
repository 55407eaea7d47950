/** How far an item is sealed, and how long it has waited (pure). */
import type { Evidence } from '@/api/types'

/** Seconds since an item was signed; 0 for a time that cannot be read. */
export function waitedSeconds(signedAt: string, now: number): number {
  const since = Date.parse(signedAt)
  return Number.isNaN(since) ? 0 : Math.max(0, Math.floor((now - since) / 1000))
}

export type Urgency = 'ok' | 'warn' | 'late'

/** Where an unstamped item stands against the rule on how long a time stamp may be waited for. */
export function urgencyOf(waited: number, required: { stamp_warn_seconds: number; stamp_limit_seconds: number }): Urgency {
  if (waited >= required.stamp_limit_seconds) return 'late'
  return waited >= required.stamp_warn_seconds ? 'warn' : 'ok'
}

/** Every custodian that is asked for, or that has confirmed: with its receipt, or null while it is waited for. */
export function copiesOf(seals: Evidence['seals']): { name: string; receipt: Record<string, unknown> | null }[] {
  const confirmed = new Map(seals.custodians.map((receipt) => [String(receipt.custodian), receipt]))
  const names = [...new Set([...seals.required.custodian_names, ...confirmed.keys()])]
  return names.map((name) => ({ name, receipt: confirmed.get(name) ?? null }))
}

/** How many different operators stand behind entries. */
export const operatorsIn = (entries: Record<string, unknown>[]): number => new Set(entries.map((one) => String(one.operator))).size
