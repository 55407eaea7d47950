/** Pure decisions about a chain of custody: what stands between its records, what a proof names. */
import type { Custody, CustodyEvent } from '@/api/types'

export type ChainRow =
  | { kind: 'event'; key: string; event: CustodyEvent }
  | { kind: 'gap'; key: string; from: number; to: number }

const gap = (from: number, to: number): ChainRow => ({ kind: 'gap', key: `gap-${from}`, from, to })

/** The records in order, with a row of its own for every run of missing numbers, the end included. */
export function chainRows(custody: Custody): ChainRow[] {
  const rows: ChainRow[] = []
  let last = 0
  for (const event of custody.events) {
    if (event.seq > last + 1) rows.push(gap(last + 1, event.seq - 1))
    rows.push({ kind: 'event', key: String(event.seq), event })
    last = event.seq
  }
  if (custody.chain.expected > last) rows.push(gap(last + 1, custody.chain.expected))
  return rows
}

export interface Proof {
  schema: string
  document: string
  entry: string
  proof: string
}

/** Names on the signature lines of the checkpoint in a tlog-proof: the log first, then its witnesses. */
export function signersOf(proof: string): { log: string; witnesses: string[] } {
  const names = proof.split('\n').filter((line) => line.startsWith('— ')).map((line) => line.split(' ')[1] ?? '')
  return { log: names[0] ?? '', witnesses: [...new Set(names.slice(1))] }
}

/** Seconds as hours and minutes for people: `1 h 5 min`, `0 h 3 min`. */
export function hoursAndMinutes(seconds: number): { hours: number; minutes: number } {
  const minutes = Math.max(0, Math.floor(seconds / 60))
  return { hours: Math.floor(minutes / 60), minutes: minutes % 60 }
}
