/** RFC 3161 responses under pinned certificates; the token is a CMS SignedData (RFC 5652) with RFC 5816 attributes. */

import { ContentInfo, type SignerInfo, SignedData } from '@peculiar/asn1-cms'
import { AsnConvert } from '@peculiar/asn1-schema'
import { PKIStatus, TSTInfo, TimeStampResp, id_ct_tstInfo } from '@peculiar/asn1-tsp'
import { type BaseBlock, ObjectIdentifier, OctetString } from 'asn1js'
import type { PinnedAuthority } from './authority.ts'
import { type Bytes, hex, same } from './bytes.ts'
import { inside, octets, readDer } from './der.ts'
import { Failed, must } from './failed.ts'
import { verifyEcdsa, verifyRsa, verifySm2 } from './suites.ts'

const SIGNED_DATA = '1.2.840.113549.1.7.2'
const CONTENT_TYPE = '1.2.840.113549.1.9.3'
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4'
const SIGNING_CERTIFICATE_V2 = '1.2.840.113549.1.9.16.2.47'
const HASHES: Readonly<Record<string, string>> = {
  '2.16.840.1.101.3.4.2.1': 'SHA-256',
  '2.16.840.1.101.3.4.2.2': 'SHA-384',
  '2.16.840.1.101.3.4.2.3': 'SHA-512',
}
const RSA: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.11': 'SHA-256',
  '1.2.840.113549.1.1.12': 'SHA-384',
  '1.2.840.113549.1.1.13': 'SHA-512',
}
const RSA_ENCRYPTION = '1.2.840.113549.1.1.1'
const ECDSA: Readonly<Record<string, string>> = {
  '1.2.840.10045.4.3.2': 'SHA-256',
  '1.2.840.10045.4.3.3': 'SHA-384',
  '1.2.840.10045.4.3.4': 'SHA-512',
}
// OBJECT IDENTIFIER 1.3.132.0.34 (secp384r1) in DER, within the key's algorithm.
const P384 = '06052b81040022'
const SM2_WITH_SM3 = '1.2.156.10197.1.501'

/** A stamp that holds. */
export interface Stamp {
  authority: PinnedAuthority
  /** Milliseconds since 1970. */
  time: number
  /** What was stamped: the object identifier of a digest, and the digest. */
  imprint: { algorithm: string; digest: Bytes }
}

/** Check one response. message: what must be stamped. Throws Failed with the reason. */
export async function checkResponse(response: Bytes, message: Bytes, pinned: PinnedAuthority[]): Promise<Stamp> {
  const { status, timeStampToken: token } = as(response, TimeStampResp)
  must(status.status === PKIStatus.granted || status.status === PKIStatus.grantedWithMods, 'the authority refused')
  const [, found] = inside(readDer(response))
  must(token !== undefined && found !== undefined, 'response without a token')
  const stamp = await checkToken(octets(found), pinned)
  const hash = HASHES[stamp.imprint.algorithm]
  must(hash !== undefined, 'the imprint is of an unknown or weak algorithm')
  const digest = new Uint8Array(await crypto.subtle.digest(hash, message))
  must(same(stamp.imprint.digest, digest), 'stamps another message')
  return stamp
}

/** Check a token (ContentInfo) of one of the pinned authorities, whatever it stamps. Throws Failed with the reason. */
export async function checkToken(token: Bytes, pinned: PinnedAuthority[]): Promise<Stamp> {
  const { signer, content, signerId, signedAttributes, embedded } = takeApart(token)
  const authority = pinned.find((one) => same(one.signerId, signerId))
  if (authority === undefined) throw new Failed('the signer is none of the pinned authorities')
  checkEmbedded(embedded, authority)
  must(authority.onlyStamps, 'the pinned certificate is not critically for time stamping alone')
  const info = as(content, TSTInfo)
  must(Number(info.version) === 1, 'token of another version')
  must(authority.policies.includes(info.policy), `policy ${info.policy} is not one pinned`)
  const { hashAlgorithm, hashedMessage } = info.messageImprint
  const imprint = { algorithm: hashAlgorithm.algorithm, digest: new Uint8Array(hashedMessage.buffer) }
  const time = info.genTime.getTime()
  must(authority.notBefore <= time && time <= authority.notAfter, 'stamped outside the validity of the certificate')
  await checkAttributes(signer, content, authority)
  must(await signatureHolds(signer, signedAttributes, authority.spki), 'the signature of the token does not verify')
  return { authority, time, imprint }
}

interface Token {
  signer: SignerInfo
  /** Its IssuerAndSerialNumber. */
  signerId: Bytes
  content: Bytes
  /** The signed attributes as they were signed. */
  signedAttributes: Bytes
  /** Certificates that came with the token. */
  embedded: Bytes[]
}

