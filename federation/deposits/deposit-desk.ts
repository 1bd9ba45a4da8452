/**
 * The user's side of deposits: hands out addresses, takes claims, tells how each deposit stands. An
 * address is given out only while this node is in sync and the peg is open, so that it cannot be a
 * dead key's; the client recomputes it from the chain anyway.
 */

import type { OutPoint } from '../../src/bitcoin/transaction.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import { extraHeadersFor, findClaimHeight, isRecipient } from '../../src/chain/peg/deposits.ts'
import { activeKeyEpoch, depositScriptOf, findKeyEpoch } from '../../src/chain/peg/key-epochs.ts'
import type { StateView } from '../../src/chain/state.ts'
import { bytesToHex, equalBytes } from '../../src/primitives/bytes.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { ok, type Rejection, type Result, reject } from '../../src/primitives/result.ts'
import type { GossipVerdict, Network, PeerId, Runtime } from '../../src/runtime/runtime.ts'
import type { L1View } from '../l1-view.ts'
import type { DepositBook, Registration, SeenDeposit } from './deposit-book.ts'
import type { DepositWatcher } from './deposit-watcher.ts'
import { decodeRegistrationMessage, encodeRegistrationMessage } from './registration-message.ts'

export type DepositStatus = 'seen' | 'confirming' | 'below-minimum' | 'minted'

export interface DepositReport {
  readonly deposit: SeenDeposit
  readonly status: DepositStatus
  readonly confirmations: number
  readonly requiredConfirmations: number
  readonly mintHeight: number | undefined
}

export interface DepositDesk {
  /** The recipient's address, watched from now on by every member that hears of it. */
  request(recipient: Uint8Array): Promise<Result<Registration, Rejection>>
  /** Looks for one named deposit, whoever asks. */
  claim(outPoint: OutPoint, recipient: Uint8Array): Promise<Result<void, Rejection>>
  /** Newest first; all recipients when none is given. */
  reports(recipient: Uint8Array | undefined, limit: number): readonly DepositReport[]
}

export interface DeskParts {
  readonly params: ChainParams
  readonly view: () => StateView
  readonly isSynced: () => boolean
  readonly book: DepositBook
  readonly watcher: DepositWatcher
  readonly l1View: L1View
  readonly network: Pick<Network, 'publish' | 'onGossip'>
  readonly runtime: Runtime
}

/** Registrations that one peer may gossip in a minute; more are ignored. */
const REGISTRATIONS_PER_MINUTE = 600

