import { call, get, post } from '@/api/http'
import type { Capture, Page } from '@/api/types'

export const listCaptures = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<Capture>> =>
  get('/captures', query, signal)
export const readCapture = (id: string, signal?: AbortSignal): Promise<Capture> => get(`/captures/${id}`, undefined, signal)
/** `key` makes a repeated press or a retry after a broken line one order, not two. */
export const orderCapture = (url: string, reason: string, key: string): Promise<Capture> =>
  call('POST', '/captures', { json: { url, reason }, headers: { 'Idempotency-Key': key } })
/** A new key for each order the officer writes. */
export const orderKey = (): string => crypto.randomUUID()
export const cancelCapture = (id: string): Promise<Capture> => post(`/captures/${id}/cancel`)
