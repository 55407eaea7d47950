/** Times are stored in UTC and shown in Beijing time, whatever the zone of the reader's computer. */

const BEIJING_OFFSET_MS = 8 * 3600 * 1000

function beijing(iso: string): string {
  return new Date(new Date(iso).getTime() + BEIJING_OFFSET_MS).toISOString()
}

/** `2026-11-21 19:09:28` in Beijing time from an RFC 3339 time; the text itself when it is none. */
export function dateTime(iso: string): string {
  if (Number.isNaN(Date.parse(iso))) return iso
  return beijing(iso).slice(0, 19).replace('T', ' ')
}

/** `19:09:28.512` in Beijing time. */
export function clockTime(iso: string): string {
  if (Number.isNaN(Date.parse(iso))) return iso
  return beijing(iso).slice(11, 23)
}

/** A span of milliseconds as people read it: `85 ms`, `1.9 s`, `2 min 5 s`. */
export function span(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** Bytes as people read them, in powers of 1024. */
export function bytes(count: number): string {
  if (count < 1024) return `${count} B`
  const units = ['KiB', 'MiB', 'GiB', 'TiB']
  let value = count
  let unit = -1
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`
}
