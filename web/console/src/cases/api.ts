import { get, post } from '@/api/http'
import type { CaseFile, CaseRow, Page } from '@/api/types'

export const listCases = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<CaseRow>> => get('/cases', query, signal)
export const readCase = (id: string, signal?: AbortSignal): Promise<CaseFile> => get(`/cases/${id}`, undefined, signal)
export const moveCase = (id: string, action: string, fields: Record<string, string>, version: number): Promise<CaseFile> =>
  post(`/cases/${id}/transitions`, { action, ...fields, version })
