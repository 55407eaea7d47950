/** All checks in order, and the report. The codes are those of the format; the order is that of dependence. */

import type { Bytes } from './bytes.ts'
import * as checks from './checks.ts'
import * as excerpts from './excerpts.ts'
import { Failed, Unusable } from './failed.ts'
import { member } from './json.ts'
import { written } from './moment.ts'
import { Package } from './package.ts'
import { type Source, fromBytes } from './source.ts'
import type { Trust } from './trust.ts'
import { type Progress, type Scanned, isPackage, openBundle, packageDigest, scan } from './zip.ts'

export type Verdict = 'VALID' | 'REDACTED' | 'DISCLOSED' | 'LOGGED' | 'INVALID'
export interface Checked { code: string; ok: boolean; zh: string; en: string; detail: string }
export interface Unchecked { code: string; zh: string; en: string }

/** What a verification found. */
export interface Report {
  verdict: Verdict
  package: { sha256: string; bytes: number }
  evidence_id: string | null
  evidence_no: string | null
  facts: Record<string, unknown>
  trust: { development: boolean; label: { zh: string; en: string } }
  checks: Checked[]
  not_checked: Unchecked[]
}

type Step<T> = readonly [code: string, zh: string, en: string, check: (of: T) => Promise<string>]

const STEPS: readonly Step<Package>[] = [
  ['zip.structure', '容器字节布局唯一', 'one permitted byte layout', checks.checkStructure],
  ['zip.members', '文件名安全、齐全、无多余', 'names safe, complete, none more', checks.checkMembers],
  ['zip.crc', '各文件校验码一致', 'CRC of every file', checks.checkCrc],
  ['envelope.form', '签名信封规范', 'signature envelope', checks.checkEnvelope],
  ['manifest.form', '证据清单规范', 'manifest', checks.checkManifest],
  ['policy.accepted', '封存策略为信任文件所认可', 'policy is one of the trust file', checks.checkPolicy],
  ['signature.worker', '采集节点签名有效', 'signatures of the capture worker', checks.checkWorker],
  ['signature.sealing', '固证服务签名有效', 'signatures of the sealing service', checks.checkSealing],
  ['artefacts.set', '文件与清单逐一对应', 'files are those of the manifest', checks.checkArtefactSet],
  ['artefacts.size', '文件长度一致', 'sizes of the files', checks.checkSizes],
  ['artefacts.sha256', 'SHA-256 一致', 'SHA-256 of the files', checks.checkSha256],
  ['artefacts.sm3', 'SM3 一致', 'SM3 of the files', checks.checkSm3],
  ['artefacts.merkle', '加盐默克尔根一致', 'root of the salted tree', checks.checkMerkle],
  ['datapackage.form', 'WACZ 描述文件一致', 'WACZ descriptors', checks.checkDescriptors],
  ['timestamp.token', '可信时间戳有效（RFC 3161）', 'time stamps (RFC 3161)', checks.checkStamps],
  ['timestamp.quorum', '时间戳机构数量达标', 'enough operators stamped', checks.checkStampQuorum],
  ['timestamp.current', '时间戳证书至今有效', 'stamping certificates still valid', checks.checkCurrent],
  ['log.entry', '日志条目对应本证据', 'log entry is of this package', checks.checkEntry],
  ['log.checkpoint', '日志检查点签名有效', 'checkpoint signed by the log', checks.checkCheckpoint],
  ['log.inclusion', '条目确在日志中', 'entry is in the log', checks.checkInclusion],
  ['log.witness', '第三方见证达标', 'enough witnesses cosigned', checks.checkWitness],
  ['beacon.checkpoint', '采集前的日志检查点有效', 'beacon older than the seal', checks.checkBeacon],
  ['beacon.consistency', '日志自信标起只增未改', 'log only grew since the beacon', checks.checkGrowth],
  ['time.order', '各时间先后合理', 'times in order', checks.checkTimes],
  ['keys.validity', '签名时密钥有效且未吊销', 'keys valid and not revoked when used', checks.checkKeys],
]

const LOGGED: readonly Step<excerpts.Excerpt>[] = [
  ['log.checkpoint', '日志检查点签名有效', 'checkpoint signed by the log', excerpts.checkExcerptCheckpoint],
  ['log.inclusion', '条目确在日志中', 'entry is in the log', excerpts.checkExcerptInclusion],
  ['log.witness', '第三方见证达标', 'enough witnesses cosigned', excerpts.checkExcerptWitness],
]
const DISCLOSURE: readonly Step<excerpts.Excerpt>[] = [
  ['disclosure.form', '披露文件规范', 'disclosure', excerpts.checkDisclosureForm],
  ['artefact.file', '文件长度与双摘要一致', 'size and digests of the file', excerpts.checkFile],
  ['log.entry', '日志条目为固证条目', 'log entry is that of a seal', excerpts.checkSealEntry],
  ['artefacts.merkle', '文件属于该固证', 'the file belongs to that seal', excerpts.checkArtefactPath],
  ...LOGGED,
]
const CUSTODY: readonly Step<excerpts.Excerpt>[] = [
  ['custody.form', '保管事件证明规范', 'custody proof', excerpts.checkCustodyForm],
  ['log.entry', '日志条目对应该事件', 'log entry is of this event', excerpts.checkCustodyEntry],
  ...LOGGED,
]

