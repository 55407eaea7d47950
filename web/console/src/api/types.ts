/** Short names for what crosses the wire. The shapes themselves are generated from openapi.json (`npm run types`). */
import type { components, paths } from './schema'

type Schema = components['schemas']

/** A path of the platform with its parameters filled in, as known to openapi.json, without the leading /api. */
type Filled<P extends string> = P extends `${infer Before}{${string}}${infer After}` ? `${Before}${string}${Filled<After>}` : P
export type ApiPath = keyof paths extends infer P ? (P extends `/api${infer Rest}` ? Filled<Rest> : never) : never

export interface Page<T> {
  items: T[]
  next_cursor?: string | null
  total?: number | null
  total_capped?: boolean
}

export interface Bilingual {
  code?: string
  zh: string
  en: string
}

export type Loose = Record<string, unknown>

export type Session = Schema['SessionView']
export type SigningKey = Schema['KeyOut']
export type SigningKeyList = Schema['KeyList']
export type KeysChanged = Schema['Changed']
export type Capture = Schema['CaptureOut']
export type Step = Schema['StepOut']
export type Artefact = Schema['ArtefactOut']
export type EvidenceRow = Schema['ItemRow']
export type Evidence = Schema['ItemOut']
export type CustodyEvent = Schema['CustodyEventOut']
export type Custody = Schema['CustodyOut']
export type Retention = Schema['RetentionOut']
export type Printed = Schema['PrintOut']
export type EvidenceStatus = Schema['EvidenceStatus']
export type ClueRow = Schema['ClueRow']
export type Clue = Schema['ClueOut']
export type NewClue = Schema['ClueIn']
export type CaseRow = Schema['CaseRow']
export type CaseFile = Schema['CaseOut']
export type Action = Schema['ActionOut']
export type HistoryEntry = Schema['HistoryOut']
/** An evidence item as it was when attached: number and digests, never rewritten. */
export type EvidenceRef = Schema['EvidenceRef']
/** A running limit and the rule it comes from. */
export type Deadline = Schema['DeadlineOut']
export type Organisation = Pick<Schema['OrganisationOut'], 'code' | 'name'>
export type SubjectRow = Schema['SubjectRow']
export type Subject = Schema['SubjectOut']
export type NewSubject = Schema['SubjectIn']
export type Presence = Schema['PresenceRow']
export type Shop = Schema['PresenceOut']
export type Origin = Schema['OriginOut']
export type Change = Schema['ChangeOut']
export type Revealed = Schema['RevealOut']
export type Permit = Schema['PermitOut']
export type Inspection = Schema['InspectionOut']
export type Tag = Schema['TagOut']
export type TagRef = Schema['TagRef']
export type ImportResult = Schema['ImportOut']
export type ImportRow = Schema['ImportRow']
export type ImportField = Schema['FieldOut']
export type ImportPreview = Schema['Preview']
export type ImportSource = Schema['SourceOut']
export type ImportRemark = Schema['RemarkOut']
export type UndoPreview = Schema['UndoPreview']
export type RowFinding = Schema['RowFinding']
export type UserRow = Schema['UserView']
export type OneTimePassword = Schema['OneTimePassword']
export type Role = Schema['RoleView']
export type AuditEntry = Schema['AuditEntry']
export type AuditPage = Schema['AuditPage']
export type SystemState = Schema['SystemState']
