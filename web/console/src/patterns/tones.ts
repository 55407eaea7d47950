/** How a state looks: its tone, one of five. */
export type Tone = 'ok' | 'busy' | 'warn' | 'bad' | 'mute'

const TONES: Record<string, Record<string, Tone>> = {
  capture: { queued: 'mute', running: 'busy', sealed: 'ok', failed: 'bad', cancelled: 'mute' },
  outcome: { COMPLETE: 'ok', PARTIAL: 'warn', BLOCKED: 'warn', FAILED: 'bad' },
  clue: { new: 'busy', assigned: 'warn', signed: 'busy', returned: 'warn', dismissed: 'mute', not_filed: 'mute', filed: 'ok' },
  claim: { imported: 'mute', matched: 'busy', candidate: 'warn', offered: 'warn', reoffered: 'warn', claimed: 'ok', rejected: 'bad', pool: 'mute' },
  job: { queued: 'mute', running: 'busy', done: 'ok', cancelled: 'mute', failed: 'bad' },
  check_state: { due: 'warn', passed: 'ok', failed: 'bad', unclear: 'mute', cancelled: 'mute' },
  presence: { active: 'ok', dead: 'bad', weeded: 'mute', merged: 'mute' },
  case: { filed: 'busy', investigating: 'busy', concluded: 'ok', closed: 'mute' },
  health: { ok: 'ok', ready: 'ok', up: 'ok', degraded: 'warn', warn: 'warn', down: 'bad', failed: 'bad', unknown: 'mute' },
  key: { current: 'ok', ended: 'mute', revoked: 'bad' },
  user: { active: 'ok', locked: 'warn', disabled: 'mute' },
  imports: { uploaded: 'mute', checking: 'busy', checked: 'warn', running: 'busy', done: 'ok', cancelled: 'warn', failed: 'bad', undoing: 'busy', undone: 'mute' },
  check: { passed: 'ok', failed: 'bad', skipped: 'mute', warned: 'warn' },
  verdict: { VALID: 'ok', REDACTED: 'warn', DISCLOSED: 'warn', LOGGED: 'ok', INVALID: 'bad', UNREADABLE: 'bad' },
  stage: { signed: 'warn', stamped: 'busy', logged: 'busy', sealed: 'ok' },
  custody: { intact: 'ok', waiting: 'mute', gap: 'bad', altered: 'bad' },
  retention: { held: 'warn', kept: 'ok', locked: 'ok', unlocked: 'mute' },
  copy: { confirmed: 'ok', waiting: 'warn' },
  sealing: { ok: 'ok', warn: 'warn', bad: 'bad' },
}

export function toneOf(family: string, state: string): Tone {
  return TONES[family]?.[state] ?? 'mute'
}
