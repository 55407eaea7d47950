/** Evidence records (RFC 4998), in the one form of docs/evidence/package.md: how stamps outlive their certificates. */

import { type BaseBlock, Integer, Null, ObjectIdentifier, OctetString, Sequence } from 'asn1js'
import type { PinnedAuthority } from './authority.ts'
import { type Bytes, concat, hex, same } from './bytes.ts'
import { inside, octets, readDer } from './der.ts'
import { type DigestName, digestOf } from './digest.ts'
import { Failed, must } from './failed.ts'
import { written } from './moment.ts'
import { type Stamp, checkToken } from './timestamps.ts'

const NAMES: Readonly<Record<string, DigestName>> = {
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
  '1.2.156.10197.1.401': 'sm3',
}

/** What a record is held against. */
export interface Against {
  /** A digest of the package. */
  digest: (name: DigestName) => Promise<Bytes>
  tsas: PinnedAuthority[]
  /** Milliseconds since 1970. */
  now: number
  /** Since when a digest is no longer safe. */
  weak: ReadonlyMap<string, number>
}

/** A stamp of a record. */
interface Archived extends Stamp {
  name: DigestName
  /** DER of its token. */
  token: Bytes
}

/** Check a record. Gives when its first stamp was made and until when its newest holds. Throws Failed. */
export async function checkRecord(record: Bytes, against: Against): Promise<{ first: number; until: number }> {
  const [version, declared, sequence, ...more] = inside(readDer(record))
  must(version instanceof Integer && version.toBigInt() === 1n && more.length === 0, 'record: another version or form')
  const stamps: Archived[] = []
  const older: Bytes[] = []
  for (const chain of inside(sequenceOnly(sequence))) {
    const before = older.length === 0 ? null : sequenceOf(older)
    await readChain(inside(sequenceOnly(chain)), before, stamps, against)
    older.push(octets(chain))
  }
  const [first, last] = [stamps[0], stamps.at(-1)]
  if (first === undefined || last === undefined) throw new Failed('record: no stamp')
  const names = inside(sequenceOnly(declared)).map((one) => algorithmName(inside(sequenceOnly(one))))
  const used = [...new Set(stamps.map((stamp) => stamp.name))]
  must([...names].sort().join() === used.sort().join(), 'record: declares other digests than it uses')
  must(last.time <= against.now, 'record: its newest stamp is of the future')
  must(against.now <= last.authority.notAfter, `record: the certificate of its newest stamp expired on ${written(last.authority.notAfter)}`)
  checkStrength(last.name, against.now, against)
  return { first: first.time, until: last.authority.notAfter }
}

/** Read one chain (ArchiveTimeStampChain). before: DER of all older chains, null for the first chain. */
async function readChain(items: BaseBlock[], before: Bytes | null, stamps: Archived[], against: Against): Promise<void> {
  must(items.length > 0, 'record: an empty chain')
  let previous: Archived | null = null
  for (const item of items) {
    const { name, tree, token } = takeApart(item)
    must(previous === null || previous.name === name, 'record: two digests in one chain')
    const value = previous === null ? await firstValue(name, before, against) : await digestOf(name, previous.token)
    const stamp = await checkToken(token, against.tsas)
    must(NAMES[stamp.imprint.algorithm] === name, 'record: the stamp is over another digest')
    must(same(stamp.imprint.digest, await climb(value, tree, name)), 'record: the stamp is over something else')
    const last = stamps.at(-1)
    if (last !== undefined) checkOrder(last, stamp, against)
    previous = { ...stamp, name, token }
    stamps.push(previous)
  }
}

/** What the first stamp of a chain covers (RFC 4998 §5.2). */
async function firstValue(name: DigestName, before: Bytes | null, against: Against): Promise<Bytes> {
  const data = await against.digest(name)
  return before === null ? data : digestOf(name, concat(data, await digestOf(name, before)))
}

/** An ArchiveTimeStamp: digest algorithm [0], reduced hash tree [2] or none, time stamp. */
function takeApart(item: BaseBlock): { name: DigestName; tree: BaseBlock[] | null; token: Bytes } {
  const parts = inside(sequenceOnly(item))
  const tags = parts.map((part) => (part.idBlock.tagClass === 3 ? part.idBlock.tagNumber : -1)).join()
  must(tags === '0,-1' || tags === '0,2,-1', 'record: malformed stamp')
  const [algorithm, token] = [parts[0], sequenceOnly(parts.at(-1))]
  return { name: algorithmName(inside(algorithm)), tree: parts.length === 3 ? inside(parts[1]) : null, token: octets(token) }
}

/** The root that a reduced hash tree leads to (RFC 4998 §4.3). */
async function climb(value: Bytes, tree: BaseBlock[] | null, name: DigestName): Promise<Bytes> {
  if (tree === null) return value
  must(tree.length > 0, 'record: an empty hash tree')
  let root = value
  for (const [at, group] of tree.entries()) {
    const found = inside(sequenceOnly(group)).map((one) => {
      must(one instanceof OctetString && one.getValue().byteLength === value.length, 'record: a hash of another length')
      return hex(new Uint8Array(one.getValue()))
    })
    must(found.every((one, place) => place === 0 || (found[place - 1] ?? '') < one), 'record: hashes not in ascending order')
    if (at === 0) must(found.includes(hex(root)) && found.length > 1, 'record: is not of this package')
    else must(found.length > 0 && !found.includes(hex(root)), 'record: malformed hash tree')
    const all = at === 0 ? found : [...found, hex(root)].sort()
    root = await digestOf(name, concat(...all.map(fromHex)))
  }
  return root
}

function fromHex(value: string): Bytes {
  return Uint8Array.from(value.match(/../g) ?? [], (pair) => parseInt(pair, 16))
}

/** The older stamp was still good when the newer one was made (RFC 4998 §5.3). */
function checkOrder(older: Archived, newer: Stamp, against: Against): void {
  must(older.time <= newer.time, 'record: stamps not in the order of time')
  must(newer.time <= older.authority.notAfter, 'record: renewed after the certificate had expired')
  checkStrength(older.name, newer.time, against)
}

function checkStrength(name: string, time: number, against: Against): void {
  const since = against.weak.get(name)
  must(since === undefined || time < since, `record: ${name} was no longer safe`)
}

/** The name of an AlgorithmIdentifier's parts: its identifier, and NULL or nothing. */
function algorithmName(parts: BaseBlock[]): DigestName {
  const [identifier, parameters, ...more] = parts
  const name = identifier instanceof ObjectIdentifier ? NAMES[identifier.getValue()] : undefined
  if (name === undefined) throw new Failed('record: unknown digest')
  must((parameters === undefined || parameters instanceof Null) && more.length === 0, 'record: unknown digest')
  return name
}

function sequenceOnly(value: BaseBlock | undefined): BaseBlock {
  must(value instanceof Sequence, 'record: malformed')
  return value
}

/** DER of the SEQUENCE around already encoded parts. */
function sequenceOf(parts: Bytes[]): Bytes {
  const content = concat(...parts)
  const size: number[] = []
  for (let left = content.length; left > 0; left = Math.floor(left / 256)) size.unshift(left % 256)
  const length = content.length < 0x80 ? [content.length] : [0x80 | size.length, ...size]
  return concat(Uint8Array.of(0x30, ...length), content)
}
