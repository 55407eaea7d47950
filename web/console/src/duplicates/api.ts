import { get, post } from '@/api/http'
import type { components } from '@/api/schema'
import type { Page } from '@/api/types'

type Schema = components['schemas']

export type DuplicateRow = Schema['DuplicateRow']
export type Preview = Schema['MergePreview']
export type MergeField = Schema['MergeField']
export type Choice = Schema['MergeChoice']
export type Search = Schema['DuplicateSearch']
export type MergeDone = Schema['MergeDone']

export const listDuplicates = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<DuplicateRow>> => get('/duplicates', query, signal)
export const searchDuplicates = (): Promise<Search> => post('/duplicates/search')
export const readSearch = (): Promise<Search> => get('/duplicates/search')
export const cancelSearch = (): Promise<Search> => post('/duplicates/search/cancel')
export const readPreview = (id: string, keep: string, signal?: AbortSignal): Promise<Preview> => get(`/duplicates/${id}`, { keep }, signal)
export const mergeRecords = (id: string, keep: string, version: string, choices: Record<string, Choice>): Promise<Preview> =>
  post(`/duplicates/${id}/merge`, { keep, version, choices })
export const unmergeRecords = (id: string): Promise<MergeDone> => post(`/duplicates/${id}/unmerge`)
export const dismissPair = (id: string, note: string): Promise<DuplicateRow> => post(`/duplicates/${id}/dismiss`, { note })
