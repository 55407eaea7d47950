/** Signed notes, checkpoints, cosignatures and proofs: c2sp.org/signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof. */

import { type Bytes, concat, hex, same, text, unbase64, utf8 } from './bytes.ts'
import { sha256 } from './digest.ts'
import { Failed, must } from './failed.ts'
import { HASH_SIZE } from './merkle.ts'
import { verifyEd25519 } from './suites.ts'

const ED25519 = 1
const COSIGNATURE = 4
const KEY_ID_SIZE = 4
/** Cosignatures are of times below this many seconds since 1970. */
const LATEST = 1n << 34n
const PROOF_HEADER = 'c2sp.org/tlog-proof@v1'

/** A named key of a note. */
export interface NoteKey {
  name: string
  kind: 'log' | 'witness'
  keyId: Bytes
  key: Bytes
}

/** A checkpoint note, taken apart but not yet believed. */
export interface Checkpoint {
  body: string
  origin: string
  size: number
  root: Bytes
  lines: { name: string; blob: Bytes }[]
}

/** A proof of inclusion with its checkpoint. */
export interface Proof {
  index: number
  path: Bytes[]
  checkpoint: Checkpoint
}

/** The key of a vkey text `<name>+<key id>+<base64 of type and key>`. Throws Failed. */
export async function readVkey(vkey: string): Promise<NoteKey> {
  const [name = '', id = '', ...rest] = vkey.split('+')
  const material = unbase64(rest.join('+'))
  must(name !== '' && !/\s/u.test(name), 'key name empty or with spaces')
  must(material.length === 33, 'note key is not 32 octets')
  must(material[0] === ED25519 || material[0] === COSIGNATURE, 'note key of an unknown type')
  const keyId = (await sha256(concat(utf8(`${name}\n`), material))).slice(0, KEY_ID_SIZE)
  must(hex(keyId) === id, 'vkey does not match its key id')
  return { name, kind: material[0] === ED25519 ? 'log' : 'witness', keyId, key: material.slice(1) }
}

/** A number as the texts of C2SP write it: ASCII digits without leading zeros, exactly held. Throws Failed. */
export function decimal(digits: string): number {
  const value = Number(digits)
  must(/^(?:0|[1-9][0-9]*)$/.test(digits) && Number.isSafeInteger(value), 'not a decimal number')
  return value
}

/** A checkpoint note: three lines, an empty one, signature lines. Throws Failed. */
export function readCheckpoint(note: string): Checkpoint {
  const cut = note.lastIndexOf('\n\n')
  must(cut > 0 && note.endsWith('\n'), 'not a signed note')
  const body = note.slice(0, cut + 1)
  const [origin = '', digits = '', encoded = '', end, ...more] = body.split('\n')
  must(origin !== '' && end === '' && more.length === 0, 'not a checkpoint of three lines')
  const root = unbase64(encoded)
  must(root.length === HASH_SIZE, 'root is not 32 octets')
  const signatures = note.slice(cut + 2, -1).split('\n')
  return { body, origin, size: decimal(digits), root, lines: signatures.map(readLine) }
}

function readLine(line: string): { name: string; blob: Bytes } {
  const [dash, name = '', encoded, ...more] = line.split(' ')
  must(dash === '—' && name !== '' && encoded !== undefined && more.length === 0, 'not a signature line')
  const blob = unbase64(encoded)
  must(blob.length > KEY_ID_SIZE, 'signature line too short')
  return { name, blob }
}

/** The octets a key put under a checkpoint, null when none. Throws Failed when there are two. */
function signatureOf(checkpoint: Checkpoint, key: NoteKey): Bytes | null {
  const [line, ...more] = checkpoint.lines.filter((one) => isBy(one, key))
  must(more.length === 0, `${key.name} signed twice`)
  return line === undefined ? null : line.blob.slice(KEY_ID_SIZE)
}

function isBy(line: { name: string; blob: Bytes }, key: NoteKey): boolean {
  return line.name === key.name && same(line.blob.subarray(0, KEY_ID_SIZE), key.keyId)
}

/** Throws Failed when a signature is of none of these keys. */
export function refuseUnknown(checkpoint: Checkpoint, keys: readonly NoteKey[]): void {
  for (const line of checkpoint.lines) {
    must(keys.some((key) => isBy(line, key)), `a signature of an unknown key: ${line.name}`)
  }
}

/** Throws Failed unless the log's key signed the checkpoint. */
export async function checkLogSignature(checkpoint: Checkpoint, key: NoteKey): Promise<void> {
  const signature = signatureOf(checkpoint, key)
  must(signature !== null, 'no signature of the log')
  must(await verifyEd25519(key.key, utf8(checkpoint.body), signature), 'the log did not sign this checkpoint')
}

/** The time in POSIX seconds at which a witness cosigned, null when its line is not there. Throws Failed for a false one. */
export async function cosignedAt(checkpoint: Checkpoint, key: NoteKey): Promise<number | null> {
  const blob = signatureOf(checkpoint, key)
  if (blob === null) return null
  must(blob.length === 8 + 64, 'cosignature of a wrong length')
  const time = new DataView(blob.buffer, blob.byteOffset).getBigUint64(0)
  must(time < LATEST, 'cosignature time out of range')
  const message = utf8(`cosignature/v1\ntime ${time.toString()}\n${checkpoint.body}`)
  must(await verifyEd25519(key.key, message, blob.slice(8)), `${key.name} did not cosign this checkpoint`)
  return Number(time)
}

/** A tlog-proof file. Throws Failed. */
export function readProof(bytes: Uint8Array): Proof {
  const source = text(bytes)
  const cut = source.indexOf('\n\n')
  must(cut > 0, 'proof without a checkpoint')
  const [header, line = '', ...encoded] = source.slice(0, cut).split('\n')
  must(header === PROOF_HEADER, 'not a tlog-proof')
  const [, digits] = /^index ([0-9]+)$/.exec(line) ?? []
  if (digits === undefined) throw new Failed('proof without an index')
  const path = encoded.map(unbase64)
  must(path.length <= 63 && path.every((hash) => hash.length === HASH_SIZE), 'path of wrong hashes')
  return { index: decimal(digits), path, checkpoint: readCheckpoint(source.slice(cut + 2)) }
}
