/** Shapes that cross the wire, by the platform's contract. */

export interface Page<T> {
  items: T[]
  next_cursor: string | null
  total: number | null
  total_capped: boolean
}

export interface Person {
  sub: string
  name: string
  org: string
}

export interface Session {
  user: { id: string; name: string; org: string; org_name: string; region: string; roles: string[]; username: string }
  permissions: string[]
  csrf_token: string
  must_change_password: boolean
  idle_seconds_left: number
}

export type CaptureState = 'queued' | 'running' | 'sealed' | 'failed' | 'cancelled'
export type Outcome = 'COMPLETE' | 'PARTIAL' | 'BLOCKED' | 'FAILED'

export interface Bilingual {
  code?: string
  zh: string
  en: string
}

export interface Step {
  seq: number
  op: string
  state: 'running' | 'done' | 'failed'
  zh: string
  en: string
  at: string
  ms: number | null
  detail: Record<string, unknown>
}

export interface Capture {
  id: string
  url: string
  state: CaptureState
  outcome: Outcome | null
  reason: Bilingual | null
  evidence_id: string
  evidence_no: string | null
  sha256: string | null
  sm3: string | null
  ordered_by: Person
  purpose?: string | null
  org_code: string
  region_code: string
  created_at: string
  finished_at: string | null
  steps: Step[]
}

export interface Artefact {
  path: string
  role: string
  media_type: string
  bytes: number
  sha256: string
  sm3: string
}

export type Loose = Record<string, unknown>

export interface EvidenceRow {
  id: string
  evidence_no: string
  title: string | null
  requested_url: string
  final_url: string | null
  http_status: number | null
  outcome: Outcome
  captured_at: string
  sealed_at: string
  org_code: string
  region_code: string
}

export interface Evidence extends EvidenceRow {
  package: { sha256: string; sm3: string; bytes: number }
  facts: {
    dns?: Loose[]
    connections?: Loose[]
    tls?: Loose[]
    clock?: Loose
    environment?: Loose
    redirects?: unknown[]
    method?: Loose
  }
  artefacts: Artefact[]
  seals: { signatures?: Loose[]; timestamp?: Loose | null; log?: Loose | null; custodian?: Loose | null }
  ordered_by: Person
}

export interface CustodyEvent {
  seq: number
  event: string
  zh: string
  en: string
  actor: string | null
  org: string | null
  at: string
  reason: string | null
  client_ip: string | null
  log_index: number | null
}

export interface ActionField extends Bilingual {
  name: string
  kind: string
  required: boolean
}

export interface ClueAction {
  action: string
  zh: string
  en: string
  article?: string
  fields: ActionField[]
}

export interface HistoryEntry extends Bilingual {
  seq: number
  action: string
  from_state: string | null
  to_state: string
  actor: string
  org_code: string
  org_name: string
  reason: string | null
  details: Loose
  at: string
}

/** An evidence item as it was when attached: number and digests, never rewritten. */
export interface EvidenceRef {
  evidence_id: string
  evidence_no: string | null
  title: string | null
  outcome: Outcome | null
  sha256: string | null
  sm3: string | null
  attached_at: string
}

/** A running limit and the rule it comes from. */
export interface Deadline extends Bilingual {
  rule: string
  law: string
  article: string
  verified: boolean
  last_day: string
  due_at: string
  provisional: boolean
  overdue: boolean
  working_days_left: number
}

interface WorkRow {
  id: string
  title: string
  violation_code: string | null
  url: string | null
  subject_name: string | null
  state: string
  state_zh: string
  state_en: string
  version: number
  org_code: string
  org_name: string
  region_code: string
  due_at: string | null
  overdue: boolean
  updated_at: string
}

interface WorkDetail {
  deadline: Deadline | null
  evidence_ids: string[]
  evidence: EvidenceRef[]
  history: HistoryEntry[]
  actions: ClueAction[]
}

export interface ClueRow extends WorkRow {
  clue_no: string
  assigned_org_code: string | null
  assigned_org_name: string | null
  created_by_name: string
  created_at: string
}

export interface Clue extends ClueRow, WorkDetail {
  note: string | null
  assigned_at: string | null
  signed_at: string | null
  case_id: string | null
  case_no: string | null
}

export interface CaseRow extends WorkRow {
  case_no: string
  clue_id: string
  clue_no: string
  filed_by_name: string
  filed_at: string
}

export interface CaseFile extends CaseRow, WorkDetail {
  closed_at: string | null
}

export interface Organisation {
  code: string
  name: string
  region_code: string
  parent_code: string | null
}

export interface Finding extends Bilingual {
  field: string
}

export interface RowFinding extends Finding {
  row: number
}

interface Contacts {
  licence: string | null
  phone: string | null
  qq: string | null
  wechat: string | null
  address: string | null
}

export interface SubjectRow extends Contacts {
  id: string
  name: string
  kind: string
  kind_zh: string
  kind_en: string
  source: string
  org_code: string
  region_code: string
  warning_count: number
  created_at: string
  updated_at: string
}

export interface Presence extends Contacts {
  id: string
  name: string
  channel: string
  channel_zh: string
  channel_en: string
  platform: string | null
  url: string | null
  icp: string | null
  subject_id: string | null
  warning_count: number
  created_at: string
}

export interface Subject extends SubjectRow {
  legal_person: string | null
  warnings: Finding[]
  presences: Pick<Presence, 'id' | 'name' | 'channel' | 'channel_zh' | 'channel_en' | 'platform' | 'url'>[]
}

export interface ImportResult {
  id: string
  source: string
  filename: string
  encoding: string
  state: string
  rows: number
  created: number
  updated: number
  unchanged: number
  warning_count: number
  error_count: number
  warnings: RowFinding[]
  errors: RowFinding[]
}

export interface UserRow {
  id: string
  username: string
  display_name: string
  org_code: string
  org_name: string
  region_code: string
  roles: string[]
  disabled: boolean
  locked_until: string | null
  must_change_password: boolean
  created_at: string
}

export interface OneTimePassword {
  user: UserRow
  one_time_password: string
  expires_at: string
}

export interface Role extends Bilingual {
  code: string
  administrator: boolean
  permissions: string[]
}

export interface AuditEntry {
  source: string
  seq: number
  at: string
  actor: string
  actor_name: string
  org_code: string
  roles: string[]
  event: string
  object_type: string
  object_id: string
  result: string
  before: Loose | null
  after: Loose | null
  request_id: string
  client_ip: string
}

export interface AuditPage {
  items: AuditEntry[]
  next_cursor: string | null
  missing: string[]
}

export interface SystemPart extends Bilingual {
  name: string
  state: 'ok' | 'degraded' | 'down'
  line_zh: string
  line_en: string
  ms: number | null
  detail: Loose
}

export interface SystemState {
  status: 'ok' | 'degraded'
  line_zh: string
  line_en: string
  checked_at: string
  parts: SystemPart[]
}
