import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { follow } from '../src/api/events'
import { call, connectSession, post, urlOf, type SessionHooks } from '../src/api/http'
import { ApiProblem } from '../src/api/problem'

const problem = (status: number, code: string): Response =>
  new Response(JSON.stringify({ title: '不行', status, code }), { status, headers: { 'Content-Type': 'application/problem+json' } })
const answer = (body: unknown): Response => new Response(JSON.stringify(body), { headers: { 'Content-Type': 'application/json' } })

let asked: { url: string; method: string; headers: Record<string, string>; body: unknown }[]
let hooks: SessionHooks
let token = 'old'

/** Answers requests in turn; what was asked is kept. */
function platform(...answers: (Response | Error)[]): void {
  asked = []
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    asked.push({ url, method: init.method!, headers: init.headers as Record<string, string>, body: init.body })
    const next = answers.shift()
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next)
  })
}

beforeEach(() => {
  token = 'old'
  hooks = {
    csrfToken: () => token, locale: () => 'zh-CN', seen: vi.fn(), signInAgain: vi.fn(() => Promise.resolve(true)),
    refresh: vi.fn(() => { token = 'new'; return Promise.resolve() }),
  }
  connectSession(hooks)
})
afterEach(() => vi.unstubAllGlobals())

describe('requests', () => {
  it('leave out what is empty and carry language and token', async () => {
    expect(urlOf('/captures', { q: '', state: 'sealed', cursor: null, limit: 5 })).toBe('/api/captures?state=sealed&limit=5')
    platform(answer({ id: '1' }))
    await post('/clues', { title: '甲' })
    expect(asked[0]!.headers).toMatchObject({ 'X-CSRF-Token': 'old', 'Accept-Language': 'zh-CN', 'Content-Type': 'application/json' })
    expect(hooks.seen).toHaveBeenCalledOnce()
  })

  it('are repeated with the same body after signing in again', async () => {
    platform(problem(401, 'session.ended'), answer({ id: '1' }))
    expect(await post('/clues', { title: '甲' })).toEqual({ id: '1' })
    expect(asked.map((one) => one.body)).toEqual(['{"title":"甲"}', '{"title":"甲"}'])
  })

  it('are given up when the person does not sign in again', async () => {
    hooks.signInAgain = () => Promise.resolve(false)
    platform(problem(401, 'session.ended'))
    await expect(post('/clues', {})).rejects.toMatchObject({ code: 'session.ended' })
    expect(asked).toHaveLength(1)
  })

  it('renew an outdated token once, and only for that refusal', async () => {
    platform(problem(403, 'session.csrf'), answer({}))
    await post('/clues', {})
    expect(asked.map((one) => one.headers['X-CSRF-Token'])).toEqual(['old', 'new'])
    platform(problem(403, 'identity.forbidden'))
    await expect(post('/clues', {})).rejects.toBeInstanceOf(ApiProblem)
    platform(problem(403, 'session.csrf'), problem(403, 'session.csrf'))
    await expect(post('/clues', {})).rejects.toMatchObject({ status: 403 })
  })

  it('that the page makes by itself do not keep the session alive', async () => {
    platform(answer({}))
    await call('GET', '/system', { background: true })
    expect(asked[0]!.headers['X-Background']).toBe('1')
    expect(hooks.seen).not.toHaveBeenCalled()
  })

  it('that never arrive say so', async () => {
    platform(new TypeError('failed'))
    await expect(call('GET', '/clues')).rejects.toMatchObject({ code: 'client.unreachable' })
  })
})

describe('a followed stream', () => {
  const stream = (text: string): Response => new Response(text, { headers: { 'Content-Type': 'text/event-stream' } })

  it('goes on after a break from the last event it saw, and ends with the last event', async () => {
    platform(stream('id: 1\nevent: step\ndata: a\n\nid: 2\nevent: step\ndata: b\n\nid: 3\nevent: st'), new TypeError('cut'), stream('id: 3\nevent: done\ndata: c\n\nid: 4\ndata: never\n\n'))
    const seen: string[] = []
    const broken: number[] = []
    await follow({
      path: '/captures/1/events', signal: new AbortController().signal, onBroken: (ms) => broken.push(ms),
      onEvent: (event) => { seen.push(event.data); return event.event === 'done' },
    })
    expect(seen).toEqual(['a', 'b', 'c'])
    expect(asked.map((one) => one.headers['Last-Event-ID'])).toEqual([undefined, '2', '2'])
    expect(broken).toHaveLength(2)
  }, 10_000)

  it('is not tried again when it is refused', async () => {
    platform(problem(404, 'capture.not_found'))
    await expect(follow({ path: '/captures/1/events', signal: new AbortController().signal, onEvent: () => false })).rejects.toMatchObject({ status: 404 })
    expect(asked).toHaveLength(1)
  })

  it('ends quietly when the page is left', async () => {
    const stop = new AbortController()
    platform(stream('id: 1\ndata: a\n\n'))
    await follow({ path: '/captures/1/events', signal: stop.signal, onEvent: () => { stop.abort(); return false } })
    expect(asked).toHaveLength(1)
  })
})
