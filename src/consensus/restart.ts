/**
 * Start and restart. The log's records of the undecided height put back what this node has said and
 * knows: own votes into the vote tables as well, or a crash of everybody could lose a quorum for
 * ever. No message is handled before that is done. Everything else is repaired by STATUS.
 */

import { assert } from '../primitives/assert.ts'
import type { Certificate } from './certificate.ts'
import type { Core } from './core.ts'
import { EMPTY_JUSTIFICATION, justificationCertificates } from './justification.ts'
import { progress } from './proposing.ts'
import { fullStatus } from './status-repair.ts'
import { addVote } from './tally.ts'
import { armFinalize, armRetransmit, armView } from './timers.ts'
import type { Vote } from './votes.ts'
import type { VoteRecord, WalRecord } from './wal-record.ts'

export function start(core: Core, records: readonly WalRecord[]): void {
  assert(!core.started, 'started twice')
  core.started = true
  for (const peer of core.peers) peer.heardAtMs = core.nowMs

  const { height } = core
  const current = records.filter((record) => record.height === height.height)
  const ownVotes: Vote[] = []
  for (const record of current) {
    switch (record.kind) {
      case 'block':
        restoreBody(core, record.block)
        break
      case 'certificate':
        restoreCertificate(core, record.certificate)
        break
      case 'vote':
        restoreVote(core, record)
        ownVotes.push(record.vote)
        break
    }
  }
  height.view = Math.max(
    0,
    ...[...height.nullifications.keys()].map((view) => view + 1),
    ...height.notarizations.keys(),
    ...height.own.keys(),
  )
  height.active = current.length > 0
  for (const vote of ownVotes) addVote(core, vote)

  if (height.active) {
    if (height.notarizations.has(height.view)) armFinalize(core, height.view)
    else armView(core, height.view)
  }
  armRetransmit(core)
  core.broadcast(fullStatus(core))
  progress(core)
}

function restoreBody(core: Core, bytes: Uint8Array): void {
  const block = core.deps.openBlock(bytes)
  assert(block !== undefined, 'the log holds a block that does not open')
  core.height.persistedBodies.add(block.hash)
  core.height.storeBody(block)
}

function restoreCertificate(core: Core, certificate: Certificate): void {
  const { height } = core
  if (certificate.type === 'notarize') height.notarizations.set(certificate.view, certificate)
  if (certificate.type === 'nullify') height.nullifications.set(certificate.view, certificate)
}

function restoreVote(core: Core, record: VoteRecord): void {
  const { height } = core
  const { vote } = record
  assert(vote.signer === core.self, "the log holds somebody else's vote")
  const own = height.ownAt(vote.view)
  if (vote.type === 'nullify') own.nullify = true
  else if (vote.blockHash !== undefined) own[vote.type] = vote.blockHash
  assert(!own.nullify || own.finalize === undefined, 'the log holds nullify and finalize of a view')
  if (vote.type !== 'notarize' || vote.blockHash === undefined) return

  const justification = record.justification ?? EMPTY_JUSTIFICATION
  for (const certificate of justificationCertificates(justification)) {
    restoreCertificate(core, certificate)
  }
  // An own proposal: peers that lack it will ask, and it must be this one.
  if (height.leader(vote.view) === core.self) {
    height.proposals.set(vote.view, { hash: vote.blockHash, justification })
  }
}
