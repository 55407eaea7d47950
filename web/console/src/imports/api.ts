import { call, get, post, send } from '@/api/http'
import type { ImportField, ImportPreview, ImportRemark, ImportResult, ImportRow, ImportSource, Page, UndoPreview } from '@/api/types'

export const listImports = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<ImportRow>> => get('/imports', query, signal)
export const readImport = (id: string, signal?: AbortSignal): Promise<ImportResult> => get(`/imports/${id}`, undefined, signal)
/** The page watches by itself: this does not keep the session alive. */
export const watchImport = (id: string, signal: AbortSignal): Promise<ImportResult> => call('GET', `/imports/${id}`, { signal, background: true })
export const listFields = (): Promise<ImportField[]> => get('/imports/fields')
export const listSources = (): Promise<ImportSource[]> => get('/imports/sources')
export const readPreview = (id: string, signal?: AbortSignal): Promise<ImportPreview> => get(`/imports/${id}/preview`, undefined, signal)
export const readAnew = (id: string, layout: Record<string, string | number>): Promise<ImportPreview> =>
  call('PUT', `/imports/${id}/layout`, { json: layout })
export const chooseFields = (id: string, mapping: (string | null)[]): Promise<ImportResult> =>
  call('PUT', `/imports/${id}/mapping`, { json: { mapping } })
export const checkImport = (id: string): Promise<ImportResult> => post(`/imports/${id}/check`)
export const startImport = (id: string): Promise<ImportResult> => post(`/imports/${id}/start`)
export const stopImport = (id: string): Promise<ImportResult> => post(`/imports/${id}/cancel`)
export const readUndo = (id: string): Promise<UndoPreview> => get(`/imports/${id}/undo`)
export const undoImport = (id: string, leaveBuilt: boolean): Promise<ImportResult> => post(`/imports/${id}/undo`, { leave_built: leaveBuilt })
export const dropImport = (id: string): Promise<void> => call('DELETE', `/imports/${id}`)
export const listRemarks = (id: string, query: Record<string, string>, signal?: AbortSignal): Promise<Page<ImportRemark>> =>
  get(`/imports/${id}/remarks`, query, signal)
export const remarksFile = async (id: string): Promise<Blob> => (await send('GET', `/imports/${id}/remarks.csv`)).blob()

export function uploadList(file: File, source: string): Promise<ImportResult> {
  const body = new FormData()
  body.set('file', file)
  if (source) body.set('source', source)
  return call('POST', '/imports', { body })
}
