/** RFC 6962 trees: leaf hashes, roots, and the proof checks of RFC 9162 §2.1.3.2 and §2.1.4.2. */

import { type Bytes, concat, same } from './bytes.ts'
import { sha256 } from './digest.ts'
import { must } from './failed.ts'

export const HASH_SIZE = 32

/** Hash of a leaf: SHA-256(0x00 || entry). */
export async function leafHash(entry: Bytes): Promise<Bytes> {
  return sha256(concat(Uint8Array.of(0), entry))
}

async function nodeHash(left: Bytes, right: Bytes): Promise<Bytes> {
  return sha256(concat(Uint8Array.of(1), left, right))
}

/** The root over leaf hashes (RFC 6962 §2.1); of none, the hash of nothing. */
export async function treeRoot(leaves: Bytes[]): Promise<Bytes> {
  const [first, ...others] = leaves
  if (first === undefined) return sha256(new Uint8Array())
  if (others.length === 0) return first
  let split = 1
  while (split * 2 < leaves.length) split *= 2
  return nodeHash(await treeRoot(leaves.slice(0, split)), await treeRoot(leaves.slice(split)))
}

/** The root that an inclusion path leads to from a leaf. Throws Failed when the path cannot be one. */
export async function rootByPath(leaf: Bytes, index: number, size: number, path: Bytes[]): Promise<Bytes> {
  must(index < size, 'index is not below the size of the tree')
  let [node, last] = [BigInt(index), BigInt(size) - 1n]
  let root = leaf
  for (const sibling of path) {
    must(last !== 0n && sibling.length === HASH_SIZE, 'inclusion path too long')
    if (odd(node) || node === last) {
      root = await nodeHash(sibling, root)
      while (!odd(node) && node !== 0n) [node, last] = [node >> 1n, last >> 1n]
    } else {
      root = await nodeHash(root, sibling)
    }
    ;[node, last] = [node >> 1n, last >> 1n]
  }
  must(last === 0n, 'inclusion path too short')
  return root
}

/** Throws Failed unless the tree of `older` leaves and root `first` is the beginning of the newer one. */
export async function checkConsistency(
  older: number, newer: number, first: Bytes, second: Bytes, proof: Bytes[],
): Promise<void> {
  must(older > 0 && older <= newer, 'the older log is larger than the newer')
  if (older === newer) {
    must(proof.length === 0, 'a proof between trees of one size')
    must(same(first, second), 'one size, two roots')
    return
  }
  const path = isPowerOfTwo(older) ? [first, ...proof] : [...proof]
  const start = path.shift()
  must(proof.length > 0 && start !== undefined && path.every((hash) => hash.length === HASH_SIZE), 'consistency proof too short')
  let [node, last] = [BigInt(older) - 1n, BigInt(newer) - 1n]
  while (odd(node)) [node, last] = [node >> 1n, last >> 1n]
  let [left, right] = [start, start]
  for (const hash of path) {
    must(last !== 0n, 'consistency proof too long')
    if (odd(node) || node === last) {
      left = await nodeHash(hash, left)
      right = await nodeHash(hash, right)
      while (!odd(node) && node !== 0n) [node, last] = [node >> 1n, last >> 1n]
    } else {
      right = await nodeHash(right, hash)
    }
    ;[node, last] = [node >> 1n, last >> 1n]
  }
  must(last === 0n, 'consistency proof too short')
  must(same(left, first), 'consistency proof does not lead to the older root')
  must(same(right, second), 'consistency proof does not lead to the newer root')
}

function odd(value: bigint): boolean {
  return (value & 1n) === 1n
}

function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value))
}
