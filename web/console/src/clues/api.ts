import { get, post } from '@/api/http'
import type { Clue, ClueRow, NewClue, Page } from '@/api/types'

export const listClues = (query: Record<string, string>, signal?: AbortSignal): Promise<Page<ClueRow>> => get('/clues', query, signal)
export const readClue = (id: string, signal?: AbortSignal): Promise<Clue> => get(`/clues/${id}`, undefined, signal)
export const createClue = (clue: NewClue): Promise<Clue> => post('/clues', clue)
export const moveClue = (id: string, action: string, fields: Record<string, string>, version: number): Promise<Clue> =>
  post(`/clues/${id}/transitions`, { action, ...fields, version })
