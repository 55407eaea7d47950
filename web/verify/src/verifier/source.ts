/** Where octets come from: a file of which any stretch can be read, and which never is in memory as a whole. */

import type { Bytes } from './bytes.ts'
import { Failed } from './failed.ts'

/** A file: its length in octets, and a stretch of it. */
export interface Source {
  readonly size: number
  read(offset: number, length: number): Promise<Bytes>
}

/** A Blob or File of the browser (File API §6); slices are read, the rest stays on disk. */
export function fromBlob(blob: Blob): Source {
  return {
    size: blob.size,
    read: async (offset, length) => {
      const bytes = new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer())
      if (bytes.length !== length) throw new Failed('the file ends too early')
      return bytes
    },
  }
}

/** Octets in memory. */
export function fromBytes(bytes: Bytes): Source {
  return fromBlob(new Blob([bytes]))
}
