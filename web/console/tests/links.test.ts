import { describe, expect, it } from 'vitest'
import { drawGroup, drawPage, type Words } from '../src/links/graph'
import type { ClusterData, LinkPageData } from '../src/links/api'

const words: Words = { locale: 'zh-CN', elsewhere: (region, count) => `${region} ${count}`, judged: '人工判定' }
const phone = { kind: 1, zh: '电话', en: 'Phone' }
const shop = (id: string, name: string) => ({ id, name, platform: null, region_code: '360121' })

const page = {
  shop: shop('A', '甲'),
  linked: [
    { shop: shop('B', '乙'), weight: 0.85, kinds: [phone], values: 1, verdict: null, same_cluster: true },
    { shop: shop('C', '丙'), weight: 0, kinds: [], values: 0, verdict: 'same', same_cluster: true },
  ],
  elsewhere: [{ region_code: '360702', region_name: '章贡区', org_code: null, org_name: null, count: 2 }],
} as unknown as LinkPageData

describe('the graph of links', () => {
  it('draws every shop of the table, and other divisions without a shop to open', () => {
    const drawn = drawPage(page, words)
    expect(drawn.nodes.map((node) => [node.label, node.shop, node.tone])).toEqual([
      ['甲', 'A', 'here'], ['乙', 'B', 'linked'], ['丙', 'C', 'judged'], ['章贡区 2', null, 'elsewhere'],
    ])
    expect(drawn.edges.map((edge) => [edge.to, edge.label, edge.judged])).toEqual([
      ['B', '电话', false], ['C', '人工判定', true], ['360702', '', false],
    ])
  })

  it('draws a cluster with shops that may not be named as points of their division', () => {
    const cluster = {
      nodes: [{ no: 0, shop: shop('A', '甲'), region_code: '360121' }, { no: 1, shop: null, region_code: '360702' }],
      edges: [{ a: 0, b: 1, weight: null, kinds: [], verdict: null, bridge: true }],
    } as unknown as ClusterData
    const drawn = drawGroup(cluster, 'A', { ...words, locale: 'en' })
    expect(drawn.nodes.map((node) => [node.shop, node.tone])).toEqual([['A', 'here'], [null, 'elsewhere']])
    expect(drawn.edges).toEqual([{ from: '0', to: '1', label: '', width: 1, judged: false, bridge: true }])
  })
})
