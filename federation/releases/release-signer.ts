/**
 * Has the batches of one key epoch signed: every open one of this member's own final state becomes a
 * task of the signing sessions, after the member's own L1 has judged the transaction; what comes out
 * signed is stored and sent to L1. A frozen or halted member signs nothing.
 *
 * A batch that this member holds signed already becomes a task as well: the others may have lost it,
 * and they need a quorum to sign the same transaction again.
 */

import { encodeTransaction } from '../../src/bitcoin/transaction.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import { withSignatures } from '../../src/chain/peg/batch-transaction.ts'
import { type Batch, currentVersion, findBatch, openBatches } from '../../src/chain/peg/batches.ts'
import type { StateView } from '../../src/chain/state.ts'
import { assert, present } from '../../src/primitives/assert.ts'
import type { XOnlyKey } from '../../src/primitives/hashes.ts'
import type { AppendLog, Runtime } from '../../src/runtime/runtime.ts'
import { type BitcoinL1, L1_ALREADY_THERE } from '../l1/bitcoin-l1.ts'
import { isL1Failure } from '../l1-failure.ts'
import { createMemberFaults, type MemberFaults } from '../member-faults.ts'
import type { EpochNetwork } from '../member-network.ts'
import type { KeyShare } from '../signing/frost.ts'
import { type Authorisation, taskKey } from '../signing/roast-session.ts'
import { DEFAULT_ROAST_TIMING } from '../signing/roast-signer.ts'
import type { SigningTask } from '../signing/signing-messages.ts'
import {
  createSigningSessions,
  type SigningEffect,
  type SigningEvent,
  type SigningSessions,
} from '../signing/signing-sessions.ts'
import type { SigningWork } from '../signing/work-jobs.ts'
import type { Offload } from '../signing/work-place.ts'
import { authoriseBatch, signingTaskOf } from './batch-authorisation.ts'
import type { SignedBatches } from './signed-batches.ts'

export interface ReleaseSignerParts {
  readonly params: ChainParams
  readonly share: KeyShare
  /** Of the share's key epoch, in order. */
  readonly members: readonly XOnlyKey[]
  readonly view: () => StateView
  /** False while this node is halted, catching up or frozen: then it authorises nothing. */
  readonly maySign: () => boolean
  readonly l1: BitcoinL1
  readonly network: EpochNetwork
  /** Shares leave only after their record is in it. */
  readonly journal: AppendLog
  readonly signed: SignedBatches
  readonly runtime: Runtime
  /** BIP340 by the validator key. */
  readonly sign: (digest: Uint8Array) => Uint8Array
  /** Where the arithmetic is done; without, here. */
  readonly work?: SigningWork
  /** Without, they are counted for the log only. */
  readonly faults?: MemberFaults
  /** A batch has just been signed: time to send it. */
  readonly onSigned: () => void
}

export interface ReleaseSigner {
  /** Looks at the open batches again. */
  update(): Promise<void>
  tick(): void
  receive(sealed: Uint8Array): void
  /** What keeps batches from being signed here, for the operator. */
  problems(): readonly string[]
  /** Resolves when nothing is under way; messages are ignored from now on. */
  stop(): Promise<void>
}

/** A dead coordinator costs this much; L1 blocks take minutes. */
const RANK_DELAY_MS = 4_000
/** A signature of the right length: everything but its validity can be judged before signing. */
const PLACEHOLDER_SIGNATURE = new Uint8Array(64)
/** The one objection to it that must come; Core checks scripts last. Its first word differs by version. */
const SCRIPT_FAILURE = /script-verify-flag/
/** Another member's broadcast of the very same transaction conflicts with the draft. */
const SAME_TRANSACTION = 'txn-same-nonwitness-data-in-mempool'
/** A refused batch is shown to own L1 again after this long: mempools change. */
const ASK_AGAIN_MS = 5_000

interface OpenTask {
  readonly task: SigningTask
  readonly batchId: number
  readonly authorisation: Authorisation
}

export function createReleaseSigner(parts: ReleaseSignerParts): ReleaseSigner {
  return new Signer(parts)
}

