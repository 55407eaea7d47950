/**
 * The verifier on the command line of Node, for tests and measurements.
 *
 *   node dist-cli/cli.js --trust trust.json [--now RFC3339] [--record R.er] PACKAGE…    one report as JSON a line
 *   node dist-cli/cli.js --lines                                        reads {"package", "trust", "now", "artefact", "record"}
 *                                                                       a line, answers {"package", "verdict", "failed"}
 * Exit code: 0 all VALID, 1 otherwise, 2 nothing to check.
 */

import { type FileHandle, open, readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { type Source, type Trust, Unusable, readTrust, verify } from '../verifier/index.ts'
import { moment } from '../verifier/moment.ts'

interface Job { package: string; trust: string; now?: string; artefact?: string; record?: string }

async function fromFile(path: string): Promise<Source & { close: () => Promise<void> }> {
  const handle: FileHandle = await open(path)
  const { size } = await handle.stat()
  return {
    size,
    close: () => handle.close(),
    read: async (offset, length) => {
      const bytes = new Uint8Array(length)
      const { bytesRead } = await handle.read(bytes, 0, length, offset)
      if (bytesRead !== length) throw new Unusable('the file ends too early')
      return bytes
    },
  }
}

const trusts = new Map<string, Promise<Trust>>()

async function trustOf(path: string): Promise<Trust> {
  const known = trusts.get(path) ?? readFile(path).then((bytes) => readTrust(bytes))
  trusts.set(path, known)
  return known
}

async function check(job: Job): ReturnType<typeof verify> {
  const source = await fromFile(job.package)
  const artefact = job.artefact === undefined ? null : await fromFile(job.artefact)
  try {
    const now = job.now === undefined ? Date.now() : moment(job.now)
    return await verify(source, await trustOf(job.trust), { now, artefact, record: job.record === undefined ? null : new Uint8Array(await readFile(job.record)) })
  } finally {
    await source.close()
    await artefact?.close()
  }
}

async function answer(job: Job): Promise<string> {
  try {
    const report = await check(job)
    const failed = report.checks.filter((one) => !one.ok)
    const details = Object.fromEntries(failed.map((one) => [one.code, one.detail]))
    return JSON.stringify({ package: job.package, verdict: report.verdict, failed: failed.map((one) => one.code), details })
  } catch (error) {
    if (!(error instanceof Unusable)) throw error
    return JSON.stringify({ package: job.package, verdict: 'UNUSABLE', failed: [], details: { reason: error.message } })
  }
}

async function lines(): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${await answer(JSON.parse(line) as Job)}\n`)
  }
}

async function main(given: string[]): Promise<number> {
  if (given.includes('--lines')) {
    await lines()
    return 0
  }
  const option = (name: string): string | undefined => {
    const at = given.indexOf(name)
    return at < 0 ? undefined : given.splice(at, 2)[1]
  }
  const [trust, now, record] = [option('--trust'), option('--now'), option('--record')]
  if (trust === undefined || given.length === 0) throw new Unusable('--trust and a package are needed')
  let code = 0
  for (const path of given) {
    const report = await check({ package: path, trust, ...(now === undefined ? {} : { now }), ...(record === undefined ? {} : { record }) })
    process.stdout.write(`${JSON.stringify(report)}\n`)
    if (report.verdict !== 'VALID') code = 1
  }
  return code
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}
