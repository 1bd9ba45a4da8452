/**
 * Threshold signing for one key epoch, as the member drives it: events in, effects out, no clock and no
 * I/O. One task is one version of a batch; the inputs of other epochs are signed by those epochs' own
 * sessions. Any quorum of honest members finishes, whatever the others do.
 *
 * What the driver does:
 *
 *  - `task` for every unsigned task of its own final state, again after a restart (repeating is free);
 *    `retire` when it is superseded, confirmed or no longer wanted; `tick` about once a second;
 *    `received` for every sealed frame whose envelope says protocol 'signing' and this epoch.
 *  - effect `send`: to that member over a direct stream; losing it is allowed.
 *  - effect `broadcast`: to all other members; losing it is allowed.
 *  - effect `journal`: make the record durable (fsync), then step `journaled` with its token. The share
 *    is computed only then. If the write fails, stop: never step `journaled`.
 *  - effect `signed`: put the signatures into the transaction and broadcast it. It comes once per task.
 *    Other members may end with other signatures of the same transaction: never depend on the wtxid.
 *  - effect `blame`: log and count. It changes nothing here: that member is left out of this task only.
 *  - effect `stalled`: raise an alarm; more members have sent bad shares than the key can bear.
 *
 * `authorise` must answer from final state, and undefined while the member is not synced, the L1
 * refuses the transaction, or the peg is frozen. Nonces live in memory only: a machine that is
 * snapshot or migrated while running must not be a member.
 */

import { assert, unreachable } from '../../src/primitives/assert.ts'
import { DecodeError, encodeWith } from '../../src/primitives/codec.ts'
import { type Hash32, writeHash32, type XOnlyKey } from '../../src/primitives/hashes.ts'
import type { ComputeEffect } from './computations.ts'
import {
  type Envelope,
  type FederationContext,
  type HostSigner,
  openMessage,
  sealMessage,
} from './envelope.ts'
import type { KeyShare } from './frost.ts'
import type { SignerFault } from './roast-coordinator.ts'
import { type RoastEffect, RoastMember } from './roast-member.ts'
import type { Authorise } from './roast-session.ts'
import {
  type CoordinatorFault,
  DEFAULT_ROAST_TIMING,
  type RoastTiming,
  type SigningRecord,
} from './roast-signer.ts'
import {
  decodeSigningMessage,
  encodeSigningMessage,
  type SigningMessage,
  type SigningTask,
  type StartMessage,
} from './signing-messages.ts'
import { createWorkPlace, type Offload } from './work-place.ts'

export interface SigningSessionsConfig {
  readonly chainId: Hash32
  /** The epoch's members in their fixed order. */
  readonly members: readonly XOnlyKey[]
  /** This member's share; it names the epoch and the position. */
  readonly share: KeyShare
  readonly timing?: RoastTiming
}

export interface SigningSessionsDeps {
  readonly sign: HostSigner
  readonly random: (length: number) => Uint8Array
  readonly authorise: Authorise
  /** Without, the arithmetic is done here and now. */
  readonly offload?: Offload<SigningEffect>
}

export type SigningEvent =
  | { readonly kind: 'task'; readonly task: SigningTask; readonly nowMs: number }
  | { readonly kind: 'retire'; readonly task: SigningTask }
  | { readonly kind: 'tick'; readonly nowMs: number }
  | { readonly kind: 'received'; readonly sealed: Uint8Array }
  | { readonly kind: 'journaled'; readonly token: number }

export type SigningFault = SignerFault | CoordinatorFault | 'malformed'

export type SigningEffect =
  | { readonly kind: 'send'; readonly to: number; readonly sealed: Uint8Array }
  | { readonly kind: 'broadcast'; readonly sealed: Uint8Array }
  | { readonly kind: 'journal'; readonly token: number; readonly record: Uint8Array }
  | {
      readonly kind: 'signed'
      readonly task: SigningTask
      /** BIP340, 64 bytes each, in the order of the authorised inputs. */
      readonly signatures: readonly Uint8Array[]
    }
  | {
      readonly kind: 'blame'
      readonly member: number
      readonly fault: SigningFault
      readonly evidence: readonly Uint8Array[]
    }
  | {
      readonly kind: 'stalled'
      readonly task: SigningTask
      readonly malicious: readonly number[]
    }

export interface SigningSessions {
  step(event: SigningEvent): SigningEffect[]
}