class Signer implements ReleaseSigner {
  readonly #parts: ReleaseSignerParts
  readonly #sessions: SigningSessions
  readonly #faults: MemberFaults
  /** Batches being signed, by task. */
  readonly #tasks = new Map<string, OpenTask>()
  readonly #refused = new Map<number, { readonly reason: string; readonly askedAtMs: number }>()
  readonly #stalled = new Set<number>()
  readonly #work = new Set<Promise<void>>()
  #journalFailure: string | undefined
  #stopped = false

  constructor(parts: ReleaseSignerParts) {
    this.#parts = parts
    this.#faults = parts.faults ?? createMemberFaults(parts.runtime.clock, parts.runtime.log)
    const { params, share, members, runtime, sign, work } = parts
    this.#sessions = createSigningSessions(
      {
        chainId: params.chainId,
        members,
        share,
        timing: { ...DEFAULT_ROAST_TIMING, rankDelayMs: RANK_DELAY_MS, resendMs: 1_000 },
      },
      {
        sign,
        random: (length) => runtime.random.bytes(length),
        authorise: (task) => this.#authorise(task),
        ...(work === undefined ? {} : { offload: this.#offloadTo(work) }),
      },
    )
  }

  #offloadTo(work: SigningWork): Offload<SigningEffect> {
    return {
      work,
      later: (effects) => this.#performAll(effects),
      failed: (error) => {
        this.#parts.runtime.log.error({ error: String(error) }, 'signing work failed')
      },
    }
  }

