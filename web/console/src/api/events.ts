/** Server-sent events over fetch: resumes after the last id, and a refused stream tells why. */
import { send } from './http'
import { ApiProblem } from './problem'
import type { ApiPath } from './types'

export interface ServerEvent {
  id: string
  event: string
  data: string
}

/**
 * Incremental parser of `text/event-stream` (HTML Living Standard, 9.2.6): give it pieces of text
 * as they arrive, get the events they complete. Comments (heartbeats) give nothing.
 */
export class EventParser {
  private buffer = ''
  private id = ''
  private event = ''
  private data: string[] = []

  push(text: string): ServerEvent[] {
    this.buffer += text
    const events: ServerEvent[] = []
    // A CR at the very end may be half of a CRLF: it waits for the next piece.
    const lines = this.buffer.split(/\r\n|\n|\r(?!$)/)
    this.buffer = lines.pop() ?? ''
    for (const line of lines) {
      const done = this.line(line)
      if (done) events.push(done)
    }
    return events
  }

  private line(line: string): ServerEvent | null {
    if (line === '') return this.dispatch()
    const colon = line.indexOf(':')
    if (colon === 0) return null
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'id' && !value.includes('\0')) this.id = value
    if (field === 'event') this.event = value
    if (field === 'data') this.data.push(value)
    return null
  }

  private dispatch(): ServerEvent | null {
    const event = this.data.length ? { id: this.id, event: this.event || 'message', data: this.data.join('\n') } : null
    this.event = ''
    this.data = []
    return event
  }
}

export interface FollowOptions {
  path: ApiPath
  signal: AbortSignal
  /** Return true to end the stream (the last event has come). */
  onEvent: (event: ServerEvent) => boolean
  /** The line broke; a new attempt follows after this many milliseconds. */
  onBroken?: (waitMs: number) => void
  onOpen?: () => void
}

const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 15000

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    }, { once: true })
  })
}

async function readUntilEnd(response: Response, options: FollowOptions, keep: (id: string) => void): Promise<boolean> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  const parser = new EventParser()
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return false
    for (const event of parser.push(value)) {
      keep(event.id)
      if (options.onEvent(event)) {
        await reader.cancel()
        return true
      }
    }
  }
}

/** A refusal that a new attempt cannot cure (not found, no permission), as against a broken line. */
function isFinal(error: unknown): boolean {
  return error instanceof ApiProblem && error.status >= 400 && error.status < 500 && error.status !== 429
}

/** Follow a stream until its last event or the signal; reconnects with Last-Event-ID. Throws ApiProblem when refused. */
export async function follow(options: FollowOptions): Promise<void> {
  let lastId = ''
  let wait = FIRST_WAIT_MS
  while (!options.signal.aborted) {
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream' }
      if (lastId) headers['Last-Event-ID'] = lastId
      const response = await send('GET', options.path, { headers, signal: options.signal, background: true })
      options.onOpen?.()
      wait = FIRST_WAIT_MS
      if (await readUntilEnd(response, options, (id) => { lastId = id || lastId })) return
    } catch (error) {
      if (options.signal.aborted) return
      if (isFinal(error)) throw error
    }
    if (options.signal.aborted) return
    options.onBroken?.(wait)
    await pause(wait, options.signal)
    wait = Math.min(wait * 2, LONGEST_WAIT_MS)
  }
}
