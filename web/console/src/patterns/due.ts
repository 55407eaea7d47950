import type { Tone } from './tones'

/** The light of a limit by working days left: more than 3 calm, up to 3 a warning, up to 1 urgent, past is over. */
export function dueTone(workingDaysLeft: number, overdue: boolean): Tone {
  if (overdue || workingDaysLeft <= 1) return 'bad'
  return workingDaysLeft <= 3 ? 'warn' : 'ok'
}
