import type { Organisation } from '@/api/types'

export interface OrgGroup {
  code: string
  name: string
  members: Organisation[]
}

/**
 * Authorities under the city (or province) authority they answer to, each group led by that authority itself.
 * Groups and members keep the order of the codes.
 */
export function groupOrganisations(all: Organisation[]): OrgGroup[] {
  const groups = new Map<string, OrgGroup>()
  const regionOf = (code: string): string => {
    const region = code.slice(0, 6)
    return region.endsWith('0000') ? region : `${region.slice(0, 4)}00`
  }
  for (const one of [...all].sort((a, b) => a.code.localeCompare(b.code))) {
    const region = regionOf(one.code)
    const group = groups.get(region) ?? { code: region, name: one.name, members: [] }
    group.members.push(one)
    groups.set(region, group)
  }
  return [...groups.values()]
}
