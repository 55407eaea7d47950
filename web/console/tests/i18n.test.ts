import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import en from '../src/i18n/en.json'
import zh from '../src/i18n/zh.json'
import schema from '../openapi.json'
import { VIOLATIONS } from '../src/clues/violations'
import { STEP_OPS } from '../src/captures/steps'

const SRC = join(import.meta.dirname, '../src')

function flat(node: object, above = ''): Map<string, string> {
  const found = new Map<string, string>()
  for (const [key, value] of Object.entries(node)) {
    const path = above ? `${above}.${key}` : key
    if (typeof value === 'string') found.set(path, value)
    else for (const [inner, text] of flat(value as object, path)) found.set(inner, text)
  }
  return found
}

const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.(vue|ts)$/.test(name) && !name.endsWith('schema.d.ts'))
  .map((name) => readFileSync(join(SRC, name), 'utf8'))
  .join('\n')
const [chinese, english] = [flat(zh), flat(en)]

/** Keys written out in the code: t('a.b'), and 'a.b' in tables of routes, navigation and faults. */
const written = new Set([...sources.matchAll(/'([a-z_]+(?:\.[A-Za-z0-9_]+)+)'/g)].map((hit) => hit[1]!).filter((key) => key.split('.')[0]! in zh))
/** Keys put together in the code: t(`a.b_${x}`) as their fixed beginnings. */
const stems = new Set([...sources.matchAll(/`([a-z_]+(?:\.[a-z_.]*)?)\$\{/g)].map((hit) => hit[1]!))

describe('texts', () => {
  it('has the same keys in Chinese and English', () => {
    expect([...chinese.keys()].sort()).toEqual([...english.keys()].sort())
  })

  it('has no empty text and the same placeholders in both languages', () => {
    const holes = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((hit) => hit[1]!).sort()
    for (const [key, text] of chinese) {
      expect(text.trim(), key).not.toBe('')
      expect(english.get(key)!.trim(), key).not.toBe('')
      expect(holes(english.get(key)!), key).toEqual(holes(text))
    }
  })

  it('has a text for every key written in the code', () => {
    expect(written.size).toBeGreaterThan(150)
    expect([...written].filter((key) => !chinese.has(key))).toEqual([])
  })

  it('has no text the code never asks for', () => {
    const used = (key: string): boolean => written.has(key) || sources.includes(`'${key}'`) || [...stems].some((stem) => key.startsWith(stem))
    expect([...chinese.keys()].filter((key) => !used(key))).toEqual([])
  })

  it('names every step, violation, outcome, state and role', () => {
    for (const op of STEP_OPS) expect(chinese.has(`steps.${op}`), op).toBe(true)
    for (const code of VIOLATIONS) expect(chinese.has(`violations.${code}`), code).toBe(true)
    const capture = schema.components.schemas.CaptureOut.properties
    for (const state of capture.state.enum) expect(chinese.has(`states.capture.${state}`), state).toBe(true)
  })
})
