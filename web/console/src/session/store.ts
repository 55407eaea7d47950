import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { call, get, post } from '@/api/http'
import { ApiProblem } from '@/api/problem'
import type { Session } from '@/api/types'
import { currentLocale, setLocale } from '@/i18n'
import { useSignInAgain } from './again'
import { IdleWatch } from './idle'

/** Seconds before the idle limit at which the console asks whether to stay signed in. */
const WARN_BEFORE_S = 120

/** Whether at least one of the needed permissions is held; nothing needed means yes. */
function holds(held: string[], needed: string[]): boolean {
  return needed.length === 0 || needed.some((permission) => held.includes(permission))
}

/** Signing in, out and changing the password; `accept` takes the platform's answer. */
function deeds(accept: (answer: Session) => void, signedInAs: () => Session | null, forget: () => void) {
  async function signIn(username: string, password: string): Promise<void> {
    const before = signedInAs()?.user.id
    const answer = await call<Session>('POST', '/session', { json: { username, password }, anonymous: true })
    // Somebody else at this screen: nothing of the first person's pages may stay.
    if (before && before !== answer.user.id) return window.location.assign('/')
    accept(answer)
  }

  async function signOut(): Promise<void> {
    try {
      await call('DELETE', '/session', { anonymous: true, headers: { 'X-CSRF-Token': signedInAs()?.csrf_token ?? '' } })
    } catch (error) {
      // Already expired counts as signed out.
      if (!(error instanceof ApiProblem) || error.status !== 401) throw error
    }
    forget()
  }

  async function changePassword(current: string, next: string): Promise<void> {
    accept(await post<Session>('/session/password', { current, new: next }))
  }

  return { signIn, signOut, changePassword }
}

export const useSession = defineStore('session', () => {
  const session = ref<Session | null>(null)
  const loaded = ref(false)
  const closing = ref(false)
  const idle = new IdleWatch()
  const again = useSignInAgain()
  const user = computed(() => session.value?.user ?? null)
  const signedIn = computed(() => session.value !== null)
  const may = (...needed: string[]): boolean => holds(session.value?.permissions ?? [], needed)

  const seen = (): void => idle.seen()

  function accept(answer: Session): void {
    session.value = answer
    idle.told(answer.idle_seconds_left)
    closing.value = false
    again.settle(true)
  }

  function forget(): void {
    session.value = null
    closing.value = false
    again.settle(false)
    // The platform asks the browser to forget everything of this site on signing out; the language is kept.
    setLocale(currentLocale())
  }

  /** Read the session; none when nobody is signed in. Throws ApiProblem for anything else. */
  async function load(): Promise<void> {
    try {
      accept(await call<Session>('GET', '/session', { anonymous: true }))
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.status !== 401) throw error
      session.value = null
    } finally {
      loaded.value = true
    }
  }

  const signInAgain = (): Promise<boolean> => (session.value ? again.ask() : Promise.resolve(false))

  /** Once a second: is the idle limit near, or over? */
  function tick(now: number): void {
    if (!session.value || again.asking.value) return
    const left = idle.left(now)
    closing.value = left > 0 && left <= WARN_BEFORE_S && idle.limit > 2 * WARN_BEFORE_S
    if (left <= 0) void again.ask()
  }

  /** Stay signed in: asking for the session is not activity, so something else the user may read is asked for. */
  async function stay(): Promise<void> {
    const path = may('capture:read') ? '/captures' : may('user:manage', 'role:grant') ? '/users' : '/system'
    await get(path, { limit: 1 })
    await load()
  }

  return {
    session, loaded, closing, user, signedIn, asking: again.asking, may, seen, load, forget, signInAgain, tick, stay,
    ...deeds(accept, () => session.value, forget),
    lastUsername: (): string => session.value?.user.username ?? '',
  }
})
