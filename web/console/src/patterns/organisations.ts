import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'
import { get } from '@/api/http'
import { asProblem, type ApiProblem } from '@/api/problem'
import type { Organisation } from '@/api/types'
import { useSession } from '@/session/store'

/** All authorities of the province are about a hundred: one request serves every picker and every name shown. */
const ALL = 500

export const useOrganisations = defineStore('organisations', () => {
  const session = useSession()
  const all = shallowRef<Organisation[]>([])
  const problem = shallowRef<ApiProblem | null>(null)
  const loading = ref(false)

  async function load(): Promise<void> {
    if (all.value.length > 0 || loading.value || !session.may('registry:read', 'user:manage', 'role:grant')) return
    loading.value = true
    problem.value = null
    try {
      all.value = (await get<{ items: Organisation[] }>('/organisations', { limit: ALL })).items
    } catch (error) {
      problem.value = asProblem(error)
    } finally {
      loading.value = false
    }
  }

  function nameOf(code: string | null | undefined): string {
    if (!code) return ''
    if (code === session.user?.org) return session.user.org_name
    return all.value.find((one) => one.code === code)?.name ?? code
  }

  return { all, problem, loading, load, nameOf }
})
