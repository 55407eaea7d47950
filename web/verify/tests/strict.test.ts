import { describe, expect, it } from 'vitest'
import { base64, unbase64, unhex, utf8 } from '../src/verifier/bytes.ts'
import { readDer } from '../src/verifier/der.ts'
import { digestOf } from '../src/verifier/digest.ts'
import { readCanonical, readStrict } from '../src/verifier/json.ts'
import { leafHash, treeRoot } from '../src/verifier/merkle.ts'
import { moment } from '../src/verifier/moment.ts'
import { grouped, readLink } from '../src/page/link.ts'
import { hex } from '../src/verifier/bytes.ts'

describe('JSON', () => {
  it.each(['{"a":1,"a":1}', '{"b":1,"a":2}', '{"a": 1}', '1.0', '-0', '1e2', '9007199254740993', '"\\ud800"', '\ufeff{}', '{"a":"\\u0041"}'])(
    'refuses %s as canonical', (text) => { expect(() => readCanonical(utf8(text))).toThrow() })
  it('takes what is canonical', () => { expect(readCanonical(utf8('{"__proto__":[1],"a":"é"}'))).toHaveProperty('a', 'é') })
  it.each(['{"a":1,"a":2}', '{"a":{"b":1,"b":2}}', '{"a":1.0}', '{"a":1,}'])('refuses %s anywhere', (text) => {
    expect(() => readStrict(utf8(text))).toThrow()
  })
  it('takes white space where it may stand', () => { expect(readStrict(utf8('{ "a": [1, 2] }\n'))).toEqual({ a: [1, 2] }) })
})

describe('one text form for one value', () => {
  it.each(['QQ', 'QR==', 'QQ= =', 'QQ==\n', 'Q-=='])('base64 %j', (text) => { expect(() => unbase64(text)).toThrow() })
  it('base64 there and back', () => { expect(base64(unbase64('QQ=='))).toBe('QQ==') })
  it.each(['2026-02-30T00:00:00Z', '2026-01-01T00:00:60Z', '2026-01-01T24:00:00Z', '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00.1234567Z'])(
    'time %s', (text) => { expect(() => moment(text)).toThrow() })
  it('keeps microseconds', () => { expect(moment('2026-11-21T08:00:00.000001Z') - moment('2026-11-21T08:00:00Z')).toBeCloseTo(0.001, 3) })
  it.each(['300502010', '3080020101000', '30810302010100', '240404020102', 'b003020101', '02010100'])('DER %s', (text) => {
    expect(() => readDer(unhex(text.length % 2 ? `${text}0` : text))).toThrow()
  })
})

describe('published values', () => {
  // GB/T 32905-2016, example 1.
  it('SM3 of "abc"', async () => {
    expect(hex(await digestOf('sm3', utf8('abc')))).toBe('66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0')
  })
  // The RFC 6962 tree of certificate-transparency's reference tests.
  it('RFC 6962 roots', async () => {
    const leaves = await Promise.all(['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map((one) => leafHash(unhex(one))))
    expect(hex(await treeRoot([]))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
    expect(hex(await treeRoot(leaves.slice(0, 1)))).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d')
    expect(hex(await treeRoot(leaves.slice(0, 3)))).toBe('aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77')
    expect(hex(await treeRoot(leaves))).toBe('5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328')
  })
})

describe('the link of a print', () => {
  const no = 'WJ-360121-2026-00000001'
  it('reads number and digest', () => {
    expect(readLink(new URL(`https://a/verify/#${no}.${'a'.repeat(64)}`))).toEqual({ number: no, digest: 'a'.repeat(64) })
    expect(readLink(new URL(`https://a/verify/?no=${no}`))).toEqual({ number: no, digest: null })
  })
  it.each(['https://a/verify/', 'https://a/verify/#<img>', 'https://a/verify/?no=WJ-1'])('sees nothing in %s', (text) => {
    expect(readLink(new URL(text))).toBeNull()
  })
  it('groups digits', () => { expect(grouped('0123456789')).toBe('01234567 89') })
})
