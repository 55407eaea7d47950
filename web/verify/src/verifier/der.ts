/** Distinguished encoding (X.690 §10.1, §10.2): every length definite and as short as can be, no string in pieces. */

import { type AsnType, type BaseBlock, Constructed, fromBER } from 'asn1js'
import type { Bytes } from './bytes.ts'
import { must } from './failed.ts'

const CONSTRUCTED = 0x20
const CLASS = 0xc0
const CONTEXT = 0x80
const NUMBER = 0x1f
const SEQUENCE = 0x30
const SET = 0x31

/** The value that these octets are, all of them. Throws Failed when they are not DER. */
export function readDer(bytes: Bytes): AsnType {
  must(checkValue(bytes, 0) === bytes.length, 'more than one DER value')
  const { offset, result } = fromBER(bytes)
  must(offset === bytes.length, 'not DER')
  return result
}

/** The values inside a constructed one. Throws Failed. */
export function inside(value: BaseBlock | undefined): BaseBlock[] {
  must(value instanceof Constructed, 'a constructed DER value was expected')
  return value.valueBlock.value as BaseBlock[]
}

/** The complete octets of a value that `readDer` gave. */
export function octets(value: BaseBlock): Bytes {
  return new Uint8Array(value.valueBeforeDecodeView)
}

/** Where the value that begins at `at` ends. */
function checkValue(bytes: Bytes, at: number): number {
  const tag = byte(bytes, at)
  must((tag & NUMBER) !== NUMBER, 'a tag of more than one octet')
  // What X.509 and CMS use: universal tags, and context tags that count the parts of a type.
  const context = (tag & CLASS) === CONTEXT && (tag & NUMBER) < 16
  must((tag & CLASS) === 0 || context, 'a tag that neither X.509 nor CMS uses')
  const first = byte(bytes, at + 1)
  must(first !== 0x80, 'a length that is not definite')
  let [start, length] = [at + 2, first]
  if (first > 0x80) {
    length = 0
    for (const end = start + (first & 0x7f); start < end; start += 1) length = length * 256 + byte(bytes, start)
    must(first <= 0x84 && length >= 0x80 && byte(bytes, at + 2) !== 0, 'a length in more octets than needed')
  }
  const end = start + length
  must(end <= bytes.length, 'a DER value ends too early')
  if ((tag & CONSTRUCTED) === 0) {
    must(tag !== (SEQUENCE & ~CONSTRUCTED) && tag !== (SET & ~CONSTRUCTED), 'a sequence that is not constructed')
    return end
  }
  must((tag & CLASS) !== 0 || tag === SEQUENCE || tag === SET, 'a DER string in pieces')
  let next = start
  while (next < end) next = checkValue(bytes, next)
  must(next === end, 'a DER value reaches beyond the one around it')
  return end
}

function byte(bytes: Bytes, at: number): number {
  const value = bytes[at]
  must(value !== undefined, 'a DER value ends too early')
  return value
}
