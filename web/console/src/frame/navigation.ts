/** What the side navigation offers, and who sees which entry. */
import { Collection, DataAnalysis, Document, Files, Flag, Key, Monitor, OfficeBuilding, Tickets, User } from '@element-plus/icons-vue'
import type { Component } from 'vue'

export interface NavEntry {
  route: string
  label: string
  icon: Component
  needs: string[]
}

export interface NavGroup {
  label: string
  entries: NavEntry[]
}

export const NAVIGATION: NavGroup[] = [
  {
    label: 'nav.group_work',
    entries: [
      { route: 'workbench', label: 'nav.workbench', icon: DataAnalysis, needs: [] },
      { route: 'captures', label: 'nav.captures', icon: Monitor, needs: ['capture:read'] },
      { route: 'evidence-list', label: 'nav.evidence', icon: Collection, needs: ['evidence:read'] },
      { route: 'clues', label: 'nav.clues', icon: Flag, needs: ['clue:read'] },
      { route: 'cases', label: 'nav.cases', icon: Files, needs: ['case:read'] },
      { route: 'subjects', label: 'nav.subjects', icon: OfficeBuilding, needs: ['registry:read'] },
    ],
  },
  {
    label: 'nav.group_admin',
    entries: [
      { route: 'users', label: 'nav.users', icon: User, needs: ['user:manage', 'role:grant'] },
      { route: 'audit', label: 'nav.audit', icon: Tickets, needs: ['audit:read'] },
      { route: 'signing-keys', label: 'nav.signing_keys', icon: Key, needs: ['key:manage', 'system:read'] },
      { route: 'system', label: 'nav.system', icon: Document, needs: ['system:read'] },
    ],
  },
]

/** The groups and entries a holder of the given right may open; empty groups fall away. */
export function visibleNavigation(may: (...needed: string[]) => boolean): NavGroup[] {
  return NAVIGATION
    .map((group) => ({ ...group, entries: group.entries.filter((entry) => may(...entry.needs)) }))
    .filter((group) => group.entries.length > 0)
}
