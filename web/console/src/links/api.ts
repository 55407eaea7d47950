import { get, post } from '@/api/http'
import type { components } from '@/api/schema'
import type { Page } from '@/api/types'
import { saveAs } from '@/patterns/files'

type Schema = components['schemas']

export type LinkPageData = Schema['LinkPage']
export type LinkShop = Schema['LinkShop']
export type LinkedShop = Schema['LinkedShop']
export type ValueFact = Schema['ValueFact']
export type Explanation = Schema['Explanation']
export type ClusterData = Schema['ClusterOut']
export type PathData = Schema['PathOut']
export type GraphEdge = Schema['GraphEdge']
export type GraphNode = Schema['Node']
export type Kind = Schema['KindOut']
export type Elsewhere = Schema['Elsewhere']
export type Conflict = Schema['ConflictOut']
export type Verdict = Schema['Verdict']
export type Judged = Schema['JudgedOut']
export type HubRow = Schema['HubRow']
export type Hub = Schema['HubOut']
export type Ruling = Schema['Ruling']
export type FindingRow = Schema['FoundOut']
export type Exchange = Schema['ExchangeOut']
export type ExchangeDetailData = Schema['ExchangeDetail']
export type Match = Schema['MatchOut']
export type Sent = Schema['SentOut']
export type Taken = Schema['TakenOut']
export type Revealed = Schema['RevealedOut']
export type Envelope = Sent['envelope']

type Query = Record<string, string>

export const readLinks = (shop: string, signal?: AbortSignal): Promise<LinkPageData> => get(`/links/${shop}`, undefined, signal)
export const readCluster = (shop: string, signal?: AbortSignal): Promise<ClusterData> => get(`/links/${shop}/cluster`, undefined, signal)
export const explain = (a: string, b: string): Promise<Explanation> => get(`/links/${a}/to/${b}`)
export const reveal = (a: string, b: string, purpose: string, note: string): Promise<Explanation> =>
  post(`/links/${a}/to/${b}/reveal`, { purpose, note: note || null })
export const readPath = (a: string, b: string): Promise<PathData> => get(`/links/${a}/path/${b}`)
export const judge = (shop_a: string, shop_b: string, verdict: Verdict, reason: string): Promise<Judged> =>
  post('/judgements', { shop_a, shop_b, verdict, reason })

export const listHubs = (query: Query, signal?: AbortSignal): Promise<Page<HubRow>> => get('/hubs', query, signal)
export const readHub = (id: string, signal?: AbortSignal): Promise<Hub> => get(`/hubs/${id}`, undefined, signal)
export const rule = (id: string, ruling: Ruling, reason: string): Promise<Hub> => post(`/hubs/${id}/rulings`, { ruling, reason })

export const listFindings = (query: Query, signal?: AbortSignal): Promise<Page<FindingRow>> => get('/findings', query, signal)
export const setFindingState = (id: string, state: string, note: string): Promise<FindingRow> =>
  post(`/findings/${id}/state`, { state, note: note || null })

export const listExchanges = (query: Query, signal?: AbortSignal): Promise<Page<Exchange>> => get('/link-exchange', query, signal)
export const readExchange = (id: string, signal?: AbortSignal): Promise<ExchangeDetailData> => get(`/link-exchange/${id}`, undefined, signal)
export const listMatches = (id: string, query: Query, signal?: AbortSignal): Promise<Page<Match>> => get(`/link-exchange/${id}/matches`, query, signal)
export const offerExchange = (peer_name: string, purpose: string, days: number): Promise<Sent> => post('/link-exchange', { peer_name, purpose, days })
export const acceptOffer = (envelope: Envelope, fingerprint: string, purpose: string): Promise<Sent> =>
  post('/link-exchange/offers', { envelope, fingerprint, purpose })
export const takeMessage = (id: string, envelope: Envelope, fingerprint: string): Promise<Taken> =>
  post(`/link-exchange/${id}/messages`, { envelope, fingerprint: fingerprint || null })
export const readMessage = (id: string, message: string): Promise<Sent> => get(`/link-exchange/${id}/messages/${message}`)
export const stopComparison = (id: string, message: string): Promise<Schema['ComparisonOut']> => post(`/link-exchange/${id}/messages/${message}/cancellation`)
export const makeHashes = (id: string, after: number): Promise<Sent> => post(`/link-exchange/${id}/hashes`, { after })
export const askValues = (id: string, matches: number[], purpose: string): Promise<Sent> => post(`/link-exchange/${id}/requests`, { matches, purpose })
export const answerRequest = (id: string, request: string, grant: boolean, reason: string): Promise<Sent> =>
  post(`/link-exchange/${id}/requests/${request}/answer`, { grant, reason })
export const revealAnswer = (id: string, request: string, purpose: string): Promise<Revealed> =>
  post(`/link-exchange/${id}/requests/${request}/reveal`, { purpose })
export const closeExchange = (id: string): Promise<void> => post(`/link-exchange/${id}/close`)

/** Hand an envelope over as a file. */
export function saveEnvelope(sent: Sent): void {
  saveAs(new Blob([JSON.stringify(sent.envelope)], { type: 'application/json' }), `link-exchange-${sent.type}-${sent.digest.slice(0, 12)}.json`)
}

/** An envelope from a file; undefined when it is no JSON object. */
export async function readEnvelope(file: File): Promise<Envelope | undefined> {
  try {
    const given: unknown = JSON.parse(await file.text())
    return given && typeof given === 'object' && !Array.isArray(given) ? (given as Envelope) : undefined
  } catch {
    return undefined
  }
}
