import { describe, expect, it, vi } from 'vitest'
import { EventParser } from '../src/api/events'
import { ApiProblem, problemOf, problemText } from '../src/api/problem'
import { addressFault, tidyAddress } from '../src/captures/address'
import { noteOf } from '../src/captures/note'
import { hasEnded, mergeStep, shownSteps } from '../src/captures/steps'
import { pictureOf, textOf } from '../src/evidence/artefacts'
import { checksOf, notChecked } from '../src/evidence/report'
import { columnsOf, counted, inline, isEmpty, kindOf, tidyRecord } from '../src/evidence/loose'
import { chainRows, hoursAndMinutes, signersOf } from '../src/evidence/custody'
import { copiesOf, operatorsIn, urgencyOf, waitedSeconds } from '../src/evidence/stage'
import { zoomStep } from '../src/evidence/zoom'
import { visibleNavigation } from '../src/frame/navigation'
import { dueTone } from '../src/patterns/due'
import { matching } from '../src/patterns/options'
import { groupOrganisations } from '../src/patterns/orgtree'
import { bytes, clockTime, dateTime, span } from '../src/patterns/time'
import { kindsIn, passwordFaults } from '../src/session/password'
import type { Artefact, Custody, Evidence, Step } from '../src/api/types'

const step = (seq: number, op: string, state: Step['state']): Step => ({ seq, op, state, zh: op, en: op, at: '2026-11-21T00:00:00Z', ms: null, detail: {} })

describe('addresses', () => {
  it.each([
    ['  https://a.cn/x ', 'https://a.cn/x'],
    ['【某宝】https://m.tb.cn/h.x1?tk=9 点击链接', 'https://m.tb.cn/h.x1?tk=9'],
    ['看看 http://a.cn/1，很便宜', 'http://a.cn/1'],
    ['shop.example.cn/item/1', 'https://shop.example.cn/item/1'],
    ['file:///etc/passwd', 'file:///etc/passwd'],
    ['javascript:alert(1)', 'javascript:alert(1)'],
    ['随便写', '随便写'],
  ])('tidies %s', (pasted, tidied) => expect(tidyAddress(pasted)).toBe(tidied))

  it.each([
    ['', 'captures.fault_empty'], ['abc', 'captures.fault_form'], ['file:///etc/passwd', 'captures.fault_scheme'], ['ftp://a.cn', 'captures.fault_scheme'],
    ['javascript:alert(1)', 'captures.fault_scheme'], ['http://u:p@a.cn/', 'captures.fault_password'], [`http://a.cn/${'x'.repeat(3000)}`, 'captures.fault_long'],
    ['https://a.cn/中文?q=1', null], ['http://127.0.0.1:8081/', null],
  ])('judges %s', (address, fault) => expect(addressFault(address)).toBe(fault))
})

describe('server-sent events', () => {
  const stream = ': hi\n\nid: 1\nevent: step\ndata: {"a":1}\n\nid: 2\r\nevent: done\r\ndata: x\r\ndata: y\r\n\r\ndata: last\r\rdata: never finished'
  const whole = [{ id: '1', event: 'step', data: '{"a":1}' }, { id: '2', event: 'done', data: 'x\ny' }, { id: '2', event: 'message', data: 'last' }]

  it('parses a stream in one piece', () => expect(new EventParser().push(stream)).toEqual(whole))

  it('gives the same events wherever the stream is cut', () => {
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const parser = new EventParser()
      expect([...parser.push(stream.slice(0, cut)), ...parser.push(stream.slice(cut))], `cut at ${cut}`).toEqual(whole)
    }
    const slow = new EventParser()
    expect([...stream].flatMap((letter) => slow.push(letter))).toEqual(whole)
  })
})

