/**
 * The one permitted byte layout of a ZIP (APPNOTE 6.3.10 §4.3): stored, version 10, flags 0, 1980-01-01 00:00,
 * nothing optional. What the central directory says is taken as a claim; every structural octet is then made
 * anew from that claim and compared, so a layout that reads in two ways is refused.
 */

import { type Bytes, concat, same, text, utf8 } from './bytes.ts'
import { type DigestName, Digester, type Digests, digesterOf, sha256Stream } from './digest.ts'
import { Failed, must } from './failed.ts'
import type { Source } from './source.ts'

const LOCAL = 0x04034b50
const CENTRAL = 0x02014b50
const END = 0x06054b50
const LOCAL_SIZE = 30
const CENTRAL_SIZE = 46
const END_SIZE = 22
const VERSION = 10
const DATE = (1 << 5) | 1
const BLOCK = 1 << 20
const LONGEST_DIRECTORY = 1 << 25
const FOUR_GIB = 2 ** 32

/** One file as the central directory claims it. */
export interface Entry {
  name: string
  crc32: number
  size: number
  /** Offset of the local header. */
  offset: number
}

/** A file of the package after reading it. */
export interface Member extends Entry {
  /** Offset of the first octet of the content. */
  start: number
  found: Digests
}

/** What one pass over the package found. */
export interface Scanned {
  sha256: string
  members: Member[]
}

/** What is told while a long file is read; `signal` stops it (DOM AbortSignal). */
export interface Progress {
  advanced?: (done: number, total: number) => void
  signal?: AbortSignal
}

/** Whether a file can be a ZIP at all: it begins or ends as one. A damaged one is INVALID, not unreadable. */
export async function isPackage(source: Source): Promise<boolean> {
  const starts = async (offset: number): Promise<boolean> =>
    offset >= 0 && offset + 2 <= source.size && text(ascii(await source.read(offset, 2))) === 'PK'
  return (await starts(0)) || (await starts(source.size - END_SIZE))
}

function ascii(bytes: Bytes): Bytes {
  return bytes.map((byte) => (byte < 0x80 ? byte : 0x3f))
}

/** The files the central directory claims. Throws Failed when its own form is not the permitted one. */
export async function readDirectory(source: Source): Promise<Entry[]> {
  must(source.size < FOUR_GIB, 'package of 4 GiB or more')
  must(source.size >= END_SIZE, 'shorter than the end of a ZIP')
  const end = view(await source.read(source.size - END_SIZE, END_SIZE))
  const count = end.getUint16(10, true)
  const size = end.getUint32(12, true)
  const offset = end.getUint32(16, true)
  must(end.getUint32(0, true) === END, 'no end of central directory at the end of the file')
  must(offset + size + END_SIZE === source.size, 'central directory does not reach to the end record')
  must(size <= LONGEST_DIRECTORY, 'central directory too long')
  const directory = await source.read(offset, size)
  const entries: Entry[] = []
  let at = 0
  while (at < size) {
    must(at + CENTRAL_SIZE <= size, 'central directory ends within an entry')
    const entry = view(directory.subarray(at, at + CENTRAL_SIZE))
    const length = entry.getUint16(28, true)
    must(entry.getUint32(0, true) === CENTRAL && at + CENTRAL_SIZE + length <= size, 'broken central directory')
    entries.push({
      name: text(directory.subarray(at + CENTRAL_SIZE, at + CENTRAL_SIZE + length)),
      crc32: entry.getUint32(16, true),
      size: entry.getUint32(24, true),
      offset: entry.getUint32(42, true),
    })
    at += CENTRAL_SIZE + length
  }
  const rebuilt = concat(...entries.map(centralHeader), endRecord(entries.length, size, offset))
  must(count === entries.length, 'number of files wrong')
  must(same(rebuilt, concat(directory, await source.read(source.size - END_SIZE, END_SIZE))),
    'central directory is not in the permitted layout')
  return entries
}

/**
 * Read the package once from front to back, in constant memory: compares each local header with what the
 * central directory claims, digests each file and, when `whole`, the package itself. Throws Failed when the layout
 * is not the permitted one (nothing is read by name then), and the signal's reason when stopped.
 */
export async function scan(source: Source, progress: Progress, whole: boolean): Promise<Scanned> {
  const entries = await readDirectory(source)
  const reader = new Pass(source, progress, await sha256Stream(), whole)
  const digester = await Digester.take()
  const members: Member[] = []
  for (const entry of entries) {
    const header = localHeader(entry)
    must(reader.at + header.length + entry.size <= source.size, `${entry.name} reaches beyond the file`)
    must(entry.offset === reader.at, `${entry.name} does not begin where the file before it ends`)
    must(same(await reader.take(header.length), header), `local header of ${entry.name} differs`)
    const start = reader.at
    digester.begin()
    await reader.each(entry.size, (block) => { digester.update(block) })
    members.push({ ...entry, start, found: digester.end() })
  }
  digester.giveBack()
  const directory = entries.reduce((sum, entry) => sum + centralHeader(entry).length, END_SIZE)
  must(source.size - reader.at === directory, 'octets between the last file and the central directory')
  await reader.each(source.size - reader.at, () => undefined)
  return { sha256: reader.end(), members }
}

