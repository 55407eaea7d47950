/** One package under test: everything that is read from it, once, when a check first asks for it. */

import { type Bytes, base64, hex, utf8 } from './bytes.ts'
import { type DigestName, sha256 } from './digest.ts'
import { type Envelope, type Signed, checkSignatures, readEnvelope, signedBy, stampedMessage } from './envelope.ts'
import { Failed, must } from './failed.ts'
import { type Members, exactly, list, member, members, readCanonical, string } from './json.ts'
import { type Believed, SEAL_NAMES, believe, readEntry, readPlace } from './logged.ts'
import { type Manifest, readManifest } from './manifest.ts'
import { leafHash, rootByPath } from './merkle.ts'
import { ENTRY, ENVELOPE, PROOF, REDACTION, checkOrder, pathName, stampNames } from './names.ts'
import { type Proof, readCheckpoint, readProof } from './notes.ts'
import type { Source } from './source.ts'
import { type Stamp, checkResponse } from './timestamps.ts'
import type { Policy, Trust } from './trust.ts'
import { type Member, type Scanned, contents, wholeDigest } from './zip.ts'

/** A value that is made at the first call and then kept, its failure too. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}

/** A package whose octets were read once; `scanned` is null when its directory cannot be read. */
export class Package {
  private readonly byName: Map<string, Member>

  constructor(
    private readonly source: Source,
    readonly trust: Trust,
    readonly scanned: Scanned | null,
    readonly scanFault: string,
    readonly now: number,
    /** The evidence record given along, null when none was. */
    readonly record: Bytes | null,
  ) {
    // Where a name stands twice zip.members fails; which of the two is read here does not matter.
    this.byName = new Map(this.members.map((one) => [one.name, one]))
  }

  get members(): Member[] {
    return this.scanned?.members ?? []
  }

  get names(): string[] {
    return this.members.map((one) => one.name)
  }

  get redacted(): boolean {
    return this.byName.has(REDACTION)
  }

  has(name: string): boolean {
    return this.byName.has(name)
  }

  /** Throws Failed where names do not tell which file is which: nothing may be read by name then. */
  private readonly requireNames = (): void => { checkOrder(this.names) }

  /** A digest of the whole package. */
  async digest(name: DigestName): Promise<Bytes> {
    return wholeDigest(this.source, name, {})
  }

  /** A file's octets, which must be those the pass digested. Throws Failed when it is not there. */
  async content(name: string): Promise<Bytes> {
    this.requireNames()
    const found = this.byName.get(name)
    if (found === undefined) throw new Failed(`${name} is missing`)
    const bytes = await contents(this.source, found)
    must(hex(await sha256(bytes)) === found.found.sha256, 'the file changed while it was read')
    return bytes
  }

  readonly envelope = once(async (): Promise<Envelope> => readEnvelope(await this.content(ENVELOPE)))

  readonly manifest = once(async (): Promise<Manifest> => readManifest((await this.envelope()).payload))

  readonly policy = once(async (): Promise<Policy> => {
    const { policyId } = await this.manifest()
    const found = this.trust.policies.find((policy) => policy.id === policyId)
    if (found === undefined) throw new Failed(`policy ${policyId} is not in the trust file`)
    return found
  })

  /** The signatures of a role with their keys; whether they verify is another question. */
  async signedBy(role: 'worker' | 'sealing'): Promise<Signed[]> {
    return signedBy(role, await this.envelope(), await this.policy(), this.trust)
  }

  /** The same, each signature found to be its key's. */
  async verifiedBy(role: 'worker' | 'sealing'): Promise<Signed[]> {
    const signed = await this.signedBy(role)
    await checkSignatures(await this.envelope(), signed)
    return signed
  }

  /** Paths that a redacted copy says it leaves out. */
  readonly removed = once(async (): Promise<string[]> => {
    if (!this.redacted) return []
    const document = members(readCanonical(await this.content(REDACTION)), 'redaction')
    exactly(document, ['removed', 'v'], 'redaction')
    const paths = list(member(document, 'removed'), 'removed').map((path) => string(path, 'removed'))
    must(member(document, 'v') === 1 && paths.length > 0, 'redaction of another version, or of nothing')
    const listed = (await this.manifest()).artefacts.map((artefact) => artefact.path)
    must(listed.filter((path) => paths.includes(path)).join('\n') === paths.join('\n'), 'redaction not in order, or of what never was there')
    return paths
  })

  /** The stamps in order, up to the first that is not valid, and what is wrong with that one. */
  readonly responses = once(async (): Promise<{ valid: Stamp[]; fault: string }> => {
    const message = stampedMessage(await this.envelope())
    const valid: Stamp[] = []
    for (const name of stampNames(this.names)) {
      try {
        valid.push(await this.response(name, message))
      } catch (error) {
        return { valid, fault: `${name}: ${error instanceof Error ? error.message : String(error)}` }
      }
    }
    return { valid, fault: '' }
  })

  /** The valid stamps. Throws Failed when there is none. */
  async stamps(): Promise<Stamp[]> {
    const { valid } = await this.responses()
    must(valid.length > 0, 'no valid time stamp')
    return valid
  }

  private async response(name: string, message: Bytes): Promise<Stamp> {
    const path = pathName(name)
    const stamped = this.has(path) ? await batchText(await this.content(path), message) : message
    return checkResponse(await this.content(name), stamped, this.trust.tsas)
  }

  readonly entryBytes = once(() => this.content(ENTRY))

  readonly entry = once(async (): Promise<Members> => readEntry(await this.entryBytes(), 'seal', 2, SEAL_NAMES))

  readonly proof = once(async (): Promise<Proof> => readProof(await this.content(PROOF)))

  readonly log = once(async (): Promise<Believed> => believe((await this.proof()).checkpoint, this.trust))

  /** The checkpoint that the manifest quotes, older than the seal. */
  readonly beacon = once(async (): Promise<Believed> => {
    const found = await believe(readCheckpoint((await this.manifest()).beacon), this.trust)
    must(found.checkpoint.size > 0, 'the beacon is of an empty log')
    const [{ log }, { index }] = [await this.log(), await this.proof()]
    const older = found.log < log || (found.log === log && found.checkpoint.size <= index)
    must(older, 'the beacon is not older than the seal')
    return found
  })
}

/** The text that is stamped for a whole batch, from one message and its path in the batch's tree. */
async function batchText(path: Bytes, message: Bytes): Promise<Bytes> {
  const document = members(readCanonical(path), 'path')
  exactly(document, ['hashes', 'index', 'size', 'v'], 'path')
  must(member(document, 'v') === 1, 'path of another version')
  const place = readPlace(document)
  const root = await rootByPath(await leafHash(message), place.index, place.size, place.path)
  return utf8(`wangjian:stamp-batch:v1\n${String(place.size)}\n${base64(root)}\n`)
}
