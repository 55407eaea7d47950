/** The signatures a package may carry: Ed25519, ECDSA P-256 with SHA-256, SM2 with SM3. */

import { DER } from '@noble/curves/abstract/weierstrass.js'
import { AsnConvert } from '@peculiar/asn1-schema'
import { SubjectPublicKeyInfo } from '@peculiar/asn1-x509'
import { sm2 } from 'sm-crypto-v2'
import { type Bytes, concat, hex, same, unhex } from './bytes.ts'
import { Failed, must } from './failed.ts'

export type Algorithm = 'ed25519' | 'ecdsa-p256-sha256' | 'sm2-sm3'
export type Suite = 'international' | 'national'

export const SUITE_OF: Readonly<Record<Algorithm, Suite>> = {
  ed25519: 'international',
  'ecdsa-p256-sha256': 'international',
  'sm2-sm3': 'national',
}
export const SUITES: readonly Suite[] = ['international', 'national']

const EC_PUBLIC_KEY = '1.2.840.10045.2.1'
// OBJECT IDENTIFIER 1.2.156.10197.1.301 (sm2p256v1, GM/T 0006) in DER.
const SM2_CURVE = unhex('06082a811ccf5501822d')
// Order of the SM2 base point (GB/T 32918.5 §A.2).
const SM2_ORDER = BigInt('0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123')
// Subject public key info of Ed25519 (RFC 8410 §4), before the 32 octets of the key.
const ED25519_PREFIX = unhex('302a300506032b6570032100')

/** Whether Ed25519 (RFC 8032) verifies under a raw key. Throws Failed where the browser does not know it. */
export async function verifyEd25519(key: Bytes, message: Bytes, signature: Bytes): Promise<boolean> {
  const imported = await importKey(concat(ED25519_PREFIX, key), { name: 'Ed25519' })
  return crypto.subtle.verify({ name: 'Ed25519' }, imported, signature, message)
}

async function importKey(spki: Bytes, algorithm: AlgorithmIdentifier | EcKeyImportParams | RsaHashedImportParams): Promise<CryptoKey> {
  try {
    return await crypto.subtle.importKey('spki', spki, algorithm, false, ['verify'])
  } catch (error) {
    throw new Failed(`the key cannot be used (${String(error)})`)
  }
}

/** Throws Failed unless the signature verifies. key: DER SubjectPublicKeyInfo. */
export async function checkSignature(algorithm: Algorithm, key: Bytes, message: Bytes, signature: Bytes): Promise<void> {
  must(await verifies(algorithm, key, message, signature), 'the signature does not verify')
}

async function verifies(algorithm: Algorithm, key: Bytes, message: Bytes, signature: Bytes): Promise<boolean> {
  switch (algorithm) {
    case 'ed25519':
      must(same(key.subarray(0, ED25519_PREFIX.length), ED25519_PREFIX), 'not an Ed25519 key')
      return verifyEd25519(key.slice(ED25519_PREFIX.length), message, signature)
    case 'ecdsa-p256-sha256':
      return verifyEcdsa(key, 'P-256', 'SHA-256', message, signature)
    case 'sm2-sm3':
      return verifySm2(key, message, signature)
  }
}

/** Whether ECDSA with a DER signature (RFC 3279 §2.2.3) verifies. Throws Failed for another key or no DER. */
export async function verifyEcdsa(
  key: Bytes, curve: 'P-256' | 'P-384', hash: string, message: Bytes, signature: Bytes,
): Promise<boolean> {
  const imported = await importKey(key, { name: 'ECDSA', namedCurve: curve })
  const raw = rawSignature(signature, curve === 'P-256' ? 32 : 48)
  return crypto.subtle.verify({ name: 'ECDSA', hash }, imported, raw, message)
}

/** Whether RSASSA-PKCS1-v1_5 verifies. */
export async function verifyRsa(key: Bytes, hash: string, message: Bytes, signature: Bytes): Promise<boolean> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash }
  return crypto.subtle.verify(algorithm, await importKey(key, algorithm), signature, message)
}

function integers(signature: Bytes): { r: bigint; s: bigint } {
  try {
    return DER.toSig(signature)
  } catch {
    throw new Failed('the signature is not DER')
  }
}

function rawSignature(signature: Bytes, size: number): Bytes {
  const { r, s } = integers(signature)
  const fixed = (value: bigint): Bytes => {
    const digits = value.toString(16).padStart(size * 2, '0')
    must(digits.length === size * 2, 'signature number too large')
    return unhex(digits)
  }
  return concat(fixed(r), fixed(s))
}

/** Whether SM2 with SM3 verifies (GB/T 32918.2 §7.1, default identifier of GM/T 0009). Throws Failed. */
export function verifySm2(key: Bytes, message: Bytes, signature: Bytes): boolean {
  const { r, s } = integers(signature)
  // Step A1, A2: the library takes numbers as they are given.
  must(r > 0n && r < SM2_ORDER && s > 0n && s < SM2_ORDER, 'signature numbers out of range')
  const fixed = (value: bigint): string => value.toString(16).padStart(64, '0')
  return sm2.doVerifySignature(message, fixed(r) + fixed(s), sm2Point(key), {
    hash: true,
    der: false,
    userId: '1234567812345678',
  })
}

/** The uncompressed point of an SM2 key, in hex. Throws Failed. */
function sm2Point(key: Bytes): string {
  let info: SubjectPublicKeyInfo
  try {
    info = AsnConvert.parse(key, SubjectPublicKeyInfo)
  } catch {
    throw new Failed('not a public key')
  }
  const { algorithm, parameters } = info.algorithm
  must(algorithm === EC_PUBLIC_KEY && parameters != null && same(new Uint8Array(parameters), SM2_CURVE), 'not an SM2 key')
  const point = hex(new Uint8Array(info.subjectPublicKey))
  must(/^04[0-9a-f]{128}$/.test(point), 'the key is not an uncompressed point')
  try {
    must(sm2.verifyPublicKey(point), 'the key is not on the curve')
  } catch {
    throw new Failed('the key is not on the curve')
  }
  return point
}

