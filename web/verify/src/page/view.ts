/** The report on the page. Text only ever goes in as text: what a captured page says never becomes markup. */

import type { Report, Verdict } from '../verifier/index.ts'
import { type Claim, grouped } from './link.ts'

type Tone = 'ok' | 'warn' | 'bad'
interface Said { zh: string; en: string }

const MARK: Record<Tone, string> = { ok: '✓', warn: '!', bad: '✗' }
const PASSED: Said = { zh: '通过', en: 'passed' }
const FAILED: Said = { zh: '未通过', en: 'failed' }
const OPEN: Said = { zh: '未检查', en: 'not checked' }
const VERDICTS: Record<Verdict, Said> = {
  VALID: { zh: '有效：原件未被改动', en: 'Valid: the original, unchanged' },
  REDACTED: { zh: '删节本：保留的部分真实，其余已删去', en: 'Redacted copy: what is left is genuine' },
  DISCLOSED: { zh: '单件披露：该文件真实，不是完整原件', en: 'One artefact disclosed: genuine, not the whole original' },
  LOGGED: { zh: '保管事件：确已写入存证日志', en: 'Custody event: it stands in the log' },
  INVALID: { zh: '无效：不能作为本系统封存的证据', en: 'Invalid: not evidence as it was sealed' },
}
const FACTS: Record<string, Said> = {
  requested_url: { zh: '请求网址', en: 'requested URL' },
  final_url: { zh: '最终网址', en: 'final URL' },
  title: { zh: '页面标题', en: 'title' },
  outcome: { zh: '采集结果', en: 'outcome' },
  captured: { zh: '采集时间', en: 'captured' },
  stamped: { zh: '时间戳时间', en: 'stamped' },
  stamped_by: { zh: '时间戳机构', en: 'stamped by' },
  cosigned_by: { zh: '见证方', en: 'cosigned by' },
  log_index: { zh: '日志位置', en: 'log index' },
  logged_before: { zh: '入日志不晚于', en: 'logged before' },
  policy: { zh: '封存策略', en: 'policy' },
  removed: { zh: '删去的文件', en: 'left out' },
  artefact: { zh: '披露的文件', en: 'artefact' },
  event: { zh: '保管事件', en: 'event' },
}

/** Where the trust came from, and what the print said. */
export interface Context {
  name: string
  ownTrust: boolean
  kept: boolean
  claim: Claim | null
}

/** An element with content; texts stay texts. */
export function element(tag: string, given: { class?: string; lang?: string; id?: string } = {}, ...content: (Node | string)[]): HTMLElement {
  const made = document.createElement(tag)
  if (given.class !== undefined) made.className = given.class
  if (given.lang !== undefined) made.lang = given.lang
  if (given.id !== undefined) made.id = given.id
  made.append(...content)
  return made
}

function both(said: Said): (Node | string)[] {
  return [`${said.zh} `, element('span', { lang: 'en' }, said.en)]
}

/** The tone of a whole report: amber for what is genuine but weaker than it could be. */
export function toneOf(report: Report, context: Context): Tone {
  if (report.verdict === 'INVALID' || comparisons(report, context.claim).some((one) => !one.ok)) return 'bad'
  return report.verdict === 'VALID' && !report.trust.development ? 'ok' : 'warn'
}

/** Draw a report. */
export function draw(report: Report, context: Context): Node[] {
  const tone = toneOf(report, context)
  return [
    banner(report, tone, context),
    ...cautions(report, context).map((said) => element('p', { class: 'note warn' }, `${MARK.warn} `, ...both(said))),
    identity(report, context.claim),
    facts(report),
    checks(report),
    unchecked(report),
  ]
}

function banner(report: Report, tone: Tone, context: Context): HTMLElement {
  const said = VERDICTS[report.verdict]
  const title = element('h2', { id: 'verdict' }, ...both(said))
  title.tabIndex = -1
  const line = element('p', {}, `${context.name} · ${report.evidence_no ?? '—'} · ${new Date().toISOString()}`)
  const made = element('div', { class: `banner ${tone}` }, element('p', { class: 'mark' }, MARK[tone]), element('div', {}, title, line))
  made.dataset['verdict'] = report.verdict
  return made
}

