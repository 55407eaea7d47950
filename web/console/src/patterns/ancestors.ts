import { computed, type ComputedRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'

export interface Ancestor {
  name: string
  title: string
}

/** The routes above the current one, outermost first, with the i18n keys of their names. */
export function useAncestors(): ComputedRef<Ancestor[]> {
  const route = useRoute()
  const router = useRouter()
  return computed(() => {
    const chain: Ancestor[] = []
    let parent = route.meta.parent
    while (parent) {
      const meta = router.resolve({ name: parent }).meta
      chain.unshift({ name: parent, title: meta.title })
      parent = meta.parent
    }
    return chain
  })
}