  async update(): Promise<void> {
    const { view, params } = this.#parts
    const { epoch } = this.#parts.share
    const ours = [...openBatches(view())].filter(({ keyEpoch }) => keyEpoch === epoch)
    const open = new Map(ours.map((batch) => [batch.id, batch]))
    this.#forgetOthers(open)
    for (const batch of open.values()) {
      const task = signingTaskOf(params, batch)
      if (this.#stopped || this.#tasks.has(taskKey(task))) continue
      if (!(await this.#isAcceptable(batch))) continue
      // A block may have closed or replaced it while own L1 was asked.
      const now = findBatch(view(), batch.id)
      if (now?.versions.length !== batch.versions.length) continue
      const authorisation = authoriseBatch(view(), params, now, epoch)
      if (authorisation === undefined) continue
      this.#tasks.set(taskKey(task), { task, batchId: batch.id, authorisation })
      this.#step({ kind: 'task', task, nowMs: this.#nowMs() })
    }
  }

  /** What is closed, or replaced, is signed no longer. */
  #forgetOthers(open: ReadonlyMap<number, Batch>): void {
    for (const [key, { task, batchId }] of this.#tasks) {
      if (task.version + 1 === open.get(batchId)?.versions.length) continue
      this.#tasks.delete(key)
      this.#stalled.delete(batchId)
      this.#refused.delete(batchId)
      this.#step({ kind: 'retire', task })
    }
    for (const id of this.#refused.keys()) if (!open.has(id)) this.#refused.delete(id)
    for (const id of this.#stalled) if (!open.has(id)) this.#stalled.delete(id)
  }

  tick(): void {
    this.#step({ kind: 'tick', nowMs: this.#nowMs() })
  }

  receive(sealed: Uint8Array): void {
    this.#step({ kind: 'received', sealed })
  }

  problems(): readonly string[] {
    const problems: string[] = []
    if (this.#journalFailure !== undefined) {
      problems.push(`the signing journal failed, restart the node: ${this.#journalFailure}`)
    }
    for (const [id, { reason }] of this.#refused) {
      problems.push(`own L1 refuses batch ${id}: ${reason}`)
    }
    for (const id of this.#stalled) {
      problems.push(`batch ${id}: too few members have sent good signature shares`)
    }
    return problems
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.allSettled(this.#work)
  }

  #nowMs(): number {
    return this.#parts.runtime.clock.monotonicMs()
  }

  /** Fees, dust, inputs, size: everything that this member's own L1 can say before a signature. */
  async #isAcceptable(batch: Batch): Promise<boolean> {
    const { l1, signed, runtime } = this.#parts
    // Signed, so it has been judged.
    if (signed.find(batch) !== undefined) return true
    const before = this.#refused.get(batch.id)
    if (before !== undefined && this.#nowMs() - before.askedAtMs < ASK_AGAIN_MS) return false
    const { transaction } = currentVersion(batch)
    const placeholders = transaction.inputs.map(() => PLACEHOLDER_SIGNATURE)
    const draft = encodeTransaction(withSignatures(transaction, placeholders))
    const reason = await l1.testAccept(draft).then(
      (answer) => (answer.allowed ? undefined : (answer.reason ?? 'refused without a reason')),
      (error: unknown) => {
        if (!isL1Failure(error)) throw error
        return `it cannot be asked: ${error.message}`
      },
    )
    if (reason === undefined || isNoObjection(reason)) {
      this.#refused.delete(batch.id)
      return true
    }
    if (before?.reason !== reason) {
      runtime.log.warn({ batch: batch.id, reason }, 'own L1 refuses a batch')
    }
    this.#refused.set(batch.id, { reason, askedAtMs: this.#nowMs() })
    return false
  }

  /** What it covers never changes while the version is current, so it is computed once. */
  #authorise(task: SigningTask): Authorisation | undefined {
    const { maySign } = this.#parts
    const known = this.#tasks.get(taskKey(task))
    if (known === undefined || this.#stopped || !maySign()) return undefined
    return this.#currentOf(known) === undefined ? undefined : known.authorisation
  }

  /** The batch, if it is open and the task is still that of its current version. */
  #currentOf({ task, batchId }: OpenTask): Batch | undefined {
    const batch = findBatch(this.#parts.view(), batchId)
    const isCurrent = batch?.status.kind === 'open' && task.version === batch.versions.length - 1
    return isCurrent ? batch : undefined
  }

  #step(event: SigningEvent): void {
    if (this.#stopped) return
    this.#performAll(this.#sessions.step(event))
  }

  #performAll(effects: readonly SigningEffect[]): void {
    if (this.#stopped) return
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: SigningEffect): void {
    const { network, runtime } = this.#parts
    switch (effect.kind) {
      case 'send':
        network.send(effect.to, effect.sealed)
        return
      case 'broadcast':
        network.broadcast(effect.sealed)
        return
      case 'journal':
        this.#track(this.#record(effect.token, effect.record))
        return
      case 'signed':
        this.#track(this.#finish(effect.task, effect.signatures))
        return
      case 'blame':
        this.#faults.note(
          present(this.#parts.members[effect.member], 'member of a session'),
          effect.fault,
          { in: 'signing', epoch: this.#parts.share.epoch },
        )
        return
      case 'stalled': {
        const batch = this.#tasks.get(taskKey(effect.task))?.batchId
        if (batch !== undefined) this.#stalled.add(batch)
        runtime.log.error({ batch, malicious: effect.malicious }, 'too few honest signers left')
        return
      }
    }
  }

  /** Work whose failure ends here: it is written down where the operator looks. */
  #track(work: Promise<void>): void {
    const guarded = work.catch((error: unknown) => {
      this.#parts.runtime.log.error({ error: String(error) }, 'the release signer failed')
    })
    this.#work.add(guarded)
    void guarded.finally(() => this.#work.delete(guarded))
  }

  /** A failed write never leads to a share: the session stalls, and others go on without us. */
  async #record(token: number, record: Uint8Array): Promise<void> {
    try {
      await this.#parts.journal.append([record])
    } catch (error) {
      this.#journalFailure = String(error)
      throw error
    }
    this.#step({ kind: 'journaled', token })
  }

  async #finish(task: SigningTask, signatures: readonly Uint8Array[]): Promise<void> {
    const { signed, runtime, onSigned } = this.#parts
    const known = this.#tasks.get(taskKey(task))
    const batch = known === undefined ? undefined : this.#currentOf(known)
    if (batch === undefined) return
    const { transaction } = currentVersion(batch)
    assert(signatures.length === transaction.inputs.length, 'one signature per input')
    this.#stalled.delete(batch.id)
    runtime.log.info({ batch: batch.id, version: task.version }, 'batch signed')
    try {
      await signed.add(batch, withSignatures(transaction, signatures))
    } finally {
      // Kept in memory even when the disk failed: what is signed goes to L1.
      onSigned()
    }
  }
}

function isNoObjection(reason: string): boolean {
  return SCRIPT_FAILURE.test(reason) || L1_ALREADY_THERE.has(reason) || reason === SAME_TRANSACTION
}
