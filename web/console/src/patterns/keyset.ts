import { computed, onBeforeUnmount, reactive, watch } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import type { Page } from '@/api/types'
import { useRemote } from './remote'

export const PAGE_SIZE = 30
const TYPING_PAUSE_MS = 350

type Filters = Record<string, string>

/**
 * A server-paged list whose filters and cursor live in the address: a link shows the same list,
 * Back returns to it. `names` are the filters this list knows; others in the address are ignored.
 * The way back through earlier pages is kept in the history entry, since keyset cursors only go forward.
 */
export function useKeyset<T>(names: string[], read: (query: Filters, signal: AbortSignal) => Promise<Page<T>>) {
  const route = useRoute()
  const router = useRouter()
  const path = route.path
  const text = (value: unknown): string => (typeof value === 'string' ? value : '')
  const filters = reactive<Filters>(Object.fromEntries(names.map((name) => [name, text(route.query[name])])))
  const cursor = computed(() => text(route.query.cursor))
  const trail = (): string[] => (Array.isArray(history.state?.trail) ? (history.state.trail as string[]) : [])

  const remote = useRemote<Page<T>>((signal) => {
    const query: Filters = { limit: String(PAGE_SIZE) }
    for (const name of [...names, 'cursor']) if (text(route.query[name])) query[name] = text(route.query[name])
    return read(query, signal)
  })

  const asQuery = (): Filters => Object.fromEntries(Object.entries(filters).filter(([, value]) => value))
  const apply = (): Promise<unknown> => router.replace({ query: asQuery() })
  const next = (to: string): Promise<unknown> =>
    router.push({ query: { ...asQuery(), cursor: to }, state: { trail: [...trail(), cursor.value] } })
  const previous = (): Promise<unknown> => {
    const before = trail()
    const to = before.at(-1) ?? ''
    return router.push({ query: to ? { ...asQuery(), cursor: to } : asQuery(), state: { trail: before.slice(0, -1) } })
  }
  const clear = (): Promise<unknown> => {
    for (const name of names) filters[name] = ''
    return apply()
  }

  let timer = 0
  watch(filters, () => {
    clearTimeout(timer)
    timer = window.setTimeout(() => {
      if (names.some((name) => filters[name] !== text(route.query[name]))) void apply()
    }, TYPING_PAUSE_MS)
  })
  watch(() => route.query, () => {
    if (route.path !== path) return
    for (const name of names) filters[name] = text(route.query[name])
    void remote.load()
  })
  onBeforeUnmount(() => clearTimeout(timer))

  const filtered = computed(() => names.some((name) => text(route.query[name]) !== ''))
  return { filters, remote, cursor, next, previous, clear, filtered }
}
