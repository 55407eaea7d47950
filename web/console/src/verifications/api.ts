import { call, get, post } from '@/api/http'
import type { components } from '@/api/schema'
import type { Page } from '@/api/types'

type Schema = components['schemas']
export type CheckRow = Schema['VerificationRow']
export type Check = Schema['VerificationOut']
export type CheckCounts = Schema['CheckCounts']
export type Plan = Schema['PlanOut']
export type NewPlan = Schema['PlanIn']
export type Weeded = Schema['WeededRow']
export type Weeding = Schema['WeedingIn']
export type WeedingResult = Schema['WeedingOut']

export const CLASSES = ['dead_link', 'mismatch', 'not_ours'] as const
export const CHECK_STATES = ['due', 'passed', 'failed', 'unclear', 'cancelled'] as const

export const listChecks = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<CheckRow>> => get('/verifications', query, signal)
export const readCounts = (signal?: AbortSignal): Promise<CheckCounts> => get('/verifications/counts', undefined, signal)
export const readCheck = (id: string, signal?: AbortSignal): Promise<Check> => get(`/verifications/${id}`, undefined, signal)
export const giveResult = (id: string, action: string, fields: Record<string, string>, version: number): Promise<Check> =>
  post(`/verifications/${id}/transitions`, { action, ...fields, version })
export const listPlans = (signal?: AbortSignal): Promise<{ items: Plan[] }> => get('/verifications/plans', undefined, signal)
export const makePlan = (plan: NewPlan): Promise<Plan> => post('/verifications/plans', plan)
export const changePlan = (id: string, change: Schema['PlanChange']): Promise<Plan> => call('PATCH', `/verifications/plans/${id}`, { json: change })
export const runPlan = (id: string): Promise<Plan> => post(`/verifications/plans/${id}/rounds`, {})
export const listWeeded = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<Weeded>> => get('/verifications/weedings', query, signal)
export const weed = (given: Weeding): Promise<WeedingResult> => post('/verifications/weedings', given)
