/**
 * The second verifier of Wangjian evidence packages: format 2 of docs/evidence/package.md, written from that
 * page and the standards it cites, apart from the verifier in Python. No network, nothing but the file and the trust file.
 *
 * How to read it: `json`, `zip`, `notes`, `merkle` (how hostile octets are read), `manifest`, `envelope`,
 * `timestamps`, `logged` (what stands in them), `package` (what is known of one), `checks`, `excerpts`, `report`.
 */
export { Failed, Unusable } from './failed.ts'
export { type Report, type Verdict, verify } from './report.ts'
export { type Source, fromBlob, fromBytes } from './source.ts'
export { type Trust, readTrust } from './trust.ts'
export { packageDigest } from './zip.ts'
