import { call, get, post } from '@/api/http'
import type { OneTimePassword, Page, Role, UserRow } from '@/api/types'

export const listUsers = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<UserRow>> => get('/users', query, signal)
export const listRoles = (signal?: AbortSignal): Promise<Role[]> => get('/roles', undefined, signal)
export const createUser = (user: { username: string; display_name: string; org_code: string }): Promise<OneTimePassword> => post('/users', user)
export const resetPassword = (id: string): Promise<OneTimePassword> => post(`/users/${id}/password-reset`)
export const setDisabled = (id: string, disabled: boolean, reason: string): Promise<UserRow> => post(`/users/${id}/${disabled ? 'disable' : 'enable'}`, { reason })
export const setRoles = (id: string, roles: string[]): Promise<UserRow> => call('PUT', `/users/${id}/roles`, { json: { roles } })
