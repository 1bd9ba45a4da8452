/**
 * A run as text, for people: one line for each event of a node and one for each effect of it, with
 * the virtual time, the node and where it stands.
 *
 *     12.340 s  n2  h5 v1   message from 3: vote finalize 5/1 by 3 of 9c1f…
 *     12.340 s  n2  h6 v0     commit 5: block of view 1 by 0
 */

import { bitmapIndexes, type Certificate } from '../consensus/certificate.ts'
import type { Effect, Event } from '../consensus/events-and-effects.ts'
import type { Message } from '../consensus/messages.ts'
import type { Vote } from '../consensus/votes.ts'
import type { WalRecord } from '../consensus/wal-record.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import type { NodeObserver } from './node-observer.ts'
import type { SimulatedNode } from './simulated-node.ts'

const NAMES_CHARS = 8

export class SimulationTrace implements NodeObserver {
  readonly #nowMs: () => number
  readonly #write: (line: string) => void

  constructor(nowMs: () => number, write: (line: string) => void) {
    this.#nowMs = nowMs
    this.#write = write
  }

  note(text: string): void {
    this.#write(`${this.#time()}  ${text}`)
  }

  started(node: SimulatedNode): void {
    this.#line(node, `starts, ${node.disk.decided.length} blocks on disk`)
  }

  stopped(node: SimulatedNode, why: string): void {
    this.#line(node, `ends: ${why}`)
  }

  stepped(node: SimulatedNode, event: Event, effects: readonly Effect[]): void {
    // Timers and statuses that lead to nothing are most of what happens.
    if (effects.length === 0 && event.kind !== 'message') return
    this.#line(node, describeEvent(event))
    for (const effect of effects) this.#line(node, `  ${describeEffect(effect)}`)
  }

  halted(node: SimulatedNode, reason: string): void {
    this.#line(node, `HALTS: ${reason}`)
  }

  #time(): string {
    return `${(this.#nowMs() / 1_000).toFixed(3).padStart(8)} s`
  }

  #line(node: SimulatedNode, text: string): void {
    const snapshot = node.core?.snapshot()
    const place = snapshot === undefined ? '-' : `h${snapshot.height} v${snapshot.view}`
    const name = node.place === node.index ? `n${node.index}` : `n${node.index}'`
    this.#write(`${this.#time()}  ${name.padEnd(4)}${place.padEnd(10)}${text}`)
  }
}

function short(hash: BlockHash | undefined): string {
  return hash === undefined ? '' : ` of ${hash.slice(-NAMES_CHARS)}`
}

function describeVote(vote: Vote): string {
  return `${vote.type} ${vote.height}/${vote.view} by ${vote.signer}${short(vote.blockHash)}`
}

function describeCertificate(certificate: Certificate): string {
  const { type, height, view, blockHash, bitmap } = certificate
  return `${type} certificate ${height}/${view} of {${bitmapIndexes(bitmap).join(' ')}}${short(blockHash)}`
}

function held(bitmap: Uint8Array): string {
  return bitmapIndexes(bitmap).join(' ')
}

function describeMessage(message: Message): string {
  switch (message.kind) {
    case 'vote':
      return `vote ${describeVote(message.vote)}`
    case 'propose': {
      const { base, nulls } = message.justification
      const because = base === undefined ? 'fresh' : `repeats view ${base.view}`
      return `propose ${describeVote(message.leaderVote)}, ${because}, ${nulls.length} nullified`
    }
    case 'enter':
      return `enter ${message.height}/${message.view}: ${message.certificates.map(describeCertificate).join(', ')}`
    case 'status': {
      const { height, view, detail } = message
      if (detail === undefined) return `status ${height}/${view}`
      return `status ${height}/${view} with N{${held(detail.notarize)}} U{${held(detail.nullify)}} F×${detail.finalize.length}`
    }
    case 'get-block':
      return `get-block ${message.height}${short(message.hash)}`
    case 'block':
      return `block ${message.height}, ${message.block.length} bytes`
    case 'decided':
      return `decided ${describeCertificate(message.certificate)}`
    case 'evidence':
      return `evidence ${describeVote(message.first)} against ${describeVote(message.second)}`
    case 'transactions':
      return `${message.transactions.length} transactions`
    case 'hello':
      return 'hello'
  }
}

function describeEvent(event: Event): string {
  switch (event.kind) {
    case 'start':
      return `start with ${event.records.length} records`
    case 'message':
      return `message from ${event.from ?? 'a stranger'}: ${describeMessage(event.message)}`
    case 'timer':
      return `timer ${event.timer} ${event.height}/${event.view}`
    case 'work':
      return event.present ? 'there is work' : 'there is no work'
    case 'block-ready':
      return `judged ${event.verdict}${event.fresh ? ' as fresh' : ''}${short(event.hash)}`
    case 'built':
      return `built ${event.height}/${event.view}${short(event.block?.hash)}`
    case 'decided':
      return `caught up with ${describeCertificate(event.certificate)}`
    case 'connected':
      return `connected to ${event.peer}`
  }
}

function describeRecord(record: WalRecord): string {
  switch (record.kind) {
    case 'vote':
      return describeVote(record.vote)
    case 'block':
      return `block of ${record.height}, ${record.block.length} bytes`
    case 'certificate':
      return describeCertificate(record.certificate)
  }
}

function describeEffect(effect: Effect): string {
  switch (effect.kind) {
    case 'persist':
      return `journal ${describeRecord(effect.record)}`
    case 'send':
      return `to ${effect.to}: ${describeMessage(effect.message)}`
    case 'broadcast':
      return `to all: ${describeMessage(effect.message)}`
    case 'timer':
      return `arm ${effect.timer} ${effect.height}/${effect.view}, ${Math.round(effect.afterMs)} ms`
    case 'validate':
      return `judge${effect.fresh ? ' as fresh' : ''}${short(effect.block.hash)}`
    case 'build':
      return `build ${effect.height}/${effect.view}`
    case 'commit':
      return `COMMIT ${effect.height}${short(effect.block.hash)} of view ${effect.block.view} by ${effect.block.proposer}`
    case 'evidence':
      return `EVIDENCE ${describeVote(effect.first)} against ${describeVote(effect.second)}`
    case 'share-transactions':
      return 'share transactions'
    case 'catch-up':
      return `catch up with ${effect.peer}, who claims ${effect.height}`
    case 'halt':
      return `HALT ${effect.reason}`
  }
}
