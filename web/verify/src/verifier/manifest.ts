/** The manifest: an in-toto Statement v1 with the predicate `urn:wangjian:capture:v2`. Its form, nothing more. */

import { type Bytes, byteOrder, same } from './bytes.ts'
import { must } from './failed.ts'
import { type Json, type Members, canonical, exactly, list, member, members, readCanonical, string, whole } from './json.ts'
import { moment } from './moment.ts'
import { isArtefactPath } from './names.ts'

const STATEMENT = 'https://in-toto.io/Statement/v1'
export const PREDICATE = 'urn:wangjian:capture:v2'
const DIGEST = /^[0-9a-f]{64}$/
const UTC = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?Z$/

/** One file of the capture. `whole` is its object as it stands in the manifest. */
export interface Artefact {
  path: string
  bytes: number
  sha256: string
  sm3: string
  salt: string
  whole: Members
}

/** What the checks use of a manifest. */
export interface Manifest {
  evidenceId: string
  target: { requestedUrl: string; finalUrl: string | null; title: string | null }
  /** As written. */
  start: string
  end: string
  offsetMs: number | null
  beacon: string
  state: string
  artefacts: Artefact[]
  /** Whether the statement's subject is the list of artefacts. */
  aboutArtefacts: boolean
  root: string
  keyIds: string[]
  policyId: string
}

/** Read a manifest. Throws Failed. */
export function readManifest(payload: Bytes): Manifest {
  const statement = members(readCanonical(payload), 'statement')
  exactly(statement, ['_type', 'predicate', 'predicateType', 'subject'], 'statement')
  must(member(statement, '_type') === STATEMENT, 'not an in-toto Statement v1')
  must(member(statement, 'predicateType') === PREDICATE, `predicate type is not ${PREDICATE}`)
  const predicate = members(member(statement, 'predicate'), 'predicate')
  must(member(predicate, 'schema') === PREDICATE, `schema is not ${PREDICATE}`)
  const artefacts = readArtefacts(list(member(predicate, 'artifacts'), 'artifacts'))
  for (const name of ['operator', 'environment', 'method']) members(member(predicate, name), name)
  const network = members(member(predicate, 'network'), 'network')
  for (const name of ['dns', 'connections', 'blocked']) list(member(network, name), name)
  const merkle = members(member(predicate, 'merkle'), 'merkle')
  must(member(merkle, 'alg') === 'rfc6962-sha256', 'unknown tree')
  return {
    evidenceId: matching(predicate, 'evidence_id', /^[0-9A-HJKMNP-TV-Z]{26}$/),
    target: readTarget(members(member(predicate, 'target'), 'target')),
    ...readTimes(members(member(predicate, 'times'), 'times')),
    state: readCompleteness(members(member(predicate, 'completeness'), 'completeness')),
    artefacts,
    aboutArtefacts: isSubject(member(statement, 'subject'), artefacts),
    root: matching(merkle, 'root', DIGEST),
    keyIds: readKeyIds(list(member(predicate, 'key_ids'), 'key_ids')),
    policyId: string(member(predicate, 'policy_id'), 'policy_id'),
  }
}

function readKeyIds(values: Json[]): string[] {
  must(values.length > 0, 'no key ids')
  return values.map((id) => {
    must(typeof id === 'string' && DIGEST.test(id), 'key_ids holds what is no key id')
    return id
  })
}

function readArtefacts(values: Json[]): Artefact[] {
  must(values.length > 0, 'no artefacts')
  const artefacts = values.map((value) => readArtefact(members(value, 'artefact')))
  const paths = artefacts.map((artefact) => artefact.path)
  const ordered = paths.every((path, at) => at === 0 || byteOrder(paths[at - 1] ?? '', path) < 0)
  must(ordered, 'artefacts are not in order, or one stands twice')
  must(new Set(artefacts.map((one) => one.salt)).size === artefacts.length, 'two artefacts have one salt')
  for (const { path, whole: object } of artefacts) {
    const origin = member(object, 'derived_from')
    must(origin === null || (origin !== path && paths.includes(string(origin, 'derived_from'))), `${path} is derived from no other artefact`)
  }
  return artefacts
}

/** Read one artefact's object. Throws Failed. */
export function readArtefact(object: Members): Artefact {
  const path = string(member(object, 'path'), 'path')
  must(isArtefactPath(path), `name not permitted: ${JSON.stringify(path)}`)
  for (const name of ['role', 'media_type']) string(member(object, name), name)
  time(member(object, 'created'))
  const origin = member(object, 'derived_from')
  must(origin === null || typeof origin === 'string', 'derived_from is neither null nor a path')
  return {
    path,
    bytes: whole(member(object, 'bytes'), 'bytes'),
    sha256: matching(object, 'sha256', DIGEST),
    sm3: matching(object, 'sm3', DIGEST),
    salt: matching(object, 'salt', /^[0-9a-f]{32}$/),
    whole: object,
  }
}

function readTarget(target: Members): Manifest['target'] {
  const optional = (name: string): string | null => {
    const value = member(target, name)
    return value === null ? null : string(value, name)
  }
  list(member(target, 'redirects'), 'redirects')
  const status = member(target, 'http_status')
  must(status === null || Number.isSafeInteger(status), 'http_status is neither null nor a whole number')
  return {
    requestedUrl: string(member(target, 'requested_url'), 'requested_url'),
    finalUrl: optional('final_url'),
    title: optional('title'),
  }
}

function readTimes(times: Members): Pick<Manifest, 'start' | 'end' | 'offsetMs' | 'beacon'> {
  const clock = members(member(times, 'clock'), 'clock')
  for (const name of ['source', 'state']) string(member(clock, name), name)
  const offset = member(clock, 'offset_ms')
  must(offset === null || typeof offset === 'number', 'offset_ms is neither null nor a number')
  return {
    start: time(member(times, 'start')),
    end: time(member(times, 'end')),
    offsetMs: offset,
    beacon: string(member(times, 'beacon_checkpoint'), 'beacon_checkpoint'),
  }
}

function readCompleteness(completeness: Members): string {
  for (const name of ['missing', 'errors']) list(member(completeness, name), name)
  const reason = member(completeness, 'reason')
  must(reason === null || members(reason, 'reason') !== null, 'reason')
  return matching(completeness, 'state', /^(?:COMPLETE|PARTIAL|BLOCKED|FAILED)$/)
}

function time(value: Json | undefined): string {
  const written = string(value, 'time')
  must(UTC.test(written), `not a time in UTC: ${written}`)
  moment(written)
  return written
}

function matching(object: Members, name: string, form: RegExp): string {
  const value = string(member(object, name), name)
  must(form.test(value), `${name} is not as required`)
  return value
}

function isSubject(given: Json | undefined, artefacts: readonly Artefact[]): boolean {
  const expected = artefacts.map(({ path, sha256, sm3 }) => ({ name: path, digest: { sha256, sm3 } }))
  return given !== undefined && same(canonical(given), canonical(expected))
}
