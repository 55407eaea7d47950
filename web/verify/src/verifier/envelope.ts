/** The DSSE v1 envelope (secure-systems-lab/dsse) around the manifest, and whose signatures it must hold. */

import { type Bytes, concat, unbase64, utf8 } from './bytes.ts'
import { Failed, must } from './failed.ts'
import { exactly, list, member, members, readCanonical, string } from './json.ts'
import { SUITE_OF, checkSignature } from './suites.ts'
import type { Key, Policy, Trust } from './trust.ts'

const PAYLOAD_TYPE = 'application/vnd.in-toto+json'

/** An envelope, taken apart. */
export interface Envelope {
  payload: Bytes
  signatures: { keyid: string; sig: string }[]
}

/** Read an envelope. Throws Failed. */
export function readEnvelope(bytes: Bytes): Envelope {
  const envelope = members(readCanonical(bytes), 'envelope')
  exactly(envelope, ['payload', 'payloadType', 'signatures'], 'envelope')
  must(member(envelope, 'payloadType') === PAYLOAD_TYPE, 'another payload type')
  const signatures = list(member(envelope, 'signatures'), 'signatures').map((value) => {
    const signature = members(value, 'signature')
    exactly(signature, ['keyid', 'sig'], 'signature')
    return { keyid: string(member(signature, 'keyid'), 'keyid'), sig: string(member(signature, 'sig'), 'sig') }
  })
  must(signatures.length === 2 || signatures.length === 4, 'neither two nor four signatures')
  must(new Set(signatures.map((one) => one.keyid)).size === signatures.length, 'one key signed twice')
  return { payload: unbase64(member(envelope, 'payload')), signatures }
}

/** What a signature is over: the pre-authentication encoding of DSSE. */
function preAuthentication(payload: Bytes): Bytes {
  const type = utf8(PAYLOAD_TYPE)
  return concat(utf8(`DSSEv1 ${String(type.length)} `), type, utf8(` ${String(payload.length)} `), payload)
}

/** The message that is stamped: one line for each signature. */
export function stampedMessage(envelope: Envelope): Bytes {
  const lines = envelope.signatures.map(({ keyid, sig }) => `${keyid} ${sig}\n`).join('')
  return utf8(`wangjian:dsse-signatures:v1\n${lines}`)
}

/** A signature with its key of the trust file. */
export interface Signed {
  key: Key
  sig: string
}

/** The signatures of one role and their keys, in the order of the policy's suites. Throws Failed for a key that is none of them. */
export function signedBy(role: 'worker' | 'sealing', envelope: Envelope, policy: Policy, trust: Trust): Signed[] {
  const each = policy.suites.length
  must(envelope.signatures.length === 2 * each, 'not one signature of each role in each suite of the policy')
  const signed = role === 'worker' ? envelope.signatures.slice(0, each) : envelope.signatures.slice(each)
  const known = role === 'worker' ? trust.workerKeys : trust.sealingKeys
  return signed.map(({ keyid, sig }, at) => {
    const key = known.find((one) => one.keyid === keyid)
    if (key === undefined) throw new Failed(`key ${keyid.slice(0, 16)}… is no ${role} key of the trust file`)
    must(SUITE_OF[key.algorithm] === policy.suites[at], `signature ${String(at)} is not of the suite ${policy.suites[at] ?? ''}`)
    return { key, sig }
  })
}

/** Throws Failed unless each of these signatures is one over the envelope's payload. */
export async function checkSignatures(envelope: Envelope, signed: readonly Signed[]): Promise<void> {
  const message = preAuthentication(envelope.payload)
  for (const { key, sig } of signed) await checkSignature(key.algorithm, key.spki, message, unbase64(sig))
}

/** Throws Failed unless every stamp lies within the times of a key. times: milliseconds since 1970. */
export function checkKeyTimes(key: Key, times: readonly number[]): void {
  for (const time of times) {
    const name = `key ${key.keyid.slice(0, 16)}…`
    must(key.notBefore === null || time >= key.notBefore, `${name} was not yet valid when it was stamped`)
    must(key.notAfter === null || time <= key.notAfter, `${name} was no longer valid when it was stamped`)
    must(key.revokedAt === null || time < key.revokedAt, `${name} was revoked before it was stamped`)
  }
}
