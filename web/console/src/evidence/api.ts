import { call, get, send, urlOf } from '@/api/http'
import type { ApiPath, Custody, Evidence, EvidenceRow, EvidenceStatus, Page, Printed, Retention } from '@/api/types'
import type { Report } from './report'

export const listEvidence = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<EvidenceRow>> =>
  get('/evidence', query, signal)
export const readEvidence = (id: string, signal?: AbortSignal): Promise<Evidence> => get(`/evidence/${id}`, undefined, signal)
export const readCustody = (id: string, signal?: AbortSignal): Promise<Custody> =>
  get(`/evidence/${id}/custody`, undefined, signal)
/** The proof of one record, byte for byte as the platform made it. */
export const readProof = async (id: string, seq: number, signal?: AbortSignal): Promise<string> =>
  (await send('GET', `/evidence/${id}/custody/${seq}/proof`, { signal })).text()
export const verifyRecord = (id: string, seq: number): Promise<Report> => call('POST', `/evidence/${id}/custody/${seq}/verification`)
/** Put a print and its reason on record; gives the chain with that record in it. */
export const recordPrint = (id: string, reason: string): Promise<Printed> =>
  call('POST', `/evidence/${id}/custody/printed`, { json: { reason } })
export const holdEvidence = (id: string, reason: string): Promise<Retention> =>
  call('POST', `/evidence/${id}/hold`, { json: { reason } })
export const releaseEvidence = (id: string, reason: string): Promise<Retention> =>
  call('POST', `/evidence/${id}/hold/release`, { json: { reason } })
/** Address of the record that renews the proof of time (RFC 4998). */
export const recordUrl = (id: string): string => urlOf(`/evidence/${id}/record`)
export const readStatus = (signal?: AbortSignal): Promise<EvidenceStatus> =>
  call('GET', '/evidence-status', { signal, background: true })
export const verifyEvidence = (id: string): Promise<Report> => call('POST', `/evidence/${id}/verification`)

/** Address of one artefact; each part of its path is escaped on its own. */
const artefactPath = (id: string, path: string): ApiPath => `/evidence/${id}/artefacts/${path.split('/').map(encodeURIComponent).join('/')}`
export const artefactUrl = (id: string, path: string): string => urlOf(artefactPath(id, path))

export async function readText(id: string, path: string, signal?: AbortSignal): Promise<string> {
  return (await send('GET', artefactPath(id, path), { signal, headers: { Accept: 'text/plain' } })).text()
}

/** The sealed package as a file; the reason becomes part of the chain of custody. */
export async function fetchPackage(id: string, reason: string, received: (bytes: number) => void): Promise<Blob> {
  const response = await send('GET', `/evidence/${id}/package`, { query: { reason }, headers: { Accept: '*/*' } })
  const parts: BlobPart[] = []
  let count = 0
  const reader = response.body!.getReader()
  for (;;) {
    const { value, done } = await reader.read()
    if (done) break
    parts.push(value)
    count += value.byteLength
    received(count)
  }
  return new Blob(parts, { type: 'application/octet-stream' })
}