describe('steps of a capture', () => {
  it('replaces a step by its later state and keeps the order', () => {
    const steps = [step(2, 'load', 'running'), step(1, 'order_logged', 'done'), step(2, 'load', 'done')].reduce(mergeStep, [] as Step[])
    expect(steps.map((one) => [one.seq, one.state])).toEqual([[1, 'done'], [2, 'done']])
  })

  it('shows what is still to come, and what was left out once it ended', () => {
    const some = [step(1, 'order_logged', 'done'), step(2, 'load', 'failed')]
    expect(shownSteps(some, false).find((row) => row.op === 'sealed')!.state).toBe('waiting')
    expect(shownSteps(some, true).find((row) => row.op === 'sealed')!.state).toBe('left_out')
    expect(shownSteps(some, true).find((row) => row.op === 'load')!.state).toBe('failed')
    expect(shownSteps([step(9, 'video', 'done')], true).at(-1)!.op).toBe('video')
  })

  it('takes the newest attempt of a repeated step', () => {
    expect(shownSteps([step(1, 'load', 'failed'), step(5, 'load', 'done')], true).find((row) => row.op === 'load')!.step!.seq).toBe(5)
  })

  it('knows the end', () => {
    expect(['queued', 'running', 'sealed', 'failed', 'cancelled'].map((state) => hasEnded({ state: state as 'queued' }))).toEqual([false, false, true, true, true])
  })
})

describe('notes of steps', () => {
  it.each([
    ['order_logged', { log_index: 0 }, 'steps.note_index'], ['clean_check', { checks: [{ ok: true }, {}] }, 'steps.note_unclean'],
    ['clean_check', { checks: [{ ok: true }] }, 'steps.note_clean'], ['stamped', { stamps: [{ authority: 'x' }] }, 'steps.note_text'],
    ['load', { status: 404 }, 'steps.note_http'], ['sealed', { evidence_no: 'WJ' }, 'steps.note_text'],
  ])('%s says what it found', (op, detail, key) => expect(noteOf({ ...step(1, op, 'done'), detail })!.key).toBe(key))

  it.each(['load', 'clean_check', 'stamped', 'custodian', 'sealed', 'something_new'])('%s says nothing without a finding', (op) => {
    expect(noteOf(step(1, op, 'done'))).toBeNull()
    expect(noteOf({ ...step(1, op, 'done'), detail: { status: '200', checks: 3, stamps: 'x', custodian: 1 } })).toBeNull()
  })
})

describe('facts of unknown shape', () => {
  it('lays out tables and names on two levels, the rest on one line', () => {
    expect([kindOf([{ a: 1 }], 0), kindOf([{ a: 1 }], 1), kindOf({ a: 1 }, 1), kindOf({ a: 1 }, 2), kindOf({ zh: '甲', en: 'A' }, 0), kindOf(false, 0), kindOf({ a: [] }, 0)])
      .toEqual(['records', 'list', 'record', 'text', 'text', 'text', 'none'])
  })
  it('keeps what is there', () => {
    expect(isEmpty(0) || isEmpty(false)).toBe(false)
    expect(columnsOf([{ a: 1, b: null }, { c: '' , d: 2 }])).toEqual(['a', 'd'])
    expect(columnsOf([{ answers: 1, error: 2, host: 3 }])).toEqual(['host', 'answers', 'error'])
    expect(inline({ a: [1, { b: 'x' }], c: null }, (key) => key.toUpperCase())).toBe('A: 1, B: x')
    expect(tidyRecord({ zh: '甲', en: 'A', n: 1 })).toEqual({ n: 1, words: { zh: '甲', en: 'A' } })
    expect(counted([{ a: 1 }, { a: 2 }, { a: 1 }])).toEqual([{ a: 1, times: 2 }, { a: 2 }])
  })
})

