/** What is common to everything that stands in a log: checkpoints under the trust file, witnesses, entries. */

import { type Bytes, same, unbase64 } from './bytes.ts'
import { must } from './failed.ts'
import { type Members, exactly, list, member, members, readCanonical, string, whole } from './json.ts'
import { HASH_SIZE, leafHash, rootByPath } from './merkle.ts'
import { type Checkpoint, type Proof, checkLogSignature, cosignedAt, refuseUnknown } from './notes.ts'
import type { Policy, Trust } from './trust.ts'

/** A checkpoint signed by a log of the trust file and by nobody unknown. */
export interface Believed {
  checkpoint: Checkpoint
  cosigned: Cosigned[]
  /** Which log of the trust file; logs follow each other in its order. */
  log: number
}

/** A witness's word: whose, and when (milliseconds since 1970). */
export interface Cosigned {
  operator: string
  time: number
}

/** Throws Failed unless a log of the trust file signed the checkpoint and every cosignature is one of its witnesses'. */
export async function believe(checkpoint: Checkpoint, trust: Trust): Promise<Believed> {
  const log = trust.logs.findIndex((one) => one.origin === checkpoint.origin)
  const known = trust.logs[log]
  must(known !== undefined, `${checkpoint.origin} is no log of the trust file`)
  refuseUnknown(checkpoint, [known.key, ...trust.witnesses.map((witness) => witness.key)])
  await checkLogSignature(checkpoint, known.key)
  const cosigned: Cosigned[] = []
  const seen: Bytes[] = []
  for (const { operator, key } of oncePerKey(trust.witnesses)) {
    const seconds = await cosignedAt(checkpoint, key)
    if (seconds === null) continue
    must(!seen.some((other) => same(other, key.key)), `two cosignatures of one key: ${key.name}`)
    seen.push(key.key)
    cosigned.push({ operator, time: seconds * 1000 })
  }
  return { checkpoint, cosigned, log }
}

/** The witnesses, one that is listed twice under its name only once. */
function oncePerKey(witnesses: Trust['witnesses']): Trust['witnesses'] {
  const alike = (one: Trust['witnesses'][number], other: typeof one): boolean =>
    one.key.name === other.key.name && same(one.key.key, other.key.key)
  return witnesses.filter((one, at) => witnesses.findIndex((other) => alike(one, other)) === at)
}

/** Throws Failed unless witnesses of enough operators cosigned. */
export function checkWitnesses(found: readonly Cosigned[], policy: Policy): string {
  const operators = new Set(found.map((one) => one.operator)).size
  must(operators >= policy.witnessQuorum, `${String(operators)} of ${String(policy.witnessQuorum)} witnesses`)
  return `${String(operators)} of ${String(policy.witnessQuorum)} required`
}

/** Throws Failed unless the entry is the leaf that the proof says. */
export async function checkIncluded(entry: Bytes, proof: Proof): Promise<void> {
  const { checkpoint, index, path } = proof
  const root = await rootByPath(await leafHash(entry), index, checkpoint.size, path)
  must(same(root, checkpoint.root), 'the path does not lead to the root of the checkpoint')
}

/** Read an entry of a kind: canonical JSON with exactly these names. Throws Failed. */
export function readEntry(bytes: Bytes, kind: string, version: number, names: readonly string[]): Members {
  const entry = members(readCanonical(bytes), 'entry')
  exactly(entry, ['kind', 'v', ...names], 'entry')
  must(member(entry, 'kind') === kind && member(entry, 'v') === version, `not an entry of kind ${kind}, version ${String(version)}`)
  return entry
}

export const SEAL_NAMES = ['envelope_sha256', 'evidence_id', 'evidence_no', 'merkle_root', 'stamps_sha256'] as const

/** The number an entry gives. Throws Failed when it is none. */
export function numberOf(entry: Members): string {
  const number = string(member(entry, 'evidence_no'), 'evidence_no')
  must(/^WJ-[0-9]{6}-[0-9]{4}-[0-9]{8}$/.test(number), 'not an evidence number')
  return number
}

/** A list of 32-octet hashes in base64. Throws Failed. */
export function hashes(value: Members, name: string): Bytes[] {
  const found = list(member(value, name), name).map(unbase64)
  must(found.every((hash) => hash.length === HASH_SIZE), 'a hash is not 32 octets')
  return found
}

/** Where a leaf stands: its index, the size of its tree, the path. Throws Failed. */
export function readPlace(value: Members): { index: number; size: number; path: Bytes[] } {
  return {
    index: whole(member(value, 'index'), 'index'),
    size: whole(member(value, 'size'), 'size', 1),
    path: hashes(value, 'hashes'),
  }
}
