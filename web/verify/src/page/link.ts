/** What a printed QR code says: `/verify/#<number>.<sha256 of the package>` or `?no=<number>`. It is compared, never trusted. */

export interface Claim {
  number: string | null
  /** The package's SHA-256, or its first digits. */
  digest: string | null
}

const NUMBER = /^WJ-[0-9]{6}-[0-9]{4}-[0-9]{8}$/
const DIGEST = /^[0-9a-f]{8,64}$/

/** The claim in an address, null when there is none. */
export function readLink(address: URL): Claim | null {
  const [fromHash = '', digestFromHash = ''] = decodeURIComponent(address.hash.slice(1)).split('.')
  const number = [fromHash, address.searchParams.get('no') ?? ''].find((one) => NUMBER.test(one)) ?? null
  const digest = [digestFromHash, address.searchParams.get('sha256') ?? ''].find((one) => DIGEST.test(one)) ?? null
  return number === null && digest === null ? null : { number, digest }
}

/** Digits in groups, for comparing by eye. */
export function grouped(digest: string): string {
  return digest.match(/.{1,8}/g)?.join(' ') ?? ''
}
