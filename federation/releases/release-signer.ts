/**
 * Has batches signed: every open batch of this member's own final state becomes a task of the signing
 * sessions, after the member's own L1 has judged the transaction; what comes out signed is stored and
 * sent to L1. A frozen or halted member signs nothing.
 */

import { encodeTransaction } from '../../src/bitcoin/transaction.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import { type Batch, findBatch, openBatches } from '../../src/chain/peg/batches.ts'
import { withSignatures } from '../../src/chain/peg/batch-transaction.ts'
import type { StateView } from '../../src/chain/state.ts'
import { assert } from '../../src/primitives/assert.ts'
import type { AppendLog, Runtime } from '../../src/runtime/runtime.ts'
import { type BitcoinL1, L1_ALREADY_THERE } from '../l1/bitcoin-l1.ts'
import type { MemberNetwork } from '../member-network.ts'
import type { KeyShare } from '../signing/frost.ts'
import { taskKey } from '../signing/roast-session.ts'
import { DEFAULT_ROAST_TIMING } from '../signing/roast-signer.ts'
import type { SigningTask } from '../signing/signing-messages.ts'
import {
  createSigningSessions,
  type SigningEffect,
  type SigningEvent,
  type SigningSessions,
} from '../signing/signing-sessions.ts'
import { authoriseBatch, signingTaskOf } from './batch-authorisation.ts'
import type { SignedBatches } from './signed-batches.ts'

export interface ReleaseSignerParts {
  readonly params: ChainParams
  readonly share: KeyShare
  readonly view: () => StateView
  /** False while this node is halted or catching up: then it authorises nothing. */
  readonly maySign: () => boolean
  readonly l1: BitcoinL1
  readonly network: MemberNetwork
  /** Shares leave only after their record is in it. */
  readonly journal: AppendLog
  readonly signed: SignedBatches
  readonly runtime: Runtime
  /** BIP340 by the validator key. */
  readonly sign: (digest: Uint8Array) => Uint8Array
}

export interface ReleaseSigner {
  /** Looks at the open batches again. Throws what the L1 client throws. */
  update(): Promise<void>
  tick(): void
  receive(sealed: Uint8Array): void
}

/** A dead coordinator costs this much; L1 blocks take minutes. */
const RANK_DELAY_MS = 4_000
/** A signature of the right length: everything but its validity can be judged before signing. */
const PLACEHOLDER_SIGNATURE = new Uint8Array(64)
/** The one objection to it that must come. */
const SCRIPT_FAILURE = /script-verify-flag/

export function createReleaseSigner(parts: ReleaseSignerParts): ReleaseSigner {
  return new Signer(parts)
}

class Signer implements ReleaseSigner {
  readonly #parts: ReleaseSignerParts
  readonly #sessions: SigningSessions
  /** Batches being signed, by task. */
  readonly #tasks = new Map<string, { readonly task: SigningTask; readonly batchId: number }>()

  constructor(parts: ReleaseSignerParts) {
    this.#parts = parts
    const { params, share, runtime, sign } = parts
    this.#sessions = createSigningSessions(
      {
        chainId: params.chainId,
        members: params.validators,
        share,
        timing: { ...DEFAULT_ROAST_TIMING, rankDelayMs: RANK_DELAY_MS, resendMs: 1_000 },
      },
      {
        sign,
        random: (length) => runtime.random.bytes(length),
        authorise: (task) => this.#authorise(task),
      },
    )
  }

  async update(): Promise<void> {
    const { view, signed, params } = this.#parts
    const open = new Map([...openBatches(view())].map((batch) => [batch.id, batch]))
    for (const [key, { task, batchId }] of this.#tasks) {
      if (open.has(batchId)) continue
      this.#tasks.delete(key)
      this.#step({ kind: 'retire', task })
    }
    for (const batch of open.values()) {
      const task = signingTaskOf(params, batch)
      if (signed.find(batch.id) !== undefined || this.#tasks.has(taskKey(task))) continue
      if (!(await this.#isAcceptable(batch))) continue
      this.#tasks.set(taskKey(task), { task, batchId: batch.id })
      this.#step({ kind: 'task', task, nowMs: this.#nowMs() })
    }
  }

  tick(): void {
    this.#step({ kind: 'tick', nowMs: this.#nowMs() })
  }

  receive(sealed: Uint8Array): void {
    this.#step({ kind: 'received', sealed })
  }

  #nowMs(): number {
    return this.#parts.runtime.clock.monotonicMs()
  }

  /** Fees, dust, inputs, size: everything that this member's own L1 can say before a signature. */
  async #isAcceptable(batch: Batch): Promise<boolean> {
    const placeholders = batch.transaction.inputs.map(() => PLACEHOLDER_SIGNATURE)
    const draft = encodeTransaction(withSignatures(batch.transaction, placeholders))
    const { allowed, reason = '' } = await this.#parts.l1.testAccept(draft)
    if (allowed || SCRIPT_FAILURE.test(reason) || L1_ALREADY_THERE.has(reason)) return true
    // Another member's broadcast of the very same transaction conflicts with the draft.
    if (reason === 'txn-same-nonwitness-data-in-mempool') return true
    this.#parts.runtime.log.warn({ batch: batch.id, reason }, 'own L1 refuses a batch')
    return false
  }

  #authorise(task: SigningTask): ReturnType<typeof authoriseBatch> {
    const { view, params, share, maySign } = this.#parts
    const known = this.#tasks.get(taskKey(task))
    if (known === undefined || !maySign()) return undefined
    const batch = findBatch(view(), known.batchId)
    return batch === undefined ? undefined : authoriseBatch(view(), params, batch, share.epoch)
  }

  #step(event: SigningEvent): void {
    for (const effect of this.#sessions.step(event)) this.#perform(effect)
  }

  #perform(effect: SigningEffect): void {
    const { network, journal, runtime } = this.#parts
    switch (effect.kind) {
      case 'send':
        network.send(effect.to, effect.sealed)
        return
      case 'broadcast':
        network.broadcast(effect.sealed)
        return
      case 'journal':
        // A failed write never leads to a share: the session stalls, and others go on without us.
        void journal.append([effect.record]).then(
          () => this.#step({ kind: 'journaled', token: effect.token }),
          (error: unknown) =>
            runtime.log.error({ error: String(error) }, 'the signing journal failed'),
        )
        return
      case 'signed':
        void this.#finish(effect.task, effect.signatures)
        return
      case 'blame':
        runtime.log.warn({ member: effect.member, fault: effect.fault }, 'a member misbehaved')
        return
      case 'stalled':
        runtime.log.error({ malicious: effect.malicious }, 'too few honest signers left')
        return
    }
  }

  async #finish(task: SigningTask, signatures: readonly Uint8Array[]): Promise<void> {
    const { view, signed, runtime } = this.#parts
    const known = this.#tasks.get(taskKey(task))
    const batch = known === undefined ? undefined : findBatch(view(), known.batchId)
    if (batch === undefined || batch.status !== 'open') return
    assert(signatures.length === batch.transaction.inputs.length, 'one signature per input')
    await signed.add(batch.id, withSignatures(batch.transaction, signatures))
    runtime.log.info({ batch: batch.id }, 'batch signed')
    await signed.broadcast(new Set([...openBatches(view())].map(({ id }) => id))).catch(() => undefined)
  }
}