describe('problems', () => {
  const body = { title: '不行', title_en: 'No', detail: '不行', detail_en: 'Because', todo: '重试', status: 409, code: 'a.b' }
  it('speaks the reader\'s language and never stays silent', () => {
    expect(problemText(body, 'zh-CN')).toEqual({ title: '不行', detail: '', todo: '重试' })
    expect(problemText(body, 'en')).toEqual({ title: 'No', detail: 'Because', todo: '重试' })
  })

  it('keeps code and request id of the platform\'s problem', async () => {
    const problem = await problemOf(new Response(JSON.stringify(body), { status: 409, headers: { 'Content-Type': 'application/problem+json', 'X-Request-ID': 'r1' } }))
    expect([problem.code, problem.status, problem.body.request_id]).toEqual(['a.b', 409, 'r1'])
  })

  it.each([['text/html', '<h1>502</h1>'], ['application/json', '{"detail":"x"}']])('makes one of a foreign answer (%s)', async (type, text) => {
    const problem = await problemOf(new Response(text, { status: 502, headers: { 'Content-Type': type } }))
    expect(problem).toBeInstanceOf(ApiProblem)
    expect(problem.code).toBe('client.http_502')
  })
})

describe('verification reports', () => {
  it('never shows a check as passed unless it says so', () => {
    const checks = [{ code: 'a', ok: true }, { code: 'b', ok: false }, { code: 'c' }, { code: 'd', status: 'strange' }]
    expect(checksOf({ verdict: 'VALID', checks }).map((check) => check.status)).toEqual(['passed', 'failed', 'failed', 'failed'])
  })
  it('lists what was not checked', () => expect(notChecked({ verdict: 'VALID', checks: [], not_checked: [{ code: 'x', zh: '甲', en: 'A' }] })[0]!.zh).toBe('甲'))
})

describe('small things', () => {
  it('shows Beijing time whatever the zone of the computer', () => {
    vi.stubEnv('TZ', 'America/New_York')
    expect(dateTime('2026-11-21T16:00:01.5Z')).toBe('2026-11-22 00:00:01')
    expect(clockTime('2026-11-21T16:00:01.512Z')).toBe('00:00:01.512')
    expect(dateTime('soon')).toBe('soon')
    vi.unstubAllEnvs()
  })
  it('shows spans and sizes', () => {
    expect([span(85), span(1900), span(125_000)]).toEqual(['85 ms', '1.9 s', '2 min 5 s'])
    expect([bytes(0), bytes(1023), bytes(1024), bytes(4_412_331), bytes(2 ** 31)]).toEqual(['0 B', '1023 B', '1.0 KiB', '4.2 MiB', '2.0 GiB'])
  })
  it('steps the zoom and stays within its ends', () => {
    expect([zoomStep(1, 1), zoomStep(1, -1), zoomStep(0.52, 1), zoomStep(4, 1), zoomStep(0.05, -1)]).toEqual([1.25, 0.8, 0.67, 4, 0.05])
  })
  it('lights limits by working days', () => {
    expect([dueTone(4, false), dueTone(3, false), dueTone(1, false), dueTone(9, true)]).toEqual(['ok', 'warn', 'bad', 'bad'])
  })
  it('finds the page\'s picture and text', () => {
    const one = (path: string, role: string, media_type: string, size: number): Artefact => ({ path, role, media_type, bytes: size, sha256: '', sm3: '' })
    const all = [one('evidence/page-02.png', 'tile', 'image/png', 9), one('evidence/page.png', 'screenshot', 'image/png', 5), one('evidence/text.txt', 'text', 'text/plain', 1)]
    expect(pictureOf(all)!.path).toBe('evidence/page.png')
    expect(textOf(all)!.path).toBe('evidence/text.txt')
    expect(pictureOf([])).toBeNull()
  })
  it('groups authorities under their city', () => {
    const groups = groupOrganisations([['360702-SJ', '章贡'], ['360000-SJ', '省'], ['360700-SJ', '赣州'], ['360121-SJ', '南昌县']].map(([code, name]) => ({ code: code!, name: name! })))
    expect(groups.map((group) => [group.code, group.members.length])).toEqual([['360000', 1], ['360100', 1], ['360700', 2]])
  })
  it('finds options by every typed word', () => {
    const groups = [{ label: '赣州', options: [{ value: '1', label: '章贡区', note: '360702-SJ' }, { value: '2', label: '南康区' }] }]
    expect(matching(groups, '赣州 3607')[0]!.options).toHaveLength(1)
    expect(matching(groups, '没有')).toEqual([])
    expect(matching(groups, ' ')).toBe(groups)
  })
  it('shows only what one may open', () => {
    expect(visibleNavigation((...needed) => needed.length === 0 || needed.includes('audit:read')).flatMap((group) => group.entries.map((entry) => entry.route))).toEqual(['workbench', 'audit'])
  })
  it('judges passwords before the platform does', () => {
    expect(kindsIn('aA1!')).toBe(4)
    expect(passwordFaults({ current: '', next: 'short', again: 'x' })).toEqual({ current: 'session.fault_current', next: 'session.fault_short', again: 'session.fault_again' })
    expect(passwordFaults({ current: 'a', next: 'aaaaaaaaaaaa', again: 'aaaaaaaaaaaa' })).toEqual({ next: 'session.fault_kinds' })
    expect(passwordFaults({ current: 'a', next: 'Correct-9-horse', again: 'Correct-9-horse' })).toEqual({})
  })
})

