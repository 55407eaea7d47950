/** The checks of a package. Each gives a line of what it saw, or throws Failed with the reason. */

import { hex, same } from './bytes.ts'
import { type DigestName, sha256 } from './digest.ts'
import { datapackage, datapackageDigest } from './descriptors.ts'
import { checkKeyTimes } from './envelope.ts'
import { Failed, must } from './failed.ts'
import { canonical, exactly, list, member, members, readCanonical, whole } from './json.ts'
import { checkIncluded, checkWitnesses, hashes, numberOf } from './logged.ts'
import type { Artefact } from './manifest.ts'
import { checkConsistency, leafHash, treeRoot } from './merkle.ts'
import { moment, written } from './moment.ts'
import { CONSISTENCY, DATAPACKAGE, DIGEST, ENVELOPE, checkComplete, checkOrder, isReserved, stampNames } from './names.ts'
import type { Package } from './package.ts'
import { checkRecord } from './record.ts'
import type { Member } from './zip.ts'

export type Check = (of: Package) => Promise<string>

export const checkStructure: Check = async (of) => {
  if (of.scanned === null) throw new Failed(of.scanFault)
  return `${String(of.members.length)} files`
}

export const checkMembers: Check = async (of) => {
  checkOrder(of.names)
  checkComplete(of.names)
  return `${String(of.names.length)} names`
}

export const checkCrc: Check = async (of) => {
  must(of.members.length > 0, 'no files')
  for (const { name, crc32, found } of of.members) must(crc32 === found.crc32, `CRC of ${name} differs`)
  return `${String(of.members.length)} files`
}

export const checkEnvelope: Check = async (of) => `${String((await of.envelope()).signatures.length)} signatures`

export const checkManifest: Check = async (of) => `${String((await of.manifest()).artefacts.length)} artefacts`

export const checkPolicy: Check = async (of) => (await of.policy()).id

export const checkWorker: Check = async (of) => {
  const keys = (await of.verifiedBy('worker')).map(({ key }) => key.keyid)
  const named = (await of.manifest()).keyIds
  must(named.join() === keys.join(), 'key_ids does not name the worker keys that signed')
  return keys.map((id) => `${id.slice(0, 16)}…`).join(', ')
}

export const checkSealing: Check = async (of) =>
  (await of.verifiedBy('sealing')).map(({ key }) => `${key.keyid.slice(0, 16)}…`).join(', ')

export const checkArtefactSet: Check = async (of) => {
  const removed = new Set(await of.removed())
  const { aboutArtefacts, artefacts } = await of.manifest()
  must(aboutArtefacts, 'the subject of the statement is not its list of artefacts')
  const expected = artefacts.map((one) => one.path).filter((path) => !removed.has(path))
  const found = of.names.filter((name) => name !== DATAPACKAGE && name !== DIGEST && !isReserved(name))
  must(expected.join('\n') === found.join('\n'), 'the files are not those of the manifest')
  return `${String(found.length)} files, ${String(removed.size)} left out`
}

/** A check of one property of every artefact that is in the package. */
function ofEach(what: string, holds: (artefact: Artefact, file: Member) => boolean): Check {
  return async (of) => {
    // What is wrong with a redaction is said by artefacts.set; here it then excuses nothing.
    const removed = new Set(await of.removed().catch(() => []))
    const files = new Map(of.members.map((file) => [file.name, file]))
    const here = (await of.manifest()).artefacts.filter((artefact) => !removed.has(artefact.path))
    for (const artefact of here) {
      const file = files.get(artefact.path)
      must(file !== undefined, `${artefact.path} is missing`)
      must(holds(artefact, file), `${what} of ${artefact.path} differs`)
    }
    return `${String(here.length)} files`
  }
}

export const checkSizes = ofEach('size', (artefact, file) => artefact.bytes === file.size)
export const checkSha256 = ofEach('SHA-256', (artefact, file) => artefact.sha256 === file.found.sha256)
export const checkSm3 = ofEach('SM3', (artefact, file) => artefact.sm3 === file.found.sm3)

export const checkMerkle: Check = async (of) => {
  const { artefacts, root } = await of.manifest()
  must(artefacts.length > 0, 'no artefacts')
  const leaves = await Promise.all(artefacts.map((artefact) => leafHash(canonical(artefact.whole))))
  must(hex(await treeRoot(leaves)) === root, 'the root is not that of the artefacts')
  return root
}

export const checkDescriptors: Check = async (of) => {
  const expected = datapackage(await of.manifest(), of.members)
  must(same(await of.content(DATAPACKAGE), expected), 'datapackage.json is not what the files make it')
  const digest = datapackageDigest(hex(await sha256(expected)))
  must(same(await of.content(DIGEST), digest), 'datapackage-digest.json is not that of datapackage.json')
  return `${String(of.members.length - 2)} resources`
}

