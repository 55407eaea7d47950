import { get, post } from '@/api/http'
import type { KeysChanged, Page, SigningKey, SigningKeyList } from '@/api/types'

export type KeyRow = SigningKey & { id: string }

/** Every signing key there ever was; few enough for one page. */
export async function listKeys(signal?: AbortSignal): Promise<Page<KeyRow>> {
  const found = await get<SigningKeyList>('/keys', undefined, signal)
  return { items: found.items.map((key) => ({ ...key, id: key.keyid })), total: found.items.length }
}

export const rotateSealing = (reason: string): Promise<KeysChanged> => post('/keys/rotation', { role: 'sealing', reason })
export const revokeKey = (keyid: string, since: string, reason: string): Promise<KeysChanged> =>
  post(`/keys/${keyid}/revocation`, { since, reason })
