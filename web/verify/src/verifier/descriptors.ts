/** The two WACZ 1.1.1 descriptors, made anew from the manifest and the files. */

import type { Bytes } from './bytes.ts'
import { canonical } from './json.ts'
import type { Manifest } from './manifest.ts'
import { DATAPACKAGE, DIGEST } from './names.ts'
import type { Member } from './zip.ts'

/** datapackage.json for these files. */
export function datapackage(manifest: Manifest, members: readonly Member[]): Bytes {
  const { target } = manifest
  const page = target.finalUrl || target.requestedUrl
  const files = members.filter((member) => member.name !== DATAPACKAGE && member.name !== DIGEST)
  return canonical({
    created: manifest.end,
    mainPageDate: manifest.start,
    mainPageUrl: page,
    profile: 'data-package',
    resources: files.map(({ name, size, found }) => ({ bytes: size, hash: `sha256:${found.sha256}`, name, path: name })),
    software: 'wangjian evidence package v2',
    title: target.title || page,
    wacz_version: '1.1.1',
  })
}

/** datapackage-digest.json for that descriptor's SHA-256 (hex). */
export function datapackageDigest(sha256: string): Bytes {
  return canonical({ hash: `sha256:${sha256}`, path: DATAPACKAGE })
}