function cautions(report: Report, context: Context): Said[] {
  const said: Said[] = []
  if (report.trust.development) {
    said.push({ zh: `开发用信任（${report.trust.label.zh}）：时间戳与见证由本系统自己运行，不具备法定效力。`, en: `Development trust (${report.trust.label.en}): stamps and witnesses are run by this installation itself.` })
  }
  if (!context.ownTrust) {
    said.push({ zh: '信任文件来自出具证据的同一系统，结论弱于使用另行取得的信任文件。', en: 'The trust file is that of the very installation that made the evidence; this is weaker than a trust file obtained elsewhere.' })
  }
  if (context.kept) {
    said.push({ zh: '未联网：用的是上次保存的信任文件，其后的吊销不会反映。', en: 'Offline: the trust file kept last time was used; later revocations do not show.' })
  }
  return said
}

interface Comparison { said: Said; claimed: string; ok: boolean }

function comparisons(report: Report, claim: Claim | null): Comparison[] {
  const found: Comparison[] = []
  if (claim?.number != null) {
    found.push({ said: { zh: '编号与打印件一致', en: 'number as on the print' }, claimed: claim.number, ok: claim.number === report.evidence_no })
  }
  if (claim?.digest != null) {
    found.push({ said: { zh: 'SHA-256 与打印件一致', en: 'SHA-256 as on the print' }, claimed: grouped(claim.digest), ok: report.package.sha256.startsWith(claim.digest) })
  }
  return found
}

function identity(report: Report, claim: Claim | null): HTMLElement {
  const compared = comparisons(report, claim)
  return element('section', { class: 'card' },
    element('h3', {}, ...both({ zh: '文件', en: 'File' })),
    element('dl', {},
      ...pair({ zh: '编号', en: 'number' }, report.evidence_no ?? '—'),
      ...pair({ zh: '长度', en: 'bytes' }, String(report.package.bytes)),
      ...pair({ zh: 'SHA-256', en: '' }, grouped(report.package.sha256))),
    ...(compared.length === 0 ? [] : [element('ul', { class: 'checks' }, ...compared.map(({ said, claimed, ok }) =>
      item(ok ? 'ok' : 'bad', ok ? PASSED : FAILED, said, 'print', claimed)))]))
}

function facts(report: Report): Node {
  const shown = Object.entries(report.facts).filter(([, value]) => value !== null && String(value) !== '')
  if (shown.length === 0) return document.createDocumentFragment()
  return element('section', { class: 'card' },
    element('h3', {}, ...both({ zh: '证据所载', en: 'What it says' })),
    element('dl', {}, ...shown.flatMap(([name, value]) => pair(FACTS[name] ?? { zh: name, en: '' }, written(value)))))
}

function written(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(' – ')
  return typeof value === 'object' && value !== null ? JSON.stringify(value, null, 1) : String(value)
}

function pair(said: Said, value: string): HTMLElement[] {
  return [element('dt', {}, ...both(said)), element('dd', {}, value)]
}

function checks(report: Report): HTMLElement {
  const failed = report.checks.filter((check) => !check.ok).length
  const title = failed === 0
    ? { zh: `检查：${String(report.checks.length)} 项全部通过`, en: `${String(report.checks.length)} checks, all passed` }
    : { zh: `检查：${String(report.checks.length)} 项，${String(failed)} 项未通过`, en: `${String(failed)} of ${String(report.checks.length)} checks failed` }
  return element('section', { class: 'card' },
    element('h3', {}, ...both(title)),
    element('ul', { class: 'checks' }, ...report.checks.map((check) =>
      item(check.ok ? 'ok' : 'bad', check.ok ? PASSED : FAILED, check, check.code, check.detail))))
}

function unchecked(report: Report): HTMLElement {
  return element('section', { class: 'card' },
    element('h3', {}, ...both({ zh: '未检查', en: 'Not checked' })),
    element('ul', { class: 'checks' }, ...report.not_checked.map((one) => item('warn', OPEN, one, one.code, ''))))
}

function item(tone: Tone, state: Said, said: Said, code: string, detail: string): HTMLElement {
  const made = element('li', { class: tone },
    element('span', { class: 'state' }, `${MARK[tone]} ${state.zh} `, element('span', { lang: 'en' }, state.en)),
    element('span', { class: 'what' }, ...both(said)),
    element('code', {}, code),
    element('span', { class: 'detail' }, detail))
  made.dataset['code'] = code
  return made
}