export const checkStamps: Check = async (of) => {
  const { valid, fault } = await of.responses()
  must(fault === '', fault)
  must(valid.length > 0, 'no time stamp')
  return valid.map(({ authority, time }) => `${authority.operator} ${written(time)}`).join(', ')
}

export const checkStampQuorum: Check = async (of) => {
  const operators = new Set((await of.stamps()).map((stamp) => stamp.authority.operator)).size
  const { tsaQuorum } = await of.policy()
  must(operators >= tsaQuorum, `${String(operators)} of ${String(tsaQuorum)} operators stamped`)
  return `${String(operators)} of ${String(tsaQuorum)} required`
}

export const checkCurrent: Check = async (of) => {
  const until = Math.min(...(await of.stamps()).map((stamp) => stamp.authority.notAfter))
  if (of.record !== null) {
    const against = { digest: (name: DigestName) => of.digest(name), tsas: of.trust.tsas, now: of.now, weak: of.trust.weak }
    const found = await checkRecord(of.record, against)
    must(found.first <= until, `the record begins after the certificate expired on ${written(until)}`)
    return `renewed, until ${written(found.until)}`
  }
  must(of.now <= until, `a stamp's certificate expired on ${written(until)} and no evidence record is given`)
  return `until ${written(until)}`
}

export const checkEntry: Check = async (of) => {
  const entry = await of.entry()
  const { evidenceId, root } = await of.manifest()
  const number = numberOf(entry)
  const digest = async (name: string): Promise<string> => hex(await sha256(await of.content(name)))
  must(member(entry, 'envelope_sha256') === (await digest(ENVELOPE)), 'the entry is of another envelope')
  must(member(entry, 'evidence_id') === evidenceId, 'the entry is of another item')
  must(member(entry, 'merkle_root') === root, 'the entry has another Merkle root')
  const stamps = await Promise.all(stampNames(of.names).map(digest))
  must(list(member(entry, 'stamps_sha256'), 'stamps_sha256').join() === stamps.join(), 'the entry is of other time stamps')
  return number
}

export const checkCheckpoint: Check = async (of) => {
  const { checkpoint } = await of.log()
  return `${checkpoint.origin}, ${String(checkpoint.size)} entries`
}

export const checkInclusion: Check = async (of) => {
  await of.log()
  const proof = await of.proof()
  await checkIncluded(await of.entryBytes(), proof)
  return `entry ${String(proof.index)} of ${String(proof.checkpoint.size)}`
}

export const checkWitness: Check = async (of) => checkWitnesses((await of.log()).cosigned, await of.policy())

export const checkBeacon: Check = async (of) => `${String((await of.beacon()).checkpoint.size)} entries`

export const checkGrowth: Check = async (of) => {
  const [beacon, log] = [await of.beacon(), await of.log()]
  const document = members(readCanonical(await of.content(CONSISTENCY)), 'consistency')
  exactly(document, ['hashes', 'new', 'old', 'v'], 'consistency')
  must(member(document, 'v') === 1, 'consistency proof of another version')
  const [older, newer] = [whole(member(document, 'old'), 'old'), whole(member(document, 'new'), 'new')]
  const proof = hashes(document, 'hashes')
  if (beacon.log !== log.log) {
    must(older === 0 && newer === 0 && proof.length === 0, 'a consistency proof between two logs')
    return 'another shard'
  }
  const [first, second] = [beacon.checkpoint, log.checkpoint]
  must(older === first.size && newer === second.size, 'the consistency proof is between other trees')
  await checkConsistency(older, newer, first.root, second.root, proof)
  return `${String(older)} → ${String(newer)} entries`
}

export const checkTimes: Check = async (of) => {
  const { start: began, end: ended, offsetMs } = await of.manifest()
  const [start, end, { maxSkew }] = [moment(began), moment(ended), await of.policy()]
  const [stamps, { cosigned }, beacon] = [await of.stamps(), await of.log(), await of.beacon()]
  must(start <= end, 'the capture ends before it begins')
  must(offsetMs === null || Math.abs(offsetMs) <= maxSkew, 'the clock was too far off')
  for (const { time } of beacon.cosigned) must(time <= start + maxSkew, 'the capture begins before its beacon')
  must(cosigned.length > 0, 'no cosignature to compare with')
  for (const { time } of stamps) {
    must(end <= time + maxSkew, 'stamped before the capture ended')
    for (const witness of cosigned) must(time <= witness.time + maxSkew, 'cosigned before it was stamped')
  }
  return `${began} … ${ended}`
}

export const checkKeys: Check = async (of) => {
  const times = (await of.stamps()).map((stamp) => stamp.time)
  const signed = [...(await of.signedBy('worker')), ...(await of.signedBy('sealing'))]
  for (const { key } of signed) checkKeyTimes(key, times)
  return `${String(signed.length)} keys`
}
