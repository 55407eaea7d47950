/** What is shown without the whole package: one artefact (disclosure) or one custody event. Both rest on the log. */

import { type Bytes, hex, unbase64, utf8 } from './bytes.ts'
import { Digester, type Digests, sha256 } from './digest.ts'
import { Failed, must } from './failed.ts'
import { type Members, canonical, exactly, member, members, readStrict, readCanonical, string } from './json.ts'
import { SEAL_NAMES, believe, checkIncluded, checkWitnesses, numberOf, readEntry, readPlace } from './logged.ts'
import { type Artefact, readArtefact } from './manifest.ts'
import { leafHash, rootByPath } from './merkle.ts'
import { written } from './moment.ts'
import { type Proof, readProof } from './notes.ts'
import type { Source } from './source.ts'
import type { Policy, Trust } from './trust.ts'
import type { Progress } from './zip.ts'

export const DISCLOSURE = 'urn:wangjian:disclosure:v1'
export const CUSTODY = 'urn:wangjian:custody-proof:v1'
const BLOCK = 1 << 20

/** A document under test. `file`: the artefact's file, when one was given. */
export interface Excerpt {
  bytes: Bytes
  file: Source | null
  trust: Trust
  progress: Progress
}

export type ExcerptCheck = (of: Excerpt) => Promise<string>

/** Which kind of excerpt these octets are; null when they are none. */
export function excerptKind(bytes: Bytes): typeof DISCLOSURE | typeof CUSTODY | null {
  try {
    const schema = member(members(readStrict(bytes), 'document'), 'schema')
    return schema === DISCLOSURE || schema === CUSTODY ? schema : null
  } catch (error) {
    if (error instanceof Failed) return null
    throw error
  }
}

function readDocument(of: Excerpt, schema: string, names: readonly string[]): Members {
  const document = members(readCanonical(of.bytes), 'document')
  exactly(document, ['entry', 'proof', 'schema', ...names], 'document')
  must(member(document, 'schema') === schema, 'another schema')
  unbase64(member(document, 'entry'))
  string(member(document, 'proof'), 'proof')
  return document
}

const disclosure = (of: Excerpt): Members => readDocument(of, DISCLOSURE, ['artefact', 'hashes', 'index', 'size'])
const custody = (of: Excerpt): Members => readDocument(of, CUSTODY, ['document'])
const either = (of: Excerpt): Members => (excerptKind(of.bytes) === CUSTODY ? custody(of) : disclosure(of))
const artefactOf = (of: Excerpt): Artefact => readArtefact(members(member(disclosure(of), 'artefact'), 'artefact'))
const entryOf = (of: Excerpt): Bytes => unbase64(member(either(of), 'entry'))
const proofOf = (of: Excerpt): Proof => readProof(utf8(string(member(either(of), 'proof'), 'proof')))
const sealOf = (of: Excerpt): Members => readEntry(entryOf(of), 'seal', 2, SEAL_NAMES)

/** The strictest policy of the trust file: an excerpt does not say which one its package had. */
function strictest(trust: Trust): Policy {
  const [first, ...others] = trust.policies.toSorted((a, b) => b.witnessQuorum - a.witnessQuorum)
  if (first === undefined) throw new Failed(`no policy in the trust file (of ${String(others.length)})`)
  return first
}

export const checkDisclosureForm: ExcerptCheck = async (of) => artefactOf(of).path

export const checkCustodyForm: ExcerptCheck = async (of) => {
  const document = unbase64(member(custody(of), 'document'))
  members(readCanonical(document), 'event')
  return hex(await sha256(document))
}

/** The digests of a source, read once. */
export async function digestsOf(source: Source, progress: Progress): Promise<Digests> {
  const digester = await Digester.take()
  for (let at = 0; at < source.size; at += BLOCK) {
    progress.signal?.throwIfAborted()
    digester.update(await source.read(at, Math.min(BLOCK, source.size - at)))
    progress.advanced?.(Math.min(at + BLOCK, source.size), source.size)
  }
  const found = digester.end()
  digester.giveBack()
  return found
}

export const checkFile: ExcerptCheck = async (of) => {
  if (of.file === null) throw new Failed("the artefact's file is not here")
  const [artefact, found] = [artefactOf(of), await digestsOf(of.file, of.progress)]
  must(of.file.size === artefact.bytes, 'another size')
  must(found.sha256 === artefact.sha256, 'another SHA-256')
  must(found.sm3 === artefact.sm3, 'another SM3')
  return `${String(of.file.size)} bytes`
}

export const checkSealEntry: ExcerptCheck = async (of) => numberOf(sealOf(of))

export const checkArtefactPath: ExcerptCheck = async (of) => {
  const place = readPlace(disclosure(of))
  const root = await rootByPath(await leafHash(canonical(artefactOf(of).whole)), place.index, place.size, place.path)
  must(hex(root) === member(sealOf(of), 'merkle_root'), 'the artefact is not of this seal')
  return `${String(place.index)} of ${String(place.size)}`
}

export const checkCustodyEntry: ExcerptCheck = async (of) => {
  const digest = hex(await sha256(unbase64(member(custody(of), 'document'))))
  const entry = readEntry(entryOf(of), 'custody', 1, ['event_sha256'])
  must(member(entry, 'event_sha256') === digest, 'the entry is of another event')
  return digest
}

export const checkExcerptCheckpoint: ExcerptCheck = async (of) => {
  const { checkpoint } = await believe(proofOf(of).checkpoint, of.trust)
  return `${checkpoint.origin}, ${String(checkpoint.size)} entries`
}

export const checkExcerptInclusion: ExcerptCheck = async (of) => {
  const proof = proofOf(of)
  await believe(proof.checkpoint, of.trust)
  await checkIncluded(entryOf(of), proof)
  return `entry ${String(proof.index)} of ${String(proof.checkpoint.size)}`
}

export const checkExcerptWitness: ExcerptCheck = async (of) =>
  checkWitnesses((await believe(proofOf(of).checkpoint, of.trust)).cosigned, strictest(of.trust))

/** What a genuine excerpt tells. */
export async function excerptFacts(of: Excerpt): Promise<Record<string, unknown>> {
  const { checkpoint, index } = proofOf(of)
  const times = (await believe(checkpoint, of.trust)).cosigned.map((one) => one.time)
  const logged = { log_index: index, logged_before: written(Math.min(...times)) }
  if (excerptKind(of.bytes) === CUSTODY) {
    return { event: readCanonical(unbase64(member(custody(of), 'document'))), ...logged }
  }
  return { artefact: artefactOf(of).whole, evidence_no: numberOf(sealOf(of)), ...logged }
}
