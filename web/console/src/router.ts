import { createRouter, createWebHistory, type Router, type RouteRecordRaw } from 'vue-router'
import type { useSession } from './session/store'

declare module 'vue-router' {
  interface RouteMeta {
    /** i18n key of the page's name, for breadcrumbs and the window title. */
    title: string
    /** One of these permissions is needed; none means: any signed-in user. */
    needs?: string[]
    /** Shown without the frame (sign in, change password). */
    bare?: boolean
    /** Open to people who are not signed in. */
    open?: boolean
    /** Name of the route above this one in the breadcrumbs. */
    parent?: string
    /** Full width instead of the reading width. */
    wide?: boolean
  }
}

type Loader = () => Promise<unknown>
const page = (path: string, name: string, load: Loader, meta: RouteRecordRaw['meta']): RouteRecordRaw =>
  ({ path, name, component: load as never, meta })

const routes: RouteRecordRaw[] = [
  page('/sign-in', 'sign-in', () => import('./session/SignIn.vue'), { title: 'session.sign_in', bare: true, open: true }),
  page('/password', 'password', () => import('./session/ChangePassword.vue'), { title: 'session.change_password', bare: true }),
  page('/', 'workbench', () => import('./workbench/Workbench.vue'), { title: 'nav.workbench' }),

  page('/captures', 'captures', () => import('./captures/CaptureList.vue'), { title: 'nav.captures', needs: ['capture:read'] }),
  page('/captures/new', 'capture-new', () => import('./captures/CaptureNew.vue'), { title: 'captures.new', needs: ['capture:create'], parent: 'captures' }),
  page('/captures/:id', 'capture', () => import('./captures/CaptureRun.vue'), { title: 'captures.one', needs: ['capture:read'], parent: 'captures' }),

  page('/evidence', 'evidence-list', () => import('./evidence/EvidenceList.vue'), { title: 'nav.evidence', needs: ['evidence:read'] }),
  page('/evidence/:id', 'evidence', () => import('./evidence/EvidenceDetail.vue'), { title: 'evidence.one', needs: ['evidence:read'], parent: 'evidence-list' }),

  page('/evidence/:id/print', 'evidence-print', () => import('./evidence/PrintPage.vue'), { title: 'print.title', needs: ['evidence:export'], parent: 'evidence-list', bare: true }),

  page('/clues', 'clues', () => import('./clues/ClueList.vue'), { title: 'nav.clues', needs: ['clue:read'] }),
  page('/clues/new', 'clue-new', () => import('./clues/ClueNew.vue'), { title: 'clues.new', needs: ['clue:create'], parent: 'clues' }),
  page('/clues/:id', 'clue', () => import('./clues/ClueDetail.vue'), { title: 'clues.one', needs: ['clue:read'], parent: 'clues' }),

  page('/cases', 'cases', () => import('./cases/CaseList.vue'), { title: 'nav.cases', needs: ['case:read'] }),
  page('/cases/:id', 'case', () => import('./cases/CaseDetail.vue'), { title: 'cases.one', needs: ['case:read'], parent: 'cases' }),

  page('/find', 'find', () => import('./lists/FindPage.vue'), { title: 'lists.find', needs: ['registry:read'], parent: 'subjects' }),
  page('/subjects', 'subjects', () => import('./subjects/SubjectList.vue'), { title: 'nav.subjects', needs: ['registry:read'] }),
  page('/presences', 'presences', () => import('./subjects/PresenceList.vue'), { title: 'nav.presences', needs: ['registry:read'], parent: 'subjects' }),
  page('/subjects/new', 'subject-new', () => import('./subjects/SubjectNew.vue'), { title: 'subjects.new', needs: ['registry:write'], parent: 'subjects' }),
  page('/subjects/import', 'subject-import', () => import('./imports/ImportNew.vue'), { title: 'imports.new', needs: ['registry:import'], parent: 'imports' }),
  page('/imports', 'imports', () => import('./imports/ImportList.vue'), { title: 'imports.title', needs: ['registry:read'], parent: 'subjects' }),
  page('/imports/:id', 'import', () => import('./imports/ImportPage.vue'), { title: 'imports.one', needs: ['registry:read'], parent: 'imports' }),
  page('/subjects/:id', 'subject', () => import('./subjects/SubjectDetail.vue'), { title: 'subjects.one', needs: ['registry:read'], parent: 'subjects' }),
  page('/subjects/:id/edit', 'subject-edit', () => import('./subjects/SubjectEdit.vue'), { title: 'records.edit', needs: ['registry:write'], parent: 'subjects' }),
  page('/presences/new', 'presence-new', () => import('./subjects/PresenceNew.vue'), { title: 'records.new_presence', needs: ['registry:write'], parent: 'presences' }),
  page('/presences/:id', 'presence', () => import('./subjects/PresenceDetail.vue'), { title: 'records.shop', needs: ['registry:read'], parent: 'presences' }),
  page('/presences/:id/edit', 'presence-edit', () => import('./subjects/PresenceEdit.vue'), { title: 'records.edit', needs: ['registry:write'], parent: 'presences' }),
  page('/tags', 'tags', () => import('./subjects/TagList.vue'), { title: 'records.tags_title', needs: ['registry:read'], parent: 'subjects' }),
  page('/inspections', 'inspections', () => import('./subjects/InspectionList.vue'), { title: 'records.inspections_title', needs: ['registry:read'], parent: 'subjects' }),
  page('/presences/:id/links', 'presence-links', () => import('./links/LinkPage.vue'), { title: 'links.title', needs: ['registry:read'], parent: 'presences' }),
  page('/hubs', 'hubs', () => import('./links/HubList.vue'), { title: 'links.hubs', needs: ['registry:read'], parent: 'subjects' }),
  page('/hubs/:id', 'hub', () => import('./links/HubDetail.vue'), { title: 'links.hub', needs: ['registry:read'], parent: 'hubs' }),
  page('/findings', 'findings', () => import('./links/FindingList.vue'), { title: 'links.findings', needs: ['registry:read'], parent: 'subjects' }),
  page('/link-exchange', 'link-exchanges', () => import('./links/ExchangeList.vue'), { title: 'links.exchanges', needs: ['registry:exchange'], parent: 'subjects' }),
  page('/link-exchange/:id', 'link-exchange', () => import('./links/ExchangeDetail.vue'), { title: 'links.exchange', needs: ['registry:exchange'], parent: 'link-exchanges' }),

  page('/claims', 'claims', () => import('./claims/ClaimList.vue'), { title: 'claims.title', needs: ['registry:read'], parent: 'subjects' }),
  page('/claims/board', 'claim-board', () => import('./claims/ClaimBoard.vue'), { title: 'claims.board', needs: ['registry:read'], parent: 'claims' }),
  page('/claims/jobs', 'claim-jobs', () => import('./claims/ClaimJobs.vue'), { title: 'claims.jobs', needs: ['registry:read'], parent: 'claims' }),
  page('/claims/:id', 'claim', () => import('./claims/ClaimDetail.vue'), { title: 'claims.one', needs: ['registry:read'], parent: 'claims' }),
  page('/verifications', 'verifications', () => import('./verifications/VerificationList.vue'), { title: 'verifications.title', needs: ['registry:read'], parent: 'claims' }),
  page('/verifications/plans', 'verification-plans', () => import('./verifications/PlanList.vue'), { title: 'verifications.plans', needs: ['registry:read'], parent: 'verifications' }),
  page('/verifications/weeded', 'weeded', () => import('./verifications/WeededList.vue'), { title: 'verifications.weeded', needs: ['registry:read'], parent: 'verifications' }),
  page('/verifications/:id', 'verification', () => import('./verifications/VerificationDetail.vue'), { title: 'verifications.one', needs: ['registry:read'], parent: 'verifications' }),
  page('/duplicates', 'duplicates', () => import('./duplicates/DuplicateList.vue'), { title: 'duplicates.title', needs: ['registry:import'], parent: 'subjects' }),
  page('/duplicates/:id', 'duplicate', () => import('./duplicates/DuplicateDetail.vue'), { title: 'duplicates.one', needs: ['registry:import'], parent: 'duplicates' }),
  page('/platform-reports', 'platform-reports', () => import('./platform-reports/ReportList.vue'), { title: 'platform_reports.title', needs: ['registry:read'], parent: 'subjects' }),
  page('/platform-reports/:id', 'platform-report', () => import('./platform-reports/ReportDetail.vue'), { title: 'platform_reports.one', needs: ['registry:read'], parent: 'platform-reports' }),

  page('/users', 'users', () => import('./users/UserList.vue'), { title: 'nav.users', needs: ['user:manage', 'role:grant'] }),
  page('/audit', 'audit', () => import('./audit/AuditList.vue'), { title: 'nav.audit', needs: ['audit:read'] }),
  page('/keys', 'signing-keys', () => import('./keys/KeyList.vue'), { title: 'nav.signing_keys', needs: ['key:manage', 'system:read'] }),
  page('/system', 'system', () => import('./system/SystemHealth.vue'), { title: 'nav.system', needs: ['system:read'] }),

  page('/forbidden', 'forbidden', () => import('./frame/Forbidden.vue'), { title: 'frame.forbidden' }),
  page('/:rest(.*)*', 'not-found', () => import('./frame/NotFound.vue'), { title: 'frame.not_found' }),
]

const asNext = (fullPath: string): Record<string, string> => (fullPath === '/' ? {} : { next: fullPath })

export function createConsoleRouter(session: ReturnType<typeof useSession>): Router {
  const router = createRouter({
    history: createWebHistory(),
    routes,
    scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
  })
  router.beforeEach(async (to) => {
    if (!session.loaded) await session.load().catch(() => undefined)
    if (!session.signedIn) {
      return to.meta.open ? true : { name: 'sign-in', query: asNext(to.fullPath) }
    }
    if (session.session?.must_change_password && to.name !== 'password') return { name: 'password', query: asNext(to.fullPath) }
    if (to.name === 'sign-in') return { name: 'workbench' }
    if (!session.may(...(to.meta.needs ?? []))) return { name: 'forbidden', query: { page: to.meta.title } }
    return true
  })
  return router
}
