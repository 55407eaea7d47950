/** Runs a verification in two workers: one checks, the other digests the whole file beside it. */

import type { Report } from '../verifier/index.ts'
import type { Answer, DigestOrder, VerifyOrder } from './worker.ts'

/** The file cannot be verified at all. */
export class NothingToCheck extends Error {}
/** The person stopped it. */
export class Stopped extends Error {}

/** A verification under way. */
export interface Run {
  report: Promise<Report>
  stop: () => void
}

/** Begin. told: how many octets of how many were read. */
export function begin(order: Omit<VerifyOrder, 'kind'>, told: (done: number, total: number) => void): Run {
  const [checker, digester] = [makeWorker(), makeWorker()]
  let reject: (reason: Error) => void = () => undefined
  const end = (): void => {
    checker.terminate()
    digester.terminate()
  }
  const report = new Promise<Report>((resolve, fail) => {
    reject = fail
    const hear = ({ data }: MessageEvent<Answer>): void => {
      if (data.kind === 'progress') told(data.done, data.total)
      else if (data.kind === 'report') resolve(data.report)
      else if (data.kind === 'wants-digest') digester.postMessage({ kind: 'digest', file: order.file } satisfies DigestOrder)
      else if (data.kind === 'digest') checker.postMessage({ kind: 'digested', sha256: data.sha256 })
      else fail(data.kind === 'unusable' ? new NothingToCheck(data.reason) : new Error(data.reason))
    }
    for (const worker of [checker, digester]) {
      worker.addEventListener('message', hear)
      worker.addEventListener('error', (event) => { fail(new Error(event.message || 'the worker did not start')) })
    }
    checker.postMessage({ kind: 'verify', ...order } satisfies VerifyOrder)
  }).finally(end)
  return { report, stop: () => { reject(new Stopped('stopped')) } }
}

function makeWorker(): Worker {
  return new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
}