export function createDepositDesk(parts: DeskParts): DepositDesk {
  const { params, book, watcher, l1View } = parts
  const allowance = createAllowance(parts.runtime)

  function l1Height(): number | undefined {
    const health = l1View.health()
    return health.state === 'ok' ? health.height : undefined
  }

  function registrationFor(keyEpoch: number, recipient: Uint8Array): Registration | undefined {
    const epoch = findKeyEpoch(parts.view(), keyEpoch)
    if (epoch === undefined) return undefined
    return { keyEpoch, recipient, script: depositScriptOf(params, epoch, recipient) }
  }

  parts.network.onGossip('federation', judge)

  function judge(from: PeerId, payload: Uint8Array): GossipVerdict {
    if (!allowance.take(from)) return 'ignore'
    try {
      const { keyEpoch, recipient } = decodeRegistrationMessage(payload)
      const registration = registrationFor(keyEpoch, recipient.slice())
      if (registration === undefined) return 'ignore'
      if (book.registrations.has(bytesToHex(registration.script))) return 'ignore'
      watchQuietly(registration)
      return 'accept'
    } catch (error) {
      if (error instanceof DecodeError) return 'reject'
      throw error
    }
  }

  function watchQuietly(registration: Registration): void {
    watcher.watch(registration, l1Height() ?? 0).catch((error: unknown) => {
      parts.runtime.log.warn({ error: String(error) }, 'could not look back for a new address')
    })
  }

  async function request(recipient: Uint8Array): Promise<Result<Registration, Rejection>> {
    if (!isRecipient(recipient)) {
      return reject('bad-recipient', 'invalid', 'pay to a P2WPKH, P2WSH or P2TR address')
    }
    if (!parts.isSynced()) return reject('not-synced', 'premature', 'this node is catching up')
    const epoch = activeKeyEpoch(parts.view())
    if (epoch === undefined) return reject('peg-closed', 'premature', 'no key has been made yet')
    const registration = {
      keyEpoch: epoch.epoch,
      recipient,
      script: depositScriptOf(params, epoch, recipient),
    }
    const known = book.registrations.has(bytesToHex(registration.script))
    if (!known) await watcher.watch(registration, l1Height() ?? 0)
    await parts.network.publish('federation', encodeRegistrationMessage(registration))
    return ok(registration)
  }

  async function claim(
    outPoint: OutPoint,
    recipient: Uint8Array,
  ): Promise<Result<void, Rejection>> {
    const height = l1Height()
    if (height === undefined) return reject('l1-unavailable', 'premature', 'waiting for L1')
    if (findClaimHeight(parts.view(), outPoint) !== undefined) {
      return reject('deposit-already-minted')
    }
    for (let epoch = 0; ; epoch++) {
      const registration = registrationFor(epoch, recipient)
      if (registration === undefined) break
      if (!(await watcher.claim(outPoint, registration, height))) continue
      await parts.network.publish('federation', encodeRegistrationMessage(registration))
      return ok(undefined)
    }
    return reject('deposit-not-found', 'missing', 'no confirmed output pays this recipient there')
  }

  function reports(recipient: Uint8Array | undefined, limit: number): readonly DepositReport[] {
    const deposits = [...book.deposits.values()].filter(
      (deposit) => recipient === undefined || equalBytes(deposit.recipient, recipient),
    )
    return deposits
      .toSorted((a, b) => b.l1Height - a.l1Height || b.position - a.position)
      .slice(0, limit)
      .map(report)
  }

  function report(deposit: SeenDeposit): DepositReport {
    const mintHeight = findClaimHeight(parts.view(), deposit.outPoint)
    const extra = extraHeadersFor(params, deposit.value, deposit.position)
    // One deeper than validators demand, as proposers go.
    const requiredConfirmations = params.peg.l1Depth + 1 + extra
    const tip = l1Height() ?? deposit.l1Height
    const confirmations = Math.max(0, tip - deposit.l1Height + 1)
    return {
      deposit,
      confirmations,
      requiredConfirmations,
      mintHeight,
      status: statusOf(deposit, mintHeight, confirmations >= requiredConfirmations),
    }
  }

  function statusOf(
    deposit: SeenDeposit,
    mintHeight: number | undefined,
    isDeep: boolean,
  ): DepositStatus {
    if (mintHeight !== undefined) return 'minted'
    if (!isDeep) return 'confirming'
    const waiting = [...book.deposits.values()].filter(
      (other) =>
        equalBytes(other.script, deposit.script) &&
        findClaimHeight(parts.view(), other.outPoint) === undefined,
    )
    const sum = waiting.reduce((total, other) => total + other.value, 0n)
    return sum < params.peg.minDepositSats ? 'below-minimum' : 'confirming'
  }

  return { request, claim, reports }
}

interface Allowance {
  take(peer: PeerId): boolean
}

/** A count per peer that starts anew every minute. */
function createAllowance(runtime: Runtime): Allowance {
  let used = new Map<PeerId, number>()
  let minute = 0
  return {
    take(peer) {
      const now = Math.floor(runtime.clock.monotonicMs() / 60_000)
      if (now !== minute) {
        minute = now
        used = new Map()
      }
      const count = used.get(peer) ?? 0
      used.set(peer, count + 1)
      return count < REGISTRATIONS_PER_MINUTE
    },
  }
}
