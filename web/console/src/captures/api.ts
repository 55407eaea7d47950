import { get, post } from '@/api/http'
import type { Capture, Page } from '@/api/types'

export const listCaptures = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<Capture>> =>
  get('/captures', query, signal)
export const readCapture = (id: string, signal?: AbortSignal): Promise<Capture> => get(`/captures/${id}`, undefined, signal)
export const orderCapture = (url: string, reason: string): Promise<Capture> =>
  post('/captures', reason ? { url, reason } : { url })
export const cancelCapture = (id: string): Promise<Capture> => post(`/captures/${id}/cancel`)
