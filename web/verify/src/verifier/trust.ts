/** The trust file: the keys and certificates of whoever verifies. Nothing in a package adds to it. */

import { type Bytes, hex, unbase64 } from './bytes.ts'
import { sha256 } from './digest.ts'
import { Failed, Unusable, must } from './failed.ts'
import { type Json, type Members, list, member, members, readStrict, string, whole } from './json.ts'
import { moment } from './moment.ts'
import { type NoteKey, readVkey } from './notes.ts'
import { type Algorithm, SUITES, SUITE_OF, type Suite } from './suites.ts'
import { type PinnedAuthority, readAuthority } from './authority.ts'

const SCHEMA = 'urn:wangjian:trust:v2'

/** A signing key with the times between which its signatures count (milliseconds since 1970, null: no bound). */
export interface Key {
  keyid: string
  algorithm: Algorithm
  spki: Bytes
  notBefore: number | null
  notAfter: number | null
  revokedAt: number | null
}

/** What a package must have. */
export interface Policy {
  id: string
  suites: Suite[]
  tsaQuorum: number
  witnessQuorum: number
  maxSkew: number
}

/** A trust file, read. */
export interface Trust {
  development: boolean
  label: { zh: string; en: string }
  workerKeys: Key[]
  sealingKeys: Key[]
  /** In the order in which the logs followed each other. */
  logs: { origin: string; key: NoteKey }[]
  witnesses: { name: string; operator: string; key: NoteKey }[]
  tsas: PinnedAuthority[]
  policies: Policy[]
  /** Since when a digest is no longer safe (milliseconds since 1970). */
  weak: Map<string, number>
}

/** Read a trust file. Throws Unusable when it is none, or not one of this version. */
export async function readTrust(bytes: Uint8Array): Promise<Trust> {
  try {
    return await read(members(readStrict(bytes), 'trust file'))
  } catch (error) {
    if (error instanceof Failed) throw new Unusable(`trust file: ${error.message}`)
    throw error
  }
}

async function read(file: Members): Promise<Trust> {
  must(member(file, 'schema') === SCHEMA, `not ${SCHEMA}`)
  const development = member(file, 'development')
  must(typeof development === 'boolean', 'development is neither true nor false')
  const label = members(member(file, 'label'), 'label')
  const each = async <T>(name: string, one: (value: Members) => Promise<T> | T): Promise<T[]> =>
    Promise.all(list(member(file, name), name).map((value) => one(members(value, name))))
  const trust: Trust = {
    development,
    label: { zh: string(member(label, 'zh'), 'label'), en: string(member(label, 'en'), 'label') },
    workerKeys: await each('worker_keys', readKey),
    sealingKeys: await each('sealing_keys', readKey),
    logs: await each('logs', readLog),
    witnesses: await each('witnesses', readWitness),
    tsas: await each('tsas', readAuthority),
    policies: await each('policies', readPolicy),
    weak: readWeak(members(member(file, 'weak_digests') ?? {}, 'weak_digests')),
  }
  someAndDifferent(trust.workerKeys.map((key) => key.keyid), 'worker_keys')
  someAndDifferent(trust.sealingKeys.map((key) => key.keyid), 'sealing_keys')
  someAndDifferent(trust.logs.map((log) => log.origin), 'logs')
  someAndDifferent(trust.policies.map((policy) => policy.id), 'policies')
  return trust
}

function readWeak(value: Members): Map<string, number> {
  return new Map(Object.entries(value).map(([name, since]) => [name, moment(since)]))
}

function someAndDifferent(ids: readonly string[], name: string): void {
  must(ids.length > 0 && new Set(ids).size === ids.length, `${name} is empty or holds one twice`)
}

async function readKey(value: Members): Promise<Key> {
  const algorithm = string(member(value, 'algorithm'), 'algorithm')
  must(Object.hasOwn(SUITE_OF, algorithm), `unknown algorithm ${algorithm}`)
  const spki = unbase64(member(value, 'public_key'))
  const keyid = string(member(value, 'keyid'), 'keyid')
  must(keyid === hex(await sha256(spki)), 'a key id is not the digest of its key')
  const time = (name: string): number | null => {
    const given = member(value, name)
    return given === null ? null : moment(given)
  }
  return {
    keyid, spki,
    algorithm: algorithm as Algorithm,
    notBefore: time('not_before'),
    notAfter: time('not_after'),
    revokedAt: time('revoked_at'),
  }
}

async function readLog(value: Members): Promise<{ origin: string; key: NoteKey }> {
  const origin = string(member(value, 'origin'), 'origin')
  const key = await readVkey(string(member(value, 'vkey'), 'vkey'))
  must(key.kind === 'log' && key.name === origin, 'a log key of another name or type')
  return { origin, key }
}

async function readWitness(value: Members): Promise<{ name: string; operator: string; key: NoteKey }> {
  const name = string(member(value, 'name'), 'name')
  const operator = string(member(value, 'operator'), 'operator')
  const key = await readVkey(string(member(value, 'vkey'), 'vkey'))
  must(key.kind === 'witness', 'a witness with another type of key')
  return { name, operator, key }
}

function readPolicy(value: Members): Policy {
  const suites = list(member(value, 'suites'), 'suites').map((suite: Json) => string(suite, 'suite'))
  const known = SUITES.filter((suite) => suites.includes(suite))
  must(known.length > 0 && known.join() === suites.join(), 'suites unknown, repeated or in another order')
  return {
    id: string(member(value, 'id'), 'id'),
    suites: known,
    tsaQuorum: whole(member(value, 'tsa_quorum'), 'tsa_quorum', 1),
    witnessQuorum: whole(member(value, 'witness_quorum'), 'witness_quorum', 1),
    maxSkew: whole(member(value, 'max_skew_seconds'), 'max_skew_seconds', 1) * 1000,
  }
}
