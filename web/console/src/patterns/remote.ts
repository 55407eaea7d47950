import { onBeforeUnmount, ref, shallowRef, watch, type Ref, type ShallowRef } from 'vue'
import { asProblem, type ApiProblem } from '@/api/problem'

export interface Remote<T> {
  data: ShallowRef<T | null>
  problem: ShallowRef<ApiProblem | null>
  loading: Ref<boolean>
  load: () => Promise<void>
}

/** One thing read from the platform, with its loading and problem states; a newer load wins over an older one. */
export function useRemote<T>(read: (signal: AbortSignal) => Promise<T>, immediately = true): Remote<T> {
  const data = shallowRef<T | null>(null)
  const problem = shallowRef<ApiProblem | null>(null)
  const loading = ref(false)
  let controller = new AbortController()

  async function load(): Promise<void> {
    controller.abort()
    controller = new AbortController()
    const { signal } = controller
    loading.value = true
    problem.value = null
    try {
      const answer = await read(signal)
      if (!signal.aborted) data.value = answer
    } catch (error) {
      if (!signal.aborted) problem.value = asProblem(error)
    } finally {
      if (!signal.aborted) loading.value = false
    }
  }

  onBeforeUnmount(() => controller.abort())
  if (immediately) void load()
  return { data, problem, loading, load }
}

/** Reads again every `ms` as long as what was read last says that work goes on. */
export function useFollowed<T>(remote: Remote<T>, goesOn: (data: T) => boolean, ms = 1500): void {
  let timer = 0
  watch(remote.data, (data) => {
    clearTimeout(timer)
    if (data !== null && goesOn(data)) timer = window.setTimeout(() => void remote.load(), ms)
  })
  onBeforeUnmount(() => clearTimeout(timer))
}

/** Reads again every `ms` while the page is looked at, whatever came of it before. */
export function useRefreshed(remote: Remote<unknown>, ms: number): void {
  const timer = window.setInterval(() => { if (!document.hidden && !remote.loading.value) void remote.load() }, ms)
  onBeforeUnmount(() => clearInterval(timer))
}

/** A deed the user asked for: busy while it runs, its problem kept for display. Gives undefined when refused. */
export function useDeed(): { busy: Ref<boolean>; problem: ShallowRef<ApiProblem | null>; run: <T>(deed: () => Promise<T>) => Promise<T | undefined> } {
  const busy = ref(false)
  const problem = shallowRef<ApiProblem | null>(null)
  async function run<T>(deed: () => Promise<T>): Promise<T | undefined> {
    busy.value = true
    problem.value = null
    try {
      return await deed()
    } catch (error) {
      problem.value = asProblem(error)
      return undefined
    } finally {
      busy.value = false
    }
  }
  return { busy, problem, run }
}
