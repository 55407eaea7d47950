/** Errors of the platform: RFC 9457 problem+json, with every text in Chinese and English. */

export interface ProblemBody {
  type?: string
  title: string
  title_en?: string
  status: number
  code: string
  detail?: string
  detail_en?: string
  todo?: string
  todo_en?: string
  request_id?: string
  [extra: string]: unknown
}

export class ApiProblem extends Error {
  readonly body: ProblemBody

  constructor(body: ProblemBody) {
    super(`${body.code}: ${body.title}`)
    this.name = 'ApiProblem'
    this.body = body
  }

  get status(): number {
    return this.body.status
  }

  get code(): string {
    return this.body.code
  }
}

/** What the screen shows for a problem, in the reader's language. */
export interface ProblemText {
  title: string
  detail: string
  todo: string
}

/**
 * Choose the texts of a problem for a language; an English reader gets the Chinese text
 * when the platform sent no English one, never an empty message.
 */
export function problemText(body: ProblemBody, locale: string): ProblemText {
  const english = locale.startsWith('en')
  const pick = (zh?: string, en?: string): string => (english ? en || zh : zh || en) ?? ''
  const title = pick(body.title, body.title_en)
  const detail = pick(body.detail, body.detail_en)
  return { title, detail: detail === title ? '' : detail, todo: pick(body.todo, body.todo_en) }
}

/** The problem of a request that never reached the platform (offline, platform down, proxy cut it). */
export function unreachable(): ApiProblem {
  return new ApiProblem({
    code: 'client.unreachable',
    status: 0,
    title: '连接不上平台',
    title_en: 'The platform cannot be reached',
    todo: '请检查网络后重试；已填写的内容仍在本页。若持续出现，请联系系统管理员。',
    todo_en: 'Check the network and try again; what you typed is still on this page. If it goes on, tell the system administrator.',
  })
}

/** Any thrown thing as a problem that can be shown; a fault of the console itself says so. */
export function asProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error
  console.error(error)
  return new ApiProblem({
    code: 'client.fault',
    status: 0,
    title: '页面出错了',
    title_en: 'This page failed',
    detail: error instanceof Error ? error.message : String(error),
    todo: '请刷新页面重试；若再次出现，请把上面的文字发给系统管理员。',
    todo_en: 'Reload the page; if it happens again, send the text above to the system administrator.',
  })
}

/** Turn a refused response into a problem, also when what came back is not problem+json. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  const requestId = response.headers.get('X-Request-ID') ?? undefined
  const type = response.headers.get('Content-Type') ?? ''
  if (type.includes('json')) {
    const body = (await response.json()) as Partial<ProblemBody>
    if (typeof body.code === 'string' && typeof body.title === 'string') {
      return new ApiProblem({ request_id: requestId, ...body, code: body.code, title: body.title, status: response.status })
    }
  }
  return new ApiProblem({
    code: `client.http_${response.status}`,
    status: response.status,
    title: `平台返回了错误（HTTP ${response.status}）`,
    title_en: `The platform answered with an error (HTTP ${response.status})`,
    todo: '请稍后重试；若持续出现，请把请求编号发给系统管理员。',
    todo_en: 'Try again in a moment; if it goes on, send the request id to the system administrator.',
    request_id: requestId,
  })
}