/**
 * A disclosure and its artefact in one ZIP of the same layout (`disclosure.json` first), null when it is none.
 * Nothing rests on this ZIP: the document and the artefact are checked for what they are.
 */
export async function openBundle(source: Source): Promise<{ document: Source; artefact: Source } | null> {
  let entries: Entry[]
  try {
    entries = await readDirectory(source)
  } catch (error) {
    if (error instanceof Failed) return null
    throw error
  }
  const [document, artefact, ...more] = entries
  if (document?.name !== 'disclosure.json' || artefact === undefined || more.length > 0) return null
  return { document: part(source, document), artefact: part(source, artefact) }
}

function part(source: Source, entry: Entry): Source {
  const start = entry.offset + LOCAL_SIZE + utf8(entry.name).length
  must(start + entry.size <= source.size, `${entry.name} reaches beyond the file`)
  return { size: entry.size, read: (offset, length) => source.read(start + offset, length) }
}

/** One pass over a source. */
class Pass {
  at = 0
  private told = 0

  constructor(
    private readonly source: Source,
    private readonly progress: Progress,
    private readonly digest: { update: (bytes: Uint8Array) => void; end: () => string },
    private readonly whole: boolean,
  ) {}

  /** The next octets, all at once. */
  async take(length: number): Promise<Bytes> {
    this.progress.signal?.throwIfAborted()
    const bytes = await this.source.read(this.at, length)
    if (this.whole) this.digest.update(bytes)
    this.at += length
    if (this.at - this.told >= BLOCK || this.at === this.source.size) {
      this.told = this.at
      this.progress.advanced?.(this.at, this.source.size)
    }
    return bytes
  }

  /** The next octets, block by block. */
  async each(length: number, use: (block: Bytes) => void): Promise<void> {
    for (let left = length; left > 0; left -= Math.min(left, BLOCK)) use(await this.take(Math.min(left, BLOCK)))
  }

  /** SHA-256 of the package; empty when it was not asked for. */
  end(): string {
    return this.whole ? this.digest.end() : ''
  }
}

/** Another digest of the whole package, in constant memory. */
export async function wholeDigest(source: Source, name: DigestName, progress: Progress): Promise<Bytes> {
  const hasher = await digesterOf(name)
  for (let at = 0; at < source.size; at += BLOCK) {
    progress.signal?.throwIfAborted()
    hasher.update(await source.read(at, Math.min(BLOCK, source.size - at)))
  }
  return hasher.digest('binary').slice()
}

/** A package's SHA-256 alone, in constant memory (for a second worker beside the checks). */
export async function packageDigest(source: Source, progress: Progress): Promise<string> {
  const pass = new Pass(source, progress, await sha256Stream(), true)
  await pass.each(source.size, () => undefined)
  return pass.end()
}

function view(bytes: Bytes): DataView<ArrayBuffer> {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function localHeader(entry: Entry): Bytes {
  const name = utf8(entry.name)
  const header = view(new Uint8Array(LOCAL_SIZE))
  header.setUint32(0, LOCAL, true)
  header.setUint16(4, VERSION, true)
  header.setUint16(12, DATE, true)
  header.setUint32(14, entry.crc32, true)
  header.setUint32(18, entry.size, true)
  header.setUint32(22, entry.size, true)
  header.setUint16(26, name.length, true)
  return concat(new Uint8Array(header.buffer), name)
}

function centralHeader(entry: Entry): Bytes {
  const name = utf8(entry.name)
  const header = view(new Uint8Array(CENTRAL_SIZE))
  header.setUint32(0, CENTRAL, true)
  header.setUint16(4, VERSION, true)
  header.setUint16(6, VERSION, true)
  header.setUint16(14, DATE, true)
  header.setUint32(16, entry.crc32, true)
  header.setUint32(20, entry.size, true)
  header.setUint32(24, entry.size, true)
  header.setUint16(28, name.length, true)
  header.setUint32(42, entry.offset, true)
  return concat(new Uint8Array(header.buffer), name)
}

function endRecord(count: number, size: number, offset: number): Bytes {
  const record = view(new Uint8Array(END_SIZE))
  record.setUint32(0, END, true)
  record.setUint16(8, count, true)
  record.setUint16(10, count, true)
  record.setUint32(12, size, true)
  record.setUint32(16, offset, true)
  return new Uint8Array(record.buffer)
}

/** A member's octets, which must be few enough to be held. Throws Failed. */
export async function contents(source: Source, member: Member, most = 1 << 26): Promise<Bytes> {
  if (member.size > most) throw new Failed(`${member.name} is too long`)
  return source.read(member.start, member.size)
}