describe('chains of custody', () => {
  const chain = (seqs: number[], expected: number): Custody =>
    ({ events: seqs.map((seq) => ({ seq })), chain: { expected } }) as unknown as Custody
  const shape = (custody: Custody): string[] => chainRows(custody).map((row) => (row.kind === 'gap' ? `gap ${row.from}-${row.to}` : String(row.event.seq)))

  it.each([
    [[1, 2, 3], 3, ['1', '2', '3']], [[1, 4, 5], 5, ['1', 'gap 2-3', '4', '5']], [[3], 4, ['gap 1-2', '3', 'gap 4-4']], [[], 2, ['gap 1-2']], [[], 0, []],
  ])('%j of %i', (seqs, expected, rows) => expect(shape(chain(seqs, expected))).toEqual(rows))

  it('reads who signed a checkpoint', () => {
    const proof = 'c2sp.org/tlog-proof@v1\nindex 3\nAAAA\n\nlog.test\n5\nroot=\n\n— log.test AA==\n— witness.a BB==\n— witness.a CC==\n— witness.b DD==\n'
    expect(signersOf(proof)).toEqual({ log: 'log.test', witnesses: ['witness.a', 'witness.b'] })
    expect(signersOf('')).toEqual({ log: '', witnesses: [] })
  })

  it.each([[0, 0, 0], [59, 0, 0], [3599, 0, 59], [3600, 1, 0], [-5, 0, 0], [90_061, 25, 1]])('%i s', (seconds, hours, minutes) =>
    expect(hoursAndMinutes(seconds)).toEqual({ hours, minutes }))
})

describe('states of sealing', () => {
  const rule = { stamp_warn_seconds: 10_080, stamp_limit_seconds: 14_400 }
  it.each([[0, 'ok'], [10_079, 'ok'], [10_080, 'warn'], [14_399, 'warn'], [14_400, 'late']])('%i s is %s', (waited, urgency) => expect(urgencyOf(waited, rule)).toBe(urgency))

  it('counts waiting from the signature and never below nothing', () => {
    const at = Date.parse('2026-11-21T10:00:00Z')
    expect(waitedSeconds('2026-11-21T09:59:00Z', at)).toBe(60)
    expect([waitedSeconds('2026-11-21T11:00:00Z', at), waitedSeconds('not a time', at)]).toEqual([0, 0])
  })

  it('names every custodian that is asked for, and one that was', () => {
    const seals = { custodians: [{ custodian: 'b' }, { custodian: 'old' }], required: { custodian_names: ['a', 'b'] } } as unknown as Evidence['seals']
    expect(copiesOf(seals).map((one) => [one.name, one.receipt !== null])).toEqual([['a', false], ['b', true], ['old', true]])
    expect(operatorsIn([{ operator: 'x' }, { operator: 'x' }, { operator: 'y' }])).toBe(2)
  })
})
