/** The service worker: keeps the page's own files and the last trust file, so that the page works without a network. */

declare const FILES: string[]
declare const VERSION: string

const worker = self as unknown as ServiceWorkerGlobalScope

const CACHE = `wangjian-verify-${VERSION}`
const TRUST = 'wangjian-verify-trust'
const TRUST_PATH = '/api/trust'

worker.addEventListener('install', (event) => {
  event.waitUntil(keep().then(() => worker.skipWaiting()))
})

async function keep(): Promise<void> {
  const cache = await caches.open(CACHE)
  await cache.addAll(FILES)
  // An installation without its services still gives the page: people may bring their own trust file.
  await newest(new Request(TRUST_PATH)).catch(() => null)
}

worker.addEventListener('activate', (event) => {
  event.waitUntil(forget().then(() => worker.clients.claim()))
})

async function forget(): Promise<void> {
  const old = (await caches.keys()).filter((name) => name.startsWith('wangjian-verify-') && name !== CACHE && name !== TRUST)
  await Promise.all(old.map((name) => caches.delete(name)))
}

worker.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url)
  if (event.request.method !== 'GET' || url.origin !== worker.location.origin) return
  if (url.pathname === TRUST_PATH) event.respondWith(newest(event.request))
  else if (url.href.startsWith(worker.registration.scope)) event.respondWith(own(event.request))
})

/** A file of the page. The page itself stands under its folder, whatever the question mark says. */
async function own(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE)
  const kept = await cache.match(request, { ignoreSearch: true })
  return kept ?? fetch(request)
}

/** The trust file of today; without a network, the last one. */
async function newest(request: Request): Promise<Response> {
  const cache = await caches.open(TRUST)
  try {
    const answer = await fetch(request)
    if (answer.ok) await cache.put(TRUST_PATH, answer.clone())
    return answer
  } catch (error) {
    const kept = await cache.match(TRUST_PATH)
    if (kept === undefined) throw error
    const headers = new Headers(kept.headers)
    headers.set('x-kept', '1')
    return new Response(kept.body, { status: kept.status, headers })
  }
}
