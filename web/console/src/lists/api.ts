import { call, get, post, send } from '@/api/http'
import type { Page, Presence, SubjectRow } from '@/api/types'

export type Noun = 'subjects' | 'presences'
export type Filters = Record<string, string>
export interface Facet { value: string; count: number }
export interface Facets { total: number; capped: boolean; facets: Record<string, Facet[]> }
export interface SavedSearch { id: string; name: string; shared: boolean; own: boolean; q: string | null; filters: Filters; created_by_name: string }
export interface AnyFound { subjects: SubjectRow[]; subjects_more: boolean; presences: Presence[]; presences_more: boolean }
interface Region { code: string; name: string }

const asked = (filters: Filters): Filters => Object.fromEntries(Object.entries(filters).filter(([, value]) => value))

export const searchRows = <T>(noun: Noun, filters: Filters, signal?: AbortSignal): Promise<Page<T>> =>
  call('POST', noun === 'subjects' ? '/subjects/search' : '/presences/search', { json: asked(filters), signal })
export const readFacets = (noun: Noun, filters: Filters, signal?: AbortSignal): Promise<Facets> =>
  call('POST', noun === 'subjects' ? '/subjects/facets' : '/presences/facets', { json: asked(filters), signal })
export const tagFound = (noun: Noun, body: { tag_id: number; action: 'put' | 'take_off'; preview: boolean }, query: Filters): Promise<{ rows: number; changed: number; next_cursor: string | null }> =>
  post('/searches/tag', { ...body, target: noun, query: asked(query) })
export const exportPresences = async (filters: Filters): Promise<Blob> =>
  (await send('POST', '/presences/export', { json: asked(filters) })).blob()
export const findAny = (q: string, signal?: AbortSignal): Promise<AnyFound> => call('POST', '/searches/find', { json: { q }, signal })
export const listSaved = (target: Noun, signal?: AbortSignal): Promise<{ items: SavedSearch[] }> => get('/searches', { target }, signal)
export const keepSearch = (body: { target: Noun; name: string; shared: boolean; q: string | null; filters: Filters }): Promise<SavedSearch> =>
  post('/searches', body)
export const dropSearch = (id: string): Promise<void> => call('DELETE', `/searches/${id}`)
export const listRegions = (signal?: AbortSignal): Promise<{ items: Region[] }> => get('/regions', undefined, signal)
