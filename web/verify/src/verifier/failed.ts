/** A check that did not pass, with its reason. */
export class Failed extends Error {
  override name = 'Failed'
}

/** The trust file, or the file to be verified, is nothing that can be worked with: no verdict at all. */
export class Unusable extends Error {
  override name = 'Unusable'
}

/** Throws Failed with a reason unless a condition holds. */
export function must(condition: boolean, reason: string): asserts condition {
  if (!condition) throw new Failed(reason)
}
