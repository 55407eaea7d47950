/** What the graph of links draws, from the platform's answers. Pure, so that it is tested without a browser. */
import type { ClusterData, GraphEdge, GraphNode, Kind, LinkPageData, PathData } from './api'

export interface DrawnNode {
  id: string
  /** Id of the shop, when the reader may see it. */
  shop: string | null
  label: string
  tone: 'here' | 'linked' | 'judged' | 'elsewhere'
}

export interface DrawnEdge {
  from: string
  to: string
  label: string
  /** Stronger links are drawn thicker. */
  width: number
  judged: boolean
  bridge: boolean
}

export interface Drawn {
  nodes: DrawnNode[]
  edges: DrawnEdge[]
}

export interface Words {
  locale: string
  elsewhere: (region: string, count: number) => string
  judged: string
}

const kindsText = (kinds: Kind[], words: Words): string => kinds.map((kind) => (words.locale === 'en' ? kind.en : kind.zh)).join(words.locale === 'en' ? ', ' : '、')
const widthOf = (weight: number | null): number => Math.min(1 + 4 * Math.max(weight ?? 0, 0), 6)

/** One hop around a shop; linked shops of other divisions as one point each. */
export function drawPage(page: LinkPageData, words: Words): Drawn {
  const nodes: DrawnNode[] = [{ id: 'here', shop: page.shop.id, label: page.shop.name, tone: 'here' }]
  const edges: DrawnEdge[] = []
  for (const one of page.linked) {
    nodes.push({ id: one.shop.id, shop: one.shop.id, label: one.shop.name, tone: one.verdict === 'same' ? 'judged' : 'linked' })
    edges.push({
      from: 'here', to: one.shop.id, label: kindsText(one.kinds, words) || words.judged,
      width: widthOf(one.weight), judged: one.verdict === 'same', bridge: false,
    })
  }
  for (const one of page.elsewhere) {
    nodes.push({ id: one.region_code, shop: null, label: words.elsewhere(one.region_name, one.count), tone: 'elsewhere' })
    edges.push({ from: 'here', to: one.region_code, label: '', width: 1, judged: false, bridge: false })
  }
  return { nodes, edges }
}

/** A cluster, or the chain between two of its shops. */
export function drawGroup(group: Pick<ClusterData | PathData, 'nodes' | 'edges'>, here: string, words: Words): Drawn {
  const node = (one: GraphNode): DrawnNode => ({
    id: String(one.no), shop: one.shop?.id ?? null, label: one.shop?.name ?? words.elsewhere(one.region_code, 1),
    tone: one.shop === null ? 'elsewhere' : one.shop.id === here ? 'here' : 'linked',
  })
  const edge = (one: GraphEdge): DrawnEdge => ({
    from: String(one.a), to: String(one.b), label: kindsText(one.kinds, words) || (one.verdict === 'same' ? words.judged : ''),
    width: widthOf(one.weight), judged: one.verdict === 'same', bridge: one.bridge,
  })
  return { nodes: group.nodes.map(node), edges: group.edges.map(edge) }
}