function takeApart(bytes: Bytes): Token {
  const tree = readDer(bytes)
  const token = as(bytes, ContentInfo)
  must(token.contentType === SIGNED_DATA, 'the token is not signed data')
  const data = as(new Uint8Array(token.content), SignedData)
  const content = data.encapContentInfo.eContent?.single
  must(data.encapContentInfo.eContentType === id_ct_tstInfo && content !== undefined, 'token without TSTInfo')
  const [signer, ...others] = data.signerInfos
  must(signer !== undefined && others.length === 0, 'a token has exactly one signer')
  // RFC 5652 §5.1, §5.3: 3 for content that is no plain data, 1 for a signer named by issuer and serial number.
  must(Number(data.version) === 3 && Number(signer.version) === 1, 'versions of the token are not those of its form')
  // ContentInfo → [0] → SignedData → signerInfos → SignerInfo → signedAttrs [0].
  const signedData = inside(inside(tree)[1])[0]
  const parts = inside(inside(inside(signedData).at(-1))[0])
  const [signerId, digest, attributes] = [parts[1], parts[2], parts.find(isFirstContext)]
  const [listed, ...more] = inside(inside(signedData)[1])
  const alike = listed !== undefined && digest !== undefined && same(octets(listed), octets(digest))
  must(alike && more.length === 0, 'digest algorithms of token and signer differ')
  const certificates = inside(signedData).find(isFirstContext)
  must(signerId !== undefined && attributes !== undefined, 'no signed attributes')
  return {
    signer,
    signerId: octets(signerId),
    content: new Uint8Array(content.buffer),
    signedAttributes: setOf(octets(attributes)),
    embedded: certificates === undefined ? [] : inside(certificates).map(octets),
  }
}

function isFirstContext(part: BaseBlock): boolean {
  return part.idBlock.tagClass === 3 && part.idBlock.tagNumber === 0
}

/** Certificates in the token are never used; others than the pinned ones, or one twice, are refused. */
function checkEmbedded(embedded: Bytes[], authority: PinnedAuthority): void {
  const pinned = [authority.certificate, ...authority.chain].map(hex)
  const found = embedded.map(hex)
  must(new Set(found).size === found.length && found.every((one) => pinned.includes(one)), 'a certificate in the token is not pinned')
}

/** The attributes under the tag of SET OF instead of [0] (RFC 5652 §5.4). */
function setOf(attributes: Bytes): Bytes {
  const bytes = attributes.slice()
  bytes[0] = 0x31
  return bytes
}

function as<T>(bytes: Bytes, type: new () => T): T {
  readDer(bytes)
  try {
    return AsnConvert.parse(bytes, type)
  } catch {
    throw new Failed(`not a ${type.name}`)
  }
}

async function checkAttributes(signer: SignerInfo, content: Bytes, authority: PinnedAuthority): Promise<void> {
  const one = (oid: string, name: string): ReturnType<typeof readDer> => {
    const values = (signer.signedAttrs ?? []).filter((found) => found.attrType === oid).flatMap((found) => found.attrValues)
    const [value, ...more] = values
    must(value !== undefined && more.length === 0, `attribute ${name} is not there exactly once`)
    return readDer(new Uint8Array(value))
  }
  const type = one(CONTENT_TYPE, 'content-type')
  must(type instanceof ObjectIdentifier && type.getValue() === id_ct_tstInfo, 'the attributes are not of a TSTInfo')
  const hash = HASHES[signer.digestAlgorithm.algorithm]
  must(hash !== undefined, 'digest algorithm of the token is unknown or weak')
  const digest = one(MESSAGE_DIGEST, 'message-digest')
  const expected = new Uint8Array(await crypto.subtle.digest(hash, content))
  must(digest instanceof OctetString && same(new Uint8Array(digest.getValue()), expected), 'the message digest is of other content')
  await checkSigningCertificate(inside(inside(one(SIGNING_CERTIFICATE_V2, 'signing-certificate-v2'))[0])[0], authority)
}

/** The first ESSCertIDv2 names the signer's certificate (RFC 5816, RFC 5035 §4; SHA-256 unless it says otherwise). */
async function checkSigningCertificate(first: Parameters<typeof inside>[0], authority: PinnedAuthority): Promise<void> {
  const parts = inside(first)
  let hash: string | undefined = 'SHA-256'
  if (!(parts[0] instanceof OctetString)) {
    const algorithm = inside(parts.shift())[0]
    hash = algorithm instanceof ObjectIdentifier ? HASHES[algorithm.getValue()] : undefined
  }
  must(hash !== undefined, 'signing certificate digest of an unknown or weak algorithm')
  const expected = new Uint8Array(await crypto.subtle.digest(hash, authority.certificate))
  const [digest] = parts
  must(digest instanceof OctetString && same(new Uint8Array(digest.getValue()), expected), 'signed under another certificate than the pinned one')
}

async function signatureHolds(signer: SignerInfo, message: Bytes, spki: Bytes): Promise<boolean> {
  const algorithm = signer.signatureAlgorithm.algorithm
  const signature = new Uint8Array(signer.signature.buffer)
  const rsa = algorithm === RSA_ENCRYPTION ? HASHES[signer.digestAlgorithm.algorithm] : RSA[algorithm]
  if (rsa !== undefined) return verifyRsa(spki, rsa, message, signature)
  const ecdsa = ECDSA[algorithm]
  if (ecdsa !== undefined) return verifyEcdsa(spki, hex(spki).includes(P384) ? 'P-384' : 'P-256', ecdsa, message, signature)
  if (algorithm === SM2_WITH_SM3) return verifySm2(spki, message, signature)
  throw new Failed(`signature algorithm ${algorithm} is not one of those known here`)
}