export function createSigningSessions(
  config: SigningSessionsConfig,
  deps: SigningSessionsDeps,
): SigningSessions {
  const { share, members, chainId } = config
  const { epoch, member: self } = share
  assert(members.length === share.group.memberCount, 'the share is of another member list')
  const context: FederationContext = { chainId, epoch, members }
  const timing = config.timing ?? DEFAULT_ROAST_TIMING
  const quorum = share.group.threshold
  const roast = new RoastMember({ context, self, share, quorum, timing }, deps)
  const seal = createSealing(context, self, deps.sign)
  const place = createWorkPlace<Exclude<RoastEffect, ComputeEffect>, SigningEffect>({
    random: deps.random,
    offload: deps.offload,
    answer: (token, result) => roast.computed(token, result),
    outward: (effect) => sealEffect(effect, epoch, seal),
  })
  place.addShare(share)
  return {
    step(event) {
      switch (event.kind) {
        case 'task':
          return place.settle(roast.begin(event.task, event.nowMs))
        case 'retire':
          return place.settle(roast.end(event.task))
        case 'tick':
          return place.settle(roast.tick(event.nowMs))
        case 'received': {
          const opened = openSigningMessage(event.sealed, context, self)
          if (opened === undefined) return []
          if (opened.message === undefined) return [malformed(opened.sender, event.sealed)]
          return place.settle(roast.receive(opened.sender, opened.message, event.sealed))
        }
        case 'journaled':
          return place.settle(roast.journaled(event.token))
        default:
          return unreachable(event)
      }
    },
  }
}

/** Undefined recipient: everybody. */
type Sealing = (message: SigningMessage, recipient: number | undefined) => Uint8Array

/** A START is sealed once, for all: each of its signers can show the others what it was told. */
function createSealing(
  { chainId, epoch }: FederationContext,
  sender: number,
  sign: HostSigner,
): Sealing {
  const starts = new WeakMap<StartMessage, Uint8Array>()
  const seal: Sealing = (message, recipient) => {
    const body = encodeSigningMessage(message)
    return sealMessage({ protocol: 'signing', epoch, sender, recipient, body }, chainId, sign)
  }
  return (message, recipient) => {
    if (message.kind !== 'start') return seal(message, recipient)
    const sealed = starts.get(message) ?? seal(message, undefined)
    starts.set(message, sealed)
    return sealed
  }
}

function sealEffect(
  effect: Exclude<RoastEffect, ComputeEffect>,
  epoch: number,
  seal: Sealing,
): SigningEffect {
  switch (effect.kind) {
    case 'send':
      return { kind: 'send', to: effect.to, sealed: seal(effect.message, effect.to) }
    case 'broadcast':
      return { kind: 'broadcast', sealed: seal(effect.message, undefined) }
    case 'journal': {
      const record = encodeSigningRecord(epoch, effect.record)
      return { kind: 'journal', token: effect.token, record }
    }
    case 'blame': {
      const { member, fault, evidence } = effect
      return { kind: 'blame', member, fault, evidence }
    }
    case 'signed':
    case 'stalled':
      return effect
    default:
      return unreachable(effect)
  }
}

function malformed(member: number, sealed: Uint8Array): SigningEffect {
  return { kind: 'blame', member, fault: 'malformed', evidence: [sealed] }
}

/** Undefined when it is not proved or not for us; without message when its sender wrote nonsense. */
function openSigningMessage(
  sealed: Uint8Array,
  context: FederationContext,
  self: number,
): { readonly sender: number; readonly message: SigningMessage | undefined } | undefined {
  const envelope = openMessage(sealed, context)
  if (envelope === undefined || !isForUs(envelope, self)) return undefined
  try {
    return { sender: envelope.sender, message: decodeSigningMessage(envelope.body) }
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
    return { sender: envelope.sender, message: undefined }
  }
}

function isForUs(envelope: Envelope, self: number): boolean {
  if (envelope.protocol !== 'signing' || envelope.sender === self) return false
  return envelope.recipient === undefined || envelope.recipient === self
}

const RECORD_VERSION = 1

/** The journal's record of a share about to leave: what it was for, and the hash of all it bound. */
function encodeSigningRecord(epoch: number, record: SigningRecord): Uint8Array {
  return encodeWith((writer) => {
    writer.u8(RECORD_VERSION).u32(epoch)
    writeHash32(writer, record.batchId)
    writer.u32(record.version).u8(record.coordinator).u64(record.session)
    writer.bytes(record.sessionHash)
  })
}