const LATER: Unchecked = { code: 'log.later', zh: '检查点之后的日志是否一致', en: 'the log after this checkpoint' }
const NOT_CHECKED: readonly Unchecked[] = [
  { code: 'page.truth', zh: '页面内容本身是否真实', en: 'whether what the page says is true' },
  { code: 'page.origin', zh: '网站证书链与域名归属', en: "the site's certificate chain and who owns its domain" },
  { code: 'tsa.revocation', zh: '时间戳机构证书是否被吊销', en: 'revocation of the stamping certificates' },
  LATER,
  { code: 'log.other', zh: '日志中是否另有相关条目', en: 'whether the log holds other entries about this page' },
  { code: 'custodian.copy', zh: '第三方是否仍保有副本', en: 'whether a custodian still holds its copy' },
]

/** How to verify. */
export interface Options extends Progress {
  /** Milliseconds since 1970; default: the clock of this machine. */
  now?: number
  /** The evidence record beside the package (RFC 4998, DER). */
  record?: Bytes | null
  /** The package's SHA-256, when another worker makes it; default: made in the same pass. */
  digest?: () => Promise<string>
  /** The file of a disclosed artefact. */
  artefact?: Source | null
}

/** Check a package, a disclosure or a custody proof. Throws Unusable when the file is none of these, and the signal's reason when stopped. */
export async function verify(source: Source, trust: Trust, options: Options = {}): Promise<Report> {
  if (await isPackage(source)) {
    const bundle = await openBundle(source)
    if (bundle === null) return verifyPackage(source, trust, options)
    return verify(bundle.document, trust, { ...options, artefact: bundle.artefact })
  }
  const bytes: Bytes | null = source.size < 1 << 24 ? await source.read(0, source.size) : null
  const kind = bytes === null ? null : excerpts.excerptKind(bytes)
  if (bytes === null || kind === null) throw new Unusable('neither a package nor a disclosure nor a custody proof')
  const excerpt: excerpts.Excerpt = { bytes, file: options.artefact ?? null, trust, progress: options }
  return verifyExcerpt(excerpt, kind === excerpts.CUSTODY ? 'LOGGED' : 'DISCLOSED', source.size)
}

async function verifyPackage(source: Source, trust: Trust, options: Options): Promise<Report> {
  const digest = options.digest?.()
  let scanned: Scanned | null = null
  let fault = ''
  try {
    scanned = await scan(source, options, digest === undefined)
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    fault = error.message
  }
  const subject = new Package(source, trust, scanned, fault, options.now ?? Date.now(), options.record ?? null)
  const done = await runAll(STEPS, subject)
  const genuine = done.every((check) => check.ok)
  const sha256 = (await digest) ?? scanned?.sha256 ?? (await packageDigest(source, options))
  const removed = genuine ? await subject.removed() : []
  return {
    verdict: genuine ? (subject.redacted ? 'REDACTED' : 'VALID') : 'INVALID',
    package: { sha256, bytes: source.size },
    evidence_id: await known(async () => (await subject.manifest()).evidenceId),
    evidence_no: await known(async () => String(member(await subject.entry(), 'evidence_no'))),
    facts: genuine ? await facts(subject) : {},
    trust: { development: trust.development, label: trust.label },
    checks: done,
    not_checked: [
      ...removed.map((path) => ({ code: `removed:${path}`, zh: '已删去，未检查', en: 'left out, not checked' })),
      ...NOT_CHECKED,
    ],
  }
}

async function verifyExcerpt(excerpt: excerpts.Excerpt, verdict: Verdict, size: number): Promise<Report> {
  const done = await runAll(verdict === 'LOGGED' ? CUSTODY : DISCLOSURE, excerpt)
  const genuine = done.every((check) => check.ok)
  const told = genuine ? await excerpts.excerptFacts(excerpt) : {}
  const { sha256 } = await excerpts.digestsOf(excerpt.file ?? fromBytes(excerpt.bytes), {})
  return {
    verdict: genuine ? verdict : 'INVALID',
    package: { sha256, bytes: excerpt.file?.size ?? size },
    evidence_id: null,
    evidence_no: typeof told['evidence_no'] === 'string' ? told['evidence_no'] : null,
    facts: told,
    trust: { development: excerpt.trust.development, label: excerpt.trust.label },
    checks: done,
    not_checked: [LATER],
  }
}

async function runAll<T>(steps: readonly Step<T>[], subject: T): Promise<Checked[]> {
  const done: Checked[] = []
  for (const [code, zh, en, check] of steps) {
    const [ok, detail] = await run(check, subject)
    done.push({ code, ok, zh, en, detail })
  }
  return done
}

async function run<T>(check: (of: T) => Promise<string>, subject: T): Promise<[boolean, string]> {
  try {
    return [true, await check(subject)]
  } catch (error) {
    if (error instanceof Failed) return [false, error.message]
    // A library refused what it was given: never a pass. Stopping is no verdict.
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    return [false, `not checkable (${String(error)})`]
  }
}

async function known(value: () => Promise<string>): Promise<string | null> {
  try {
    return await value()
  } catch {
    // The check that reads it has said why.
    return null
  }
}

async function facts(subject: Package): Promise<Record<string, unknown>> {
  const [manifest, stamps] = [await subject.manifest(), await subject.stamps()]
  return {
    requested_url: manifest.target.requestedUrl,
    final_url: manifest.target.finalUrl,
    title: manifest.target.title,
    outcome: manifest.state,
    captured: [manifest.start, manifest.end],
    stamped: stamps.map((stamp) => written(stamp.time)),
    stamped_by: stamps.map((stamp) => stamp.authority.operator),
    cosigned_by: [...new Set((await subject.log()).cosigned.map((one) => one.operator))].sort(),
    log_index: (await subject.proof()).index,
    policy: (await subject.policy()).id,
    removed: await subject.removed(),
  }
}
