/** The one way the console talks to the platform: same origin, session cookie, JSON. */
import type { ApiPath } from './types'
import { ApiProblem, problemOf, unreachable } from './problem'

export type Query = Record<string, string | number | boolean | null | undefined>

export interface RequestOptions {
  query?: Query
  json?: unknown
  body?: BodyInit
  headers?: Record<string, string>
  signal?: AbortSignal
  /** The sign-in calls themselves: a 401 is an answer there, not an expired session. */
  anonymous?: boolean
  /** The page asks by itself, not the person: this does not keep the session alive. */
  background?: boolean
}

/** What the session part lends to the client; set once at start. */
export interface SessionHooks {
  csrfToken: () => string
  locale: () => string
  /** Ask the user to sign in again; true when a session exists again. */
  signInAgain: () => Promise<boolean>
  /** Read the session (and its CSRF token) anew. */
  refresh: () => Promise<void>
  /** An answered request: the session lives on. */
  seen: () => void
}

let hooks: SessionHooks | null = null

export function connectSession(given: SessionHooks): void {
  hooks = given
}

/** `/api` + path + query, leaving out empty values. */
export function urlOf(path: ApiPath, query: Query = {}): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== '') search.set(key, String(value))
  }
  const text = search.toString()
  return `/api${path}${text ? `?${text}` : ''}`
}

function headersFor(method: string, options: RequestOptions): Record<string, string> {
  const headers: Record<string, string> = { Accept: 'application/json', ...options.headers }
  if (hooks) headers['Accept-Language'] = hooks.locale()
  if (method !== 'GET' && hooks?.csrfToken()) headers['X-CSRF-Token'] = hooks.csrfToken()
  if (options.background) headers['X-Background'] = '1'
  if (options.json !== undefined) headers['Content-Type'] = 'application/json'
  return headers
}

async function sendOnce(method: string, path: ApiPath, options: RequestOptions): Promise<Response> {
  try {
    return await fetch(urlOf(path, options.query), {
      method,
      headers: headersFor(method, options),
      body: options.json === undefined ? options.body : JSON.stringify(options.json),
      credentials: 'same-origin',
      cache: 'no-store',
      signal: options.signal,
    })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw unreachable()
  }
}

/**
 * Send a request and give the response when it is 2xx.
 * An expired session asks the user to sign in again and then repeats the request, so that a
 * half-filled form is not lost; an outdated CSRF token is renewed and the request repeated once.
 * Throws ApiProblem.
 */
export async function send(method: string, path: ApiPath, options: RequestOptions = {}): Promise<Response> {
  let response = await sendOnce(method, path, options)
  if (response.status === 401 && hooks && !options.anonymous) {
    const problem = await problemOf(response)
    if (!(await hooks.signInAgain())) throw problem
    response = await sendOnce(method, path, options)
  } else if (response.status === 403 && hooks && method !== 'GET' && !options.anonymous) {
    const problem = await problemOf(response)
    if (!problem.code.includes('csrf')) throw problem
    await hooks.refresh()
    response = await sendOnce(method, path, options)
  }
  if (!response.ok) throw await problemOf(response)
  if (!options.anonymous && !options.background) hooks?.seen()
  return response
}

/** Send and read JSON; an empty answer (204) gives undefined. */
export async function call<T>(method: string, path: ApiPath, options: RequestOptions = {}): Promise<T> {
  const response = await send(method, path, options)
  if (response.status === 204) return undefined as T
  try {
    return (await response.json()) as T
  } catch {
    throw new ApiProblem({
      code: 'client.not_json',
      status: response.status,
      title: '平台的答复无法读取',
      title_en: "The platform's answer could not be read",
      todo: '请稍后重试；若持续出现，请联系系统管理员。',
      todo_en: 'Try again in a moment; if it goes on, tell the system administrator.',
      request_id: response.headers.get('X-Request-ID') ?? undefined,
    })
  }
}

export const get = <T>(path: ApiPath, query?: Query, signal?: AbortSignal): Promise<T> => call<T>('GET', path, { query, signal })
export const post = <T>(path: ApiPath, json?: unknown): Promise<T> => call<T>('POST', path, { json: json ?? {} })
