/** Octets and their text forms. Every reader here is strict: one text form for one value (RFC 4648 §3.5, §4). */

import { Failed } from './failed.ts'

export type Bytes = Uint8Array<ArrayBuffer>

const encoder = new TextEncoder()
const OCTETS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** The UTF-8 octets of a text. */
export function utf8(text: string): Bytes {
  return encoder.encode(text)
}

/** The text of UTF-8 octets; a byte order mark stays in it. Throws Failed when they are not UTF-8. */
export function text(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new Failed('not UTF-8')
  }
}

/** Lowercase hex. */
export function hex(bytes: Uint8Array): string {
  let out = ''
  for (const byte of bytes) out += OCTETS[byte]
  return out
}

/** The octets of lowercase hex. Throws Failed. */
export function unhex(value: string): Bytes {
  if (!/^(?:[0-9a-f]{2})*$/.test(value)) throw new Failed('not lowercase hex')
  return Uint8Array.from(value.match(/../g) ?? [], (pair) => parseInt(pair, 16))
}

/** Standard base64 with padding. */
export function base64(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}

/** The octets of standard base64 with padding, only in its one canonical form. Throws Failed. */
export function unbase64(value: unknown): Bytes {
  if (typeof value !== 'string') throw new Failed('base64 text expected')
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value)) {
    throw new Failed('not base64')
  }
  const binary = atob(value)
  if (btoa(binary) !== value) throw new Failed('base64 not in its canonical form')
  const bytes = new Uint8Array(binary.length)
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = binary.charCodeAt(at)
  return bytes
}

/** Whether two octet strings are the same. Nothing here is secret, so time does not matter. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}

/** Octet strings one after the other. */
export function concat(...parts: Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Order of two texts by their UTF-8 octets: negative, zero or positive. */
export function byteOrder(a: string, b: string): number {
  const left = utf8(a)
  const right = utf8(b)
  const shorter = Math.min(left.length, right.length)
  for (let at = 0; at < shorter; at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0)
    if (difference !== 0) return difference
  }
  return left.length - right.length
}
