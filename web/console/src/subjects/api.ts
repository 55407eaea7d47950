import { call, get, post } from '@/api/http'
import type { Change, Inspection, NewSubject, Origin, Page, Permit, Presence, Revealed, Shop, Subject, SubjectRow, Tag } from '@/api/types'

export const listSubjects = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<SubjectRow>> => get('/subjects', query, signal)
export const readSubject = (id: string, signal?: AbortSignal): Promise<Subject> => get(`/subjects/${id}`, undefined, signal)
export const createSubject = (subject: NewSubject): Promise<Subject> => post('/subjects', subject)
export const listPresences = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<Presence>> => get('/presences', query, signal)

export type Noun = 'subjects' | 'presences'
type Body = Record<string, unknown>

export const changeSubject = (id: string, body: Body): Promise<Subject> => call('PATCH', `/subjects/${id}`, { json: body })
export const readPresence = (id: string, signal?: AbortSignal): Promise<Shop> => get(`/presences/${id}`, undefined, signal)
export const createPresence = (body: Body): Promise<Shop> => post('/presences', body)
export const changePresence = (id: string, body: Body): Promise<Shop> => call('PATCH', `/presences/${id}`, { json: body })
export const reveal = (noun: Noun, id: string, body: Body): Promise<Revealed> =>
  (noun === 'subjects' ? post(`/subjects/${id}/reveal`, body) : post(`/presences/${id}/reveal`, body))
export const readHistory = (noun: Noun, id: string, cursor: string, signal?: AbortSignal): Promise<Page<Change>> =>
  (noun === 'subjects' ? get(`/subjects/${id}/history`, { cursor }, signal) : get(`/presences/${id}/history`, { cursor }, signal))
export const readOrigins = (noun: Noun, id: string, signal?: AbortSignal): Promise<Origin[]> =>
  (noun === 'subjects' ? get(`/subjects/${id}/origins`, undefined, signal) : get(`/presences/${id}/origins`, undefined, signal))
export const enterPermit = (noun: Noun, id: string, body: Body): Promise<Permit> =>
  (noun === 'subjects' ? post(`/subjects/${id}/permits`, body) : post(`/presences/${id}/permits`, body))
export const changePermit = (noun: Noun, id: string, permit: string, body: Body): Promise<Permit> =>
  (noun === 'subjects'
    ? call('PATCH', `/subjects/${id}/permits/${permit}`, { json: body })
    : call('PATCH', `/presences/${id}/permits/${permit}`, { json: body }))
export const enterInspection = (id: string, body: Body): Promise<Inspection> => post(`/presences/${id}/inspections`, body)
export const listInspections = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<Inspection>> => get('/inspections', query, signal)
export const listTags = (retired: boolean, signal?: AbortSignal): Promise<{ items: Tag[] }> => get('/tags', { retired }, signal)
export const defineTag = (body: Body): Promise<Tag> => post('/tags', body)
export const changeTag = (id: number, body: Body): Promise<Tag> => call('PATCH', `/tags/${id}`, { json: body })
export const setTag = (id: number, body: Body): Promise<{ visible: number; changed: number }> => post(`/tags/${id}/rows`, body)
