/** Reading JSON without ambiguity (RFC 8259, RFC 8785). */

import canonicalize from 'canonicalize'
import { visit } from 'jsonc-parser'
import { type Bytes, same, text, utf8 } from './bytes.ts'
import { Failed, must } from './failed.ts'

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type Members = { [key: string]: Json }

const DEEPEST = 64

/** The RFC 8785 octets of a value. Throws Failed for what has none (lone surrogates). */
export function canonical(value: Json): Bytes {
  try {
    return utf8(canonicalize(value) ?? '')
  } catch (error) {
    throw new Failed(`no canonical form: ${String(error)}`)
  }
}

/**
 * The value of JSON octets that are exactly the RFC 8785 form of it. A repeated name, a number beyond the
 * exact range, another order or any white space gives other octets, so one comparison finds them all.
 */
export function readCanonical(bytes: Uint8Array): Json {
  const value = parsed(text(bytes))
  must(same(canonical(value), bytes), 'JSON is not in canonical form (RFC 8785)')
  return value
}

/** The value of any JSON octets in which no object has a name twice and numbers are spelled as RFC 8785 does. Throws Failed. */
export function readStrict(bytes: Uint8Array): Json {
  const source = text(bytes)
  const value = parsed(source)
  refuseAmbiguity(source)
  canonical(value)
  return value
}

function parsed(source: string): Json {
  let value: Json
  try {
    value = JSON.parse(source) as Json
  } catch {
    throw new Failed('not JSON')
  }
  refuseUnfit(value, 0)
  return value
}

function refuseUnfit(value: Json, depth: number): void {
  must(depth <= DEEPEST, `JSON nested deeper than ${String(DEEPEST)}`)
  // RFC 8785 writes whole numbers without an exponent below 1e21; a double holds them exactly up to 2^53 - 1.
  must(typeof value !== 'number' || !Number.isInteger(value) || Number.isSafeInteger(value) || Math.abs(value) >= 1e21,
    'whole number beyond 2^53 - 1')
  if (value === null || typeof value !== 'object') return
  for (const inner of Array.isArray(value) ? value : Object.values(value)) refuseUnfit(inner, depth + 1)
}

function refuseAmbiguity(source: string): void {
  const open: Set<string>[] = []
  visit(source, {
    onObjectBegin: () => { open.push(new Set()) },
    onObjectEnd: () => { open.pop() },
    onLiteralValue: (value: unknown, offset, length) => {
      const spelled = source.slice(offset, offset + length)
      must(typeof value !== 'number' || JSON.stringify(value) === spelled, `number ${spelled} is not in its one form`)
    },
    onObjectProperty: (name) => {
      const names = open.at(-1)
      must(names !== undefined && !names.has(name), `name "${name}" stands twice in one object`)
      names.add(name)
    },
  })
}

/** The value as an object. Throws Failed. */
export function members(value: Json | undefined, what: string): Members {
  must(value !== null && typeof value === 'object' && !Array.isArray(value), `${what} is not an object`)
  return value as Members
}

/** The value as an array. Throws Failed. */
export function list(value: Json | undefined, what: string): Json[] {
  must(Array.isArray(value), `${what} is not a list`)
  return value
}

/** The value as a text. Throws Failed. */
export function string(value: Json | undefined, what: string): string {
  must(typeof value === 'string', `${what} is not a text`)
  return value
}

/** The value as a whole number of at least `least`. Throws Failed. */
export function whole(value: Json | undefined, what: string, least = 0): number {
  must(typeof value === 'number' && Number.isSafeInteger(value) && value >= least, `${what} is not a whole number`)
  return value
}

/** One member of an object, never an inherited one. */
export function member(object: Members, name: string): Json | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

/** Throws Failed unless an object has exactly these names. */
export function exactly(object: Members, names: readonly string[], what: string): void {
  const given = Object.keys(object).sort().join(' ')
  must(given === [...names].sort().join(' '), `${what} has other members than ${names.join(', ')}`)
}
