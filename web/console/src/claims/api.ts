import { get, post } from '@/api/http'
import type { components } from '@/api/schema'
import type { Page } from '@/api/types'

type Schema = components['schemas']
export type ClaimRow = Schema['ClaimRow']
export type Claim = Schema['ClaimOut']
export type ClaimStep = Schema['ClaimStepOut']
export type Choice = Schema['ClaimChoice']
export type Counts = Schema['CountList']
export type Order = Schema['OrderIn']
export type Selection = Partial<Schema['Selection']>
export type Preview = Schema['ClaimPreview']
export type Job = Schema['ClaimJobOut']

export const CLAIM_STATES = ['imported', 'matched', 'candidate', 'offered', 'claimed', 'rejected', 'reoffered', 'pool'] as const
export const REJECTIONS = ['not_ours', 'dead_link', 'mismatch', 'illegal_site'] as const
export const WEEDINGS = ['dead_link', 'mismatch', 'not_ours', 'illegal_site', 'closed'] as const

/** A name of our own for what is ordered: ordered twice by a lost answer, it is one job. */
export const orderKey = (): string => crypto.randomUUID()

export const listClaims = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<ClaimRow>> => get('/claims', query, signal)
export const readClaim = (id: string, signal?: AbortSignal): Promise<Claim> => get(`/claims/${id}`, undefined, signal)
export const moveClaim = (id: string, action: string, fields: Record<string, string>, version: number): Promise<Claim> =>
  post(`/claims/${id}/transitions`, { action, ...fields, version })
export const readCounts = (signal?: AbortSignal): Promise<Counts> => get('/claims/counts', undefined, signal)
export const previewOrder = (order: Order, selection: Selection): Promise<Preview> => post('/claims/preview', { order, selection })
export const orderJob = (order: Order, selection: Selection, key: string, expected: number): Promise<Job> =>
  post('/claims/jobs', { order, selection, key, expected })
export const orderMatching = (key: string): Promise<Job> => post('/claims/matching', { key })
export const listJobs = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<Job>> => get('/claims/jobs', query, signal)
export const readJob = (id: string): Promise<Job> => get(`/claims/jobs/${id}`)
export const cancelJob = (id: string): Promise<Job> => post(`/claims/jobs/${id}/cancellation`, {})
