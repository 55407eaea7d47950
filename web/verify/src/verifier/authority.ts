/** Time-stamping authorities as the trust file pins them (RFC 3161 §2.3, RFC 5280). */

import { IssuerAndSerialNumber } from '@peculiar/asn1-cms'
import { AsnConvert } from '@peculiar/asn1-schema'
import { Certificate, ExtendedKeyUsage, id_ce_extKeyUsage } from '@peculiar/asn1-x509'
import { type Bytes, same, unbase64 } from './bytes.ts'
import { Failed, must } from './failed.ts'
import { type Json, type Members, list, member, string } from './json.ts'

const TIME_STAMPING = '1.3.6.1.5.5.7.3.8'

/** One pinned authority. */
export interface PinnedAuthority {
  name: string
  operator: string
  development: boolean
  policies: string[]
  certificate: Bytes
  /** Certificates that may stand in a token beside its own; nothing rests on them. */
  chain: Bytes[]
  /** DER of the IssuerAndSerialNumber that names it (RFC 5652 §10.2.4). */
  signerId: Bytes
  spki: Bytes
  notBefore: number
  notAfter: number
  /** Whether the extended key usage is critical and says time stamping alone. */
  onlyStamps: boolean
}

/** Read an authority's entry. Throws Failed. */
export function readAuthority(value: Members): PinnedAuthority {
  const der = unbase64(member(value, 'certificate'))
  const { tbsCertificate: body } = parse(der)
  const usage = body.extensions?.filter((extension) => extension.extnID === id_ce_extKeyUsage) ?? []
  const operator = string(member(value, 'operator'), 'operator')
  return {
    name: string(member(value, 'name'), 'name'),
    operator,
    development: member(value, 'development') === true,
    policies: list(member(value, 'policy_oids'), 'policy_oids').map((oid) => string(oid, 'policy')),
    certificate: der,
    chain: list(member(value, 'chain'), 'chain').map(certificateOctets),
    signerId: new Uint8Array(
      AsnConvert.serialize(new IssuerAndSerialNumber({ issuer: body.issuer, serialNumber: body.serialNumber })),
    ),
    spki: new Uint8Array(AsnConvert.serialize(body.subjectPublicKeyInfo)),
    notBefore: body.validity.notBefore.getTime().getTime(),
    notAfter: body.validity.notAfter.getTime().getTime(),
    onlyStamps: usage.length === 1 && usage.every((one) => one.critical === true && stampsAlone(one.extnValue.buffer)),
  }
}

function certificateOctets(value: Json): Bytes {
  const der = unbase64(value)
  parse(der)
  return der
}

function parse(der: Bytes): Certificate {
  let certificate: Certificate
  try {
    certificate = AsnConvert.parse(der, Certificate)
  } catch {
    throw new Failed('the certificate of an authority is not readable')
  }
  must(same(new Uint8Array(AsnConvert.serialize(certificate)), der), 'the certificate of an authority is not DER')
  return certificate
}

function stampsAlone(value: ArrayBuffer): boolean {
  const purposes = [...AsnConvert.parse(value, ExtendedKeyUsage)]
  return purposes.length === 1 && purposes[0] === TIME_STAMPING
}
