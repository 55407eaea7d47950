/** What the console can tell about an address before the platform judges it. */

export const LONGEST_ADDRESS = 2048

/**
 * Tidy what people paste: spaces around it, a share text with the link inside it,
 * a bare host name without the scheme. Gives the text unchanged when nothing is certain.
 */
export function tidyAddress(pasted: string): string {
  const text = pasted.trim()
  if (/^[a-z][a-z0-9+.-]*:/i.test(text) && !/\s/.test(text)) return text
  const inside = text.match(/https?:\/\/[^\s<>"'，。；）】]+/i)
  if (inside) return inside[0]
  if (/^[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}([/:?#]\S*)?$/i.test(text)) return `https://${text}`
  return text
}

/** The i18n key of what is wrong with an address, or null when it may be sent. */
export function addressFault(address: string): string | null {
  if (!address) return 'captures.fault_empty'
  if (address.length > LONGEST_ADDRESS) return 'captures.fault_long'
  let url: URL
  try {
    url = new URL(address)
  } catch {
    return 'captures.fault_form'
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'captures.fault_scheme'
  if (url.username || url.password) return 'captures.fault_password'
  return null
}
