/** Times as RFC 3339 §5.6 writes them, in UTC alone. */

import { Failed, must } from './failed.ts'
import type { Json } from './json.ts'

const FORM = /^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?Z$/

/**
 * Milliseconds since 1970 of a time, with their fraction: a double holds microseconds until the year 2255.
 * Throws Failed for another form or a day that does not exist.
 */
export function moment(value: Json | undefined): number {
  must(typeof value === 'string', 'time is not a text')
  const [, year, month, day, hour, minute, second, fraction] = FORM.exec(value) ?? []
  if (year === undefined) throw new Failed(`not an RFC 3339 time: ${value}`)
  const plain = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second))
  const date = new Date(plain)
  const real = date.getUTCMonth() === Number(month) - 1 && date.getUTCDate() === Number(day) &&
    Number(hour) < 24 && Number(minute) < 60 && Number(second) < 60 && date.getUTCFullYear() === Number(year)
  must(real, `no such time: ${value}`)
  return plain + Number(`0.${fraction ?? '0'}`) * 1000
}

/** A time for people to read: RFC 3339 in UTC. */
export function written(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
