/** What the console can tell about a new password before the platform judges it. */

export const SHORTEST_PASSWORD = 12
const FEWEST_KINDS = 3

export interface PasswordForm {
  current: string
  next: string
  again: string
}

/** How many of the four kinds of character (small letter, capital, digit, other) a password uses. */
export function kindsIn(password: string): number {
  return [/\p{Ll}/u, /\p{Lu}/u, /\d/, /[^\p{Ll}\p{Lu}\d]/u].filter((kind) => kind.test(password)).length
}

/** The i18n key of the fault of each field; an empty object when the form may be sent. */
export function passwordFaults(form: PasswordForm): Partial<Record<keyof PasswordForm, string>> {
  const faults: Partial<Record<keyof PasswordForm, string>> = {}
  if (!form.current) faults.current = 'session.fault_current'
  if ([...form.next].length < SHORTEST_PASSWORD) faults.next = 'session.fault_short'
  else if (kindsIn(form.next) < FEWEST_KINDS) faults.next = 'session.fault_kinds'
  else if (form.next === form.current) faults.next = 'session.fault_same'
  if (form.again !== form.next) faults.again = 'session.fault_again'
  return faults
}
