/** The four steps of the wizard, and which one an import is at. */
export const STEPS = ['upload', 'fields', 'check', 'run'] as const
export type Step = (typeof STEPS)[number]

const WORKING = new Set(['checking', 'running', 'undoing'])

export const isWorking = (state: string): boolean => WORKING.has(state)

export function stepOf(state: string): Step {
  if (state === 'uploaded') return 'fields'
  return state === 'checking' || state === 'checked' ? 'check' : 'run'
}
