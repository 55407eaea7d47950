/** Where files are read and checked, off the page's thread. The gateway gives this script a policy that lets it connect to nothing. */

import { type Report, Unusable, fromBlob, packageDigest, readTrust, verify } from '../verifier/index.ts'

export interface VerifyOrder { kind: 'verify'; file: Blob; artefact: Blob | null; record: Blob | null; trust: Uint8Array<ArrayBuffer> }
export interface DigestOrder { kind: 'digest'; file: Blob }
export type Answer =
  | { kind: 'progress'; done: number; total: number }
  | { kind: 'report'; report: Report }
  | { kind: 'digest'; sha256: string }
  | { kind: 'unusable'; reason: string }
  | { kind: 'broken'; reason: string }
  | { kind: 'wants-digest' }

let digestArrived: (sha256: string) => void = () => undefined

function tell(answer: Answer): void {
  postMessage(answer)
}

async function run(order: VerifyOrder | DigestOrder): Promise<void> {
  if (order.kind === 'digest') {
    tell({ kind: 'digest', sha256: await packageDigest(fromBlob(order.file), {}) })
    return
  }
  const report = await verify(fromBlob(order.file), await readTrust(order.trust), {
    artefact: order.artefact === null ? null : fromBlob(order.artefact),
    record: order.record === null ? null : new Uint8Array(await order.record.arrayBuffer()),
    advanced: (done, total) => { tell({ kind: 'progress', done, total }) },
    digest: () => new Promise((resolve) => {
      digestArrived = resolve
      tell({ kind: 'wants-digest' })
    }),
  })
  tell({ kind: 'report', report })
}

addEventListener('message', (event: MessageEvent<VerifyOrder | DigestOrder | { kind: 'digested'; sha256: string }>) => {
  const order = event.data
  if (order.kind === 'digested') {
    digestArrived(order.sha256)
    return
  }
  run(order).catch((error: unknown) => {
    tell({ kind: error instanceof Unusable ? 'unusable' : 'broken', reason: error instanceof Error ? error.message : String(error) })
  })
})
