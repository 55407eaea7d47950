import type { Capture, Step } from '@/api/types'

/** The steps of a capture in the order they happen (the platform's contract). */
export const STEP_OPS = [
  'order_logged', 'clean_check', 'load', 'scroll', 'shots', 'collect', 'hashing', 'upload',
  'signed', 'stamped', 'logged', 'custodian', 'sealed',
] as const

export interface ShownStep {
  op: string
  state: 'waiting' | 'running' | 'done' | 'failed' | 'left_out'
  step: Step | null
}

/** Put a step that arrived into the list; the same seq again replaces the older state. */
export function mergeStep(steps: Step[], arrived: Step): Step[] {
  const others = steps.filter((step) => step.seq !== arrived.seq)
  return [...others, arrived].sort((a, b) => a.seq - b.seq)
}

/**
 * The whole way with what is known of each step: what has come, what is still to come, and, once the capture
 * has ended, what was left out. Steps the platform adds later are shown after the known ones.
 */
export function shownSteps(steps: Step[], ended: boolean): ShownStep[] {
  const latest = new Map<string, Step>()
  for (const step of steps) latest.set(step.op, step)
  const known = STEP_OPS.map((op): ShownStep => {
    const step = latest.get(op) ?? null
    return { op, state: step?.state ?? (ended ? 'left_out' : 'waiting'), step }
  })
  const extra = [...latest.values()].filter((step) => !(STEP_OPS as readonly string[]).includes(step.op))
  return [...known, ...extra.map((step) => ({ op: step.op, state: step.state, step }))]
}

export const hasEnded = (capture: Pick<Capture, 'state'>): boolean => ['sealed', 'failed', 'cancelled'].includes(capture.state)
