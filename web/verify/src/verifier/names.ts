/** The names files of a package may have, and what each is for. */

import { byteOrder } from './bytes.ts'
import { must } from './failed.ts'

export const ENVELOPE = 'evidence/manifest.dsse.json'
export const ENTRY = 'evidence/log.entry.json'
export const CONSISTENCY = 'evidence/log.consistency.json'
export const PROOF = 'evidence/log.tlog-proof'
export const REDACTION = 'evidence/redaction.json'
export const DATAPACKAGE = 'datapackage.json'
export const DIGEST = 'datapackage-digest.json'
export const ARCHIVE = ['archive/data.warc.gz', 'indexes/index.cdxj', 'pages/pages.jsonl'] as const

const SAFE = /^(?:archive|indexes|pages|evidence)\/[a-z0-9][a-z0-9._-]{0,99}$/
const RESERVED = /^evidence\/(?:manifest\.dsse\.json|redaction\.json|tst-.*|log\..*)$/s
const STAMP = /^evidence\/tst-(0|[1-9][0-9]?)\.tsr$/

/** Whether an artefact may have this path. */
export function isArtefactPath(path: string): boolean {
  return SAFE.test(path) && !path.includes('..') && !RESERVED.test(path)
}

/** Whether a name belongs to the proofs. */
export function isReserved(name: string): boolean {
  return RESERVED.test(name)
}

/** The path file of the batch that a response with that name is over. */
export function pathName(stamp: string): string {
  return stamp.replace(/\.tsr$/, '.path.json')
}

/** The names of the responses among all names, in order of their numbers. */
export function stampNames(names: readonly string[]): string[] {
  const number = (name: string): number => Number(STAMP.exec(name)?.[1] ?? -1)
  return names.filter((name) => STAMP.test(name)).sort((a, b) => number(a) - number(b))
}

/** Throws Failed unless all names are permitted, different and in order: each then tells what its file is for. */
export function checkOrder(names: readonly string[]): void {
  must(new Set(names.map((name) => name.toLowerCase())).size === names.length, 'two files with one name')
  for (const name of names) {
    const safe = name === DATAPACKAGE || name === DIGEST || (SAFE.test(name) && !name.includes('..'))
    must(safe, `name not permitted: ${JSON.stringify(name)}`)
  }
  must(names.at(-2) === DATAPACKAGE && names.at(-1) === DIGEST, 'the descriptors do not stand last')
  const files = names.slice(0, -2)
  const order = (a: string, b: string): number =>
    Number(isReserved(a)) - Number(isReserved(b)) || byteOrder(a, b)
  must(files.toSorted(order).join('\n') === files.join('\n'), 'files are not in order: artefacts, then proofs')
}

/** Throws Failed unless every proof has its place and none is more than that. */
export function checkComplete(names: readonly string[]): void {
  const stamps = stampNames(names)
  must(stamps.length > 0, 'no time stamp')
  must(stamps.every((name, at) => name === `evidence/tst-${String(at)}.tsr`), 'time stamps are not numbered 0…n')
  const redacted = names.includes(REDACTION)
  for (const name of [ENVELOPE, ENTRY, CONSISTENCY, PROOF, ...(redacted ? [] : ARCHIVE)]) {
    must(names.includes(name), `${name} is missing`)
  }
  const known = new Set([ENVELOPE, ENTRY, CONSISTENCY, PROOF, REDACTION, ...stamps, ...stamps.map(pathName)])
  must(names.every((name) => !isReserved(name) || known.has(name)), 'a proof nobody asks for')
}
