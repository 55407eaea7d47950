/**
 * What is searched for may be somebody's telephone number, and addresses end in histories and logs: words with many
 * digits stay in this tab's session storage, and the address bears a key to them.
 */
const MARK = '~'
const STORE = 'wj-words:'
const MANY_DIGITS = 5

export const personal = (words: string): boolean => words.replace(/\D/g, '').length >= MANY_DIGITS

/** The words as they may stand in an address. */
export function written(words: string): string {
  if (!personal(words)) return words.startsWith(MARK) ? words.slice(1) : words
  for (let n = 0; n < sessionStorage.length; n += 1) {
    const name = sessionStorage.key(n)!
    if (name.startsWith(STORE) && sessionStorage.getItem(name) === words) return MARK + name.slice(STORE.length)
  }
  const key = crypto.randomUUID().slice(0, 8)
  sessionStorage.setItem(STORE + key, words)
  return MARK + key
}

/** The words an address stands for; none when the key is another tab's. */
export const spoken = (text: string): string => (text.startsWith(MARK) ? (sessionStorage.getItem(STORE + text.slice(1)) ?? '') : text)
