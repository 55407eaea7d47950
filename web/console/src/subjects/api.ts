import { call, get, post } from '@/api/http'
import type { ImportResult, NewSubject, Page, Presence, Subject, SubjectRow } from '@/api/types'

export const listSubjects = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<SubjectRow>> => get('/subjects', query, signal)
export const readSubject = (id: string, signal?: AbortSignal): Promise<Subject> => get(`/subjects/${id}`, undefined, signal)
export const createSubject = (subject: NewSubject): Promise<Subject> => post('/subjects', subject)
export const listPresences = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<Presence>> => get('/presences', query, signal)

export function importShops(file: File, source: string): Promise<ImportResult> {
  const body = new FormData()
  body.set('file', file)
  if (source) body.set('source', source)
  return call('POST', '/imports', { body })
}
