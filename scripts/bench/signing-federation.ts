/**
 * A federation in memory: members that generate a key and sign with it, their messages delivered in
 * order and at once, their records durable at once. What is left is the computing.
 */

import { createDkg, type Dkg, type DkgEffect } from '../../federation/signing/dkg.ts'
import type { HostSigner } from '../../federation/signing/envelope.ts'
import type { KeyShare } from '../../federation/signing/frost.ts'
import type { Authorisation, SigningInput } from '../../federation/signing/roast-session.ts'
import type { SigningTask } from '../../federation/signing/signing-messages.ts'
import {
  createSigningSessions,
  type SigningEvent,
  type SigningSessions,
} from '../../federation/signing/signing-sessions.ts'
import { depositTweaks } from '../../src/chain/peg/deposit-address.ts'
import { present } from '../../src/primitives/assert.ts'
import { utf8 } from '../../src/primitives/bytes.ts'
import { type Hash32, hash32FromBytes, type XOnlyKey } from '../../src/primitives/hashes.ts'
import { signSchnorr, xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { BenchmarkError } from './benchmark.ts'
import { median } from './distribution.ts'

export interface Federation {
  readonly chainId: Hash32
  readonly members: readonly XOnlyKey[]
  readonly threshold: number
  readonly random: (length: number) => Uint8Array
}

/** What a protocol run cost all members together. */
export interface Traffic {
  messages: number
  bytes: number
}

interface Frame {
  readonly to: number
  readonly sealed: Uint8Array
}

const hostSecret = (member: number): Uint8Array => sha256(utf8(`benchmark member ${member}`))

export function hostSigner(member: number, random: Federation['random']): HostSigner {
  return (digest) => signSchnorr(digest, hostSecret(member), random(32))
}

export function createFederation(
  members: number,
  threshold: number,
  random: Federation['random'],
): Federation {
  return {
    chainId: hash32FromBytes(sha256(utf8('benchmark chain'))),
    members: Array.from({ length: members }, (_, member) => xOnlyPublicKey(hostSecret(member))),
    threshold,
    random,
  }
}

/** Messages in flight, first in first out. */
class Mailbox {
  readonly traffic: Traffic = { messages: 0, bytes: 0 }
  readonly #frames: Frame[] = []
  readonly #members: number

  constructor(members: number) {
    this.#members = members
  }

  send(to: number, sealed: Uint8Array): void {
    this.traffic.messages += 1
    this.traffic.bytes += sealed.length
    this.#frames.push({ to, sealed })
  }

  broadcast(from: number, sealed: Uint8Array): void {
    for (let to = 0; to < this.#members; to++) if (to !== from) this.send(to, sealed)
  }

  deliver(receive: (to: number, sealed: Uint8Array) => void): void {
    for (let frame = this.#frames.shift(); frame !== undefined; frame = this.#frames.shift()) {
      receive(frame.to, frame.sealed)
    }
  }
}

const TICKS_MAX = 10

/** Each member's share of a new key. @throws BenchmarkError when there is none after ten ticks. */
export function generateKey(federation: Federation): {
  readonly shares: readonly KeyShare[]
  readonly traffic: Traffic
} {
  const { chainId, members, threshold, random } = federation
  const mail = new Mailbox(members.length)
  const shares = new Map<number, KeyShare>()
  const announced = new Set<number>()
  const runs = members.map((_, self) =>
    createDkg(
      { chainId, epoch: 0, members, self, threshold },
      { sign: hostSigner(self, random), random },
    ),
  )
  const perform = (member: number, dkg: Dkg, effects: readonly DkgEffect[]): void => {
    for (const effect of effects) {
      if (effect.kind === 'send') mail.send(effect.to, effect.sealed)
      else if (effect.kind === 'broadcast') mail.broadcast(member, effect.sealed)
      else if (effect.kind === 'announce') announced.add(member)
      else if (effect.kind === 'blame') throw new BenchmarkError(`blamed: ${effect.fault}`)
      else {
        const { record } = effect
        if (record.kind === 'share') shares.set(member, record.share)
        const { attempt, kind } = record
        perform(member, dkg, dkg.step({ kind: 'persisted', attempt, record: kind }))
      }
    }
  }
  const eachMember = (kind: 'start' | 'tick'): void => {
    for (const [member, dkg] of runs.entries()) perform(member, dkg, dkg.step({ kind }))
    mail.deliver((to, sealed) => {
      const dkg = present(runs[to], 'receiver')
      perform(to, dkg, dkg.step({ kind: 'received', sealed }))
    })
  }
  eachMember('start')
  for (let tick = 0; announced.size < members.length; tick++) {
    if (tick === TICKS_MAX) throw new BenchmarkError('the key generation does not end')
    eachMember('tick')
  }
  return {
    shares: members.map((_, member) => present(shares.get(member), 'share')),
    traffic: mail.traffic,
  }
}

/** Inputs paid to as many deposit addresses of the federation. */
export function signingInputs(
  { chainId, members }: Federation,
  shares: readonly KeyShare[],
  count: number,
): readonly SigningInput[] {
  const groupKey = present(shares[0]?.group.commitments[0], 'group key')
  const recovery = { delayBlocks: 1_000, threshold: 1, keys: members.slice(0, 2) }
  return Array.from({ length: count }, (_, index) => ({
    sighash: sha256(utf8(`benchmark input ${index}`)),
    tweak: depositTweaks({
      chainId,
      epoch: 0,
      groupKey,
      recovery,
      recipient: utf8(`benchmark recipient ${index}`),
    }),
  }))
}

export interface SigningOutcome {
  /** Until the first member has the signatures: then the transaction leaves. Milliseconds. */
  readonly firstMs: number
  /** Until every member has them. */
  readonly allMs: number
  /** Of the one that finished first, and the median of the others. */
  readonly coordinatorMs: number
  readonly signerMs: number
  readonly signatures: readonly Uint8Array[]
  readonly traffic: Traffic
}

/** Members that keep their sessions between tasks, as a validator does. */
export function createSigners(
  federation: Federation,
  shares: readonly KeyShare[],
  authorise: (task: SigningTask) => Authorisation | undefined,
): (task: SigningTask) => SigningOutcome {
  const { chainId, members, random } = federation
  const sessions = shares.map((share, self) =>
    createSigningSessions(
      { chainId, members, share },
      { sign: hostSigner(self, random), random, authorise },
    ),
  )
  return (task) => signTask(sessions, task)
}

function signTask(sessions: readonly SigningSessions[], task: SigningTask): SigningOutcome {
  const mail = new Mailbox(sessions.length)
  const startedMs = performance.now()
  const spentMs = sessions.map(() => 0)
  let first: { readonly member: number; readonly atMs: number } | undefined
  let signatures: readonly Uint8Array[] = []
  let signed = 0
  const step = (member: number, event: SigningEvent): void => {
    const beganMs = performance.now()
    const effects = present(sessions[member], 'member').step(event)
    spentMs[member] = (spentMs[member] ?? 0) + performance.now() - beganMs
    for (const effect of effects) {
      if (effect.kind === 'send') mail.send(effect.to, effect.sealed)
      else if (effect.kind === 'broadcast') mail.broadcast(member, effect.sealed)
      else if (effect.kind === 'journal') step(member, { kind: 'journaled', token: effect.token })
      else if (effect.kind === 'signed') {
        first ??= { member, atMs: performance.now() - startedMs }
        signatures = effect.signatures
        signed += 1
      } else throw new BenchmarkError(`signing failed: ${effect.kind}`)
    }
  }
  for (const member of sessions.keys()) step(member, { kind: 'task', task, nowMs: startedMs })
  mail.deliver((to, sealed) => step(to, { kind: 'received', sealed }))
  if (first === undefined || signed !== sessions.length) {
    throw new BenchmarkError(`${signed} of ${sessions.length} members have the signatures`)
  }
  for (const own of sessions) own.step({ kind: 'retire', task })
  const { member: coordinator, atMs: firstMs } = first
  const allMs = performance.now() - startedMs
  return {
    firstMs,
    allMs,
    coordinatorMs: spentMs[coordinator] ?? 0,
    signerMs: median(spentMs.filter((_, member) => member !== coordinator)) ?? 0,
    signatures,
    traffic: mail.traffic,
  }
}
