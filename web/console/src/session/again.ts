import { ref, type Ref } from 'vue'

export interface SignInAgain {
  asking: Ref<boolean>
  /** Opens the dialog once, however many requests wait; true when somebody signed in. */
  ask: () => Promise<boolean>
  settle: (ok: boolean) => void
}

/** The one question "please sign in again" that any number of refused requests wait for. */
export function useSignInAgain(): SignInAgain {
  const asking = ref(false)
  let waiting: Promise<boolean> | null = null
  let answer: (ok: boolean) => void = () => undefined

  function ask(): Promise<boolean> {
    waiting ??= new Promise<boolean>((resolve) => { answer = resolve })
    asking.value = true
    return waiting
  }

  function settle(ok: boolean): void {
    asking.value = false
    answer(ok)
    waiting = null
  }

  return { asking, ask, settle }
}
