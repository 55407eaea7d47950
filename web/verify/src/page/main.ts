/** The page: takes the files, starts the verification, shows the report. */

import { type Claim, grouped, readLink } from './link.ts'
import { NothingToCheck, type Run, Stopped, begin } from './runner.ts'
import { type Context, draw, element } from './view.ts'

const TRUST_PATH = '/api/trust'

function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id)
  if (!(found instanceof type)) throw new Error(`no ${id} on the page`)
  return found
}

const packages = byId('package-file', HTMLInputElement)
const ownTrust = byId('trust-file', HTMLInputElement)
const drop = byId('drop', HTMLElement)
const work = byId('work', HTMLElement)
const progress = byId('progress', HTMLProgressElement)
const message = byId('message', HTMLElement)
const result = byId('result', HTMLElement)
const claim: Claim | null = readLink(new URL(window.location.href))
let running: Run | null = null

/** The trust file and where it is from. Throws NothingToCheck when there is none. */
async function trustFile(): Promise<{ bytes: Uint8Array<ArrayBuffer>; own: boolean; kept: boolean }> {
  const chosen = document.querySelector<HTMLInputElement>('input[name=trust]:checked')?.value
  if (chosen === 'own') {
    const file = ownTrust.files?.[0]
    if (file === undefined) throw new NothingToCheck('请先选择信任文件 choose a trust file first')
    return { bytes: new Uint8Array(await file.arrayBuffer()), own: true, kept: false }
  }
  const answer = await fetch(TRUST_PATH).catch(() => null)
  if (answer?.ok !== true) {
    throw new NothingToCheck('取不到本系统的信任文件，请选用自己的信任文件 the trust file of this installation cannot be had; choose your own')
  }
  return { bytes: new Uint8Array(await answer.arrayBuffer()), own: false, kept: answer.headers.has('x-kept') }
}

/** Which of the dropped files is verified, and what comes with it. */
export function sortOut(files: readonly File[]): { file: File; artefact: File | null; record: File | null } | null {
  const others = files.filter((one) => !one.name.endsWith('.er'))
  const record = files.find((one) => one.name.endsWith('.er')) ?? null
  const file = others.find((one) => one.name.endsWith('.wacz')) ?? others.find((one) => one.name.endsWith('.json')) ?? others[0]
  if (file === undefined) return null
  return { file, record, artefact: others.find((one) => one !== file) ?? null }
}

function say(text: string): void {
  message.textContent = text
  message.hidden = text === ''
}

async function start(files: readonly File[]): Promise<void> {
  const order = sortOut(files)
  if (order === null || running !== null) return
  say('')
  result.replaceChildren()
  progress.value = 0
  work.hidden = false
  try {
    const trust = await trustFile()
    running = begin({ ...order, trust: trust.bytes }, (done, total) => { progress.value = total === 0 ? 1 : done / total })
    show(await running.report, { name: order.file.name, ownTrust: trust.own, kept: trust.kept, claim })
  } catch (error) {
    if (!(error instanceof Stopped)) say(reason(error))
  } finally {
    running = null
    work.hidden = true
    packages.value = ''
  }
}

function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return error instanceof NothingToCheck ? `无法核验 Nothing to verify: ${text}` : `核验中断 The verification broke off: ${text}`
}

function show(report: Parameters<typeof draw>[0], context: Context): void {
  const print = element('button', { class: 'no-print' }, '打印 ', element('span', { lang: 'en' }, 'Print'))
  print.setAttribute('type', 'button')
  print.addEventListener('click', () => { window.print() })
  result.replaceChildren(...draw(report, context), print)
  document.getElementById('verdict')?.focus()
}

function showClaim(said: Claim): void {
  const facts = byId('claim-facts', HTMLElement)
  if (said.number !== null) facts.append(element('dt', {}, '编号 ', element('span', { lang: 'en' }, 'number')), element('dd', {}, said.number))
  if (said.digest !== null) facts.append(element('dt', {}, 'SHA-256'), element('dd', {}, grouped(said.digest)))
  byId('claim', HTMLElement).hidden = false
}

async function keepOffline(): Promise<void> {
  const state = byId('offline', HTMLElement)
  if (!('serviceWorker' in navigator)) return
  await navigator.serviceWorker.register('offline.js', { type: 'module' })
  await navigator.serviceWorker.ready
  state.dataset['ready'] = 'yes'
  state.textContent = '本页已可离线使用。This page now works offline.'
}

packages.addEventListener('change', () => { void start([...(packages.files ?? [])]) })
ownTrust.addEventListener('change', () => {
  const own = document.querySelector<HTMLInputElement>('input[name=trust][value=own]')
  if (own !== null) own.checked = true
})
byId('cancel', HTMLButtonElement).addEventListener('click', () => { running?.stop() })
for (const name of ['dragenter', 'dragover']) {
  drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add('over') })
}
for (const name of ['dragleave', 'drop']) drop.addEventListener(name, () => { drop.classList.remove('over') })
drop.addEventListener('drop', (event) => {
  event.preventDefault()
  void start([...(event.dataTransfer?.files ?? [])])
})
if (claim !== null) showClaim(claim)
keepOffline().catch(() => { byId('offline', HTMLElement).textContent = '离线副本未能保存。The offline copy could not be kept.' })
