/** SHA-256 (FIPS 180-4), SM3 (GB/T 32905) and CRC-32 (the one of ZIP), whole or block by block. */

import { createCRC32, createSHA256, createSHA384, createSHA512, createSM3, type IHasher } from 'hash-wasm'
import { type Bytes, unhex } from './bytes.ts'

/** SHA-256 of octets in memory. */
export async function sha256(bytes: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
}

export type DigestName = 'sha256' | 'sha384' | 'sha512' | 'sm3'

const CREATE: Readonly<Record<DigestName, () => Promise<IHasher>>> = {
  sha256: createSHA256, sha384: createSHA384, sha512: createSHA512, sm3: createSM3,
}

/** A digest of octets in memory, by name. */
export async function digestOf(name: DigestName, bytes: Bytes): Promise<Bytes> {
  return (await digesterOf(name)).update(bytes).digest('binary').slice()
}

/** Takes octets block by block for one digest, by name. */
export async function digesterOf(name: DigestName): Promise<IHasher> {
  return (await CREATE[name]()).init()
}

/** What is known of a run of octets after reading it once; digests in lowercase hex. */
export interface Digests {
  sha256: string
  sm3: string
  crc32: number
}

const idle: Digester[] = []

/** Takes octets block by block and gives all digests of them; may be begun again for another run. */
export class Digester {
  private constructor(
    private readonly sha: IHasher,
    private readonly sm: IHasher,
    private readonly crc: IHasher,
  ) {}

  /** A digester, ready to take octets: one given back before, as making one takes a millisecond. */
  static async take(): Promise<Digester> {
    const made = idle.pop() ?? new Digester(await createSHA256(), await createSM3(), await createCRC32())
    made.begin()
    return made
  }

  /** Give it back; it is not used any more. */
  giveBack(): void {
    idle.push(this)
  }

  /** Forget what was taken. */
  begin(): void {
    for (const hasher of [this.sha, this.sm, this.crc]) hasher.init()
  }

  /** Take octets. */
  update(bytes: Uint8Array): void {
    for (const hasher of [this.sha, this.sm, this.crc]) hasher.update(bytes)
  }

  /** The digests of all that was taken. */
  end(): Digests {
    const crc = unhex(this.crc.digest())
    return {
      sha256: this.sha.digest(),
      sm3: this.sm.digest(),
      crc32: new DataView(crc.buffer).getUint32(0),
    }
  }
}

const idleStreams: IHasher[] = []

/** SHA-256 of a long run of octets, block by block. */
export async function sha256Stream(): Promise<{ update: (bytes: Uint8Array) => void; end: () => string }> {
  const hasher = idleStreams.pop() ?? (await createSHA256())
  hasher.init()
  return {
    update: (bytes) => { hasher.update(bytes) },
    end: () => {
      const digest = hasher.digest()
      idleStreams.push(hasher)
      return digest
    },
  }
}
