/** Which artefact of a capture is which. */
import type { Artefact } from '@/api/types'

/** The full-page picture: by role, else the largest PNG. */
export function pictureOf(artefacts: Artefact[]): Artefact | null {
  const pictures = artefacts.filter((one) => one.media_type === 'image/png')
  // The first picture of a page too tall for one is page.png, the others follow by number.
  const named = pictures.find((one) => /(^|\/)page\.png$/.test(one.path))
  return named ?? [...pictures].sort((a, b) => b.bytes - a.bytes)[0] ?? null
}

/** The page's text: by role, else the first plain text that is not a log. */
export function textOf(artefacts: Artefact[]): Artefact | null {
  const texts = artefacts.filter((one) => one.media_type.startsWith('text/plain'))
  return texts.find((one) => /text/.test(one.role) || /(^|\/)text\.txt$/.test(one.path)) ?? texts[0] ?? null
}
