/**
 * A node, composed from the ports it is handed: a store, a journal, a network, the member beside it.
 * `start` opens things in the order in which they depend on each other, `stop` closes in reverse.
 */

import { type Transaction, transactionId } from '../bitcoin/transaction.ts'
import { type Block, blockHash } from '../chain/block.ts'
import { endsEpoch } from '../chain/handover.ts'
import type { ChainParams } from '../chain/params.ts'
import type { FreezeVote } from '../chain/peg/freeze-vote.ts'
import { queueBurns } from '../chain/peg/releases.ts'
import { StateOverlay } from '../chain/state.ts'
import { currentValidators, namedKeys, validatorSetAt } from '../chain/validators.ts'
import type { Certificate } from '../consensus/certificate.ts'
import type { ConsensusTimings } from '../consensus/config.ts'
import { encodeMessage } from '../consensus/messages.ts'
import { EntryGraph } from '../mempool/entry-graph.ts'
import { createMempool, type Mempool } from '../mempool/mempool.ts'
import type { PackageOutcome } from '../mempool/package-admission.ts'
import { MAX_GOSSIP_PAYLOAD_BYTES } from '../p2p/limits.ts'
import { type CheckBatches, INLINE_CHECKS } from '../primitives/check-batch.ts'
import type { Txid } from '../primitives/hashes.ts'
import type { Rejection, Result } from '../primitives/result.ts'
import type { AppendLog, CancelTimer, KeyValueStore, Network, Runtime } from '../runtime/runtime.ts'
import { openChainDatabase } from '../storage/chain-database.ts'
import { createBlockProducer } from './block-producer.ts'
import { type BlockSync, createBlockSync } from './block-sync.ts'
import { type ChainService, openChainService } from './chain-service.ts'
import { type ConsensusDriver, createConsensusDriver } from './consensus-driver.ts'
import { createEventBus, type EventSource, type NodeEvent } from './events.ts'
import { type EvidencePool, openEvidencePool } from './evidence-pool.ts'
import { type FreezeVotePool, openFreezeVotePool } from './freeze-vote-pool.ts'
import { createFreezeVoteRelay, type FreezeVoteRelay } from './freeze-vote-relay.ts'
import type { PegSide } from './peg-side.ts'
import { openScriptCache } from './script-cache.ts'
import {
  createTransactionRelay,
  type SubmitOptions,
  type TransactionRelay,
} from './transaction-relay.ts'
import {
  createValidatorLinks,
  type LinkContext,
  type ValidatorIdentity,
  type ValidatorLinks,
} from './validator-links.ts'

export interface NodeParts {
  readonly params: ChainParams
  readonly runtime: Runtime
  readonly store: KeyValueStore
  readonly journal: AppendLog
  readonly network: Network
  readonly identity: ValidatorIdentity | undefined
  /** Where this validator's fees go. */
  readonly payoutScript: Uint8Array
  /** The member is made after the chain is open, since it reads it. */
  readonly createPegSide: (context: PegContext) => Promise<PegSide>
  readonly timings?: ConsensusTimings
  /** False: every block's scripts run; true unless told. */
  readonly scriptCache?: boolean
  /** Where a block's elliptic-curve checks run; without it on this thread. */
  readonly checks?: CheckBatches
}

/** What a member gets to see of its node. */
export interface PegContext {
  readonly chain: ChainService
  readonly links: ValidatorLinks
  readonly freezeVotes: Pick<FreezeVotePool, 'newest'>
}

export interface Node {
  readonly chain: ChainService
  readonly mempool: Mempool
  /**
   * What left the mempool with a final block that is not on disk yet: a reader finds a transaction in
   * the mempool, here, or in the database, never in none of them.
   */
  readonly settling: Pick<EntryGraph, 'find' | 'entries' | 'byScript' | 'spender'>
  /** Evidence that no block carries yet. */
  readonly evidence: Pick<EvidencePool, 'waiting'>
  readonly freezeVotes: Pick<FreezeVotePool, 'waiting' | 'newest'>
  readonly links: ValidatorLinks
  readonly network: Network
  readonly events: EventSource<NodeEvent>
  submit(transaction: Transaction): Result<Txid, Rejection>
  submitPackage: TransactionRelay['submitPackage']
  dryRun: TransactionRelay['dryRun']
  /** Of any validator, from anybody. */
  submitFreezeVote: FreezeVoteRelay['submit']
  isSynced(): boolean
  haltReason(): string | undefined
  /** Where agreement stands. */
  place: ConsensusDriver['place']
  start(): Promise<void>
  stop(): Promise<void>
}

/** Backups publish a decided block this much later each, unless a copy has come by. */
const BACKUP_PUBLISH_MS = 500
const BACKUP_PUBLISHERS = 2
const EXPIRE_EVERY_MS = 60_000

/** @throws StateMismatchError, and whatever storage throws. */
export async function openNode(parts: NodeParts): Promise<Node> {
  const { params, runtime, network } = parts
  const cache = openScriptCache(parts.scriptCache ?? true, runtime.random)
  const verification = { cache, batches: parts.checks ?? INLINE_CHECKS }
  const database = await openChainDatabase(parts.store, { chainId: params.chainId })
  const chain = await openChainService(params, database, verification)
  const links = createValidatorLinks(network, () => linkContext(chain), parts.identity, runtime)
  const mempool = createMempool({
    scriptCache: cache,
    checkRules: (transaction) => checkBurns(chain, transaction),
  })
  const freezeVotes = await openFreezeVotePool(chain, runtime.log)
  const peg = await parts.createPegSide({ chain, links, freezeVotes })
  const evidence = await openEvidencePool(chain, runtime.log)
  return new RunningNode(parts, { chain, links, mempool, peg, evidence, freezeVotes })
}

function linkContext(chain: ChainService): LinkContext {
  const { view } = chain.state()
  const { keys } = currentValidators(view)
  return { chainId: chain.params.chainId, validators: keys, named: namedKeys(view) }
}

/** A burn that no block may contain has no place in the mempool either. */
function checkBurns(chain: ChainService, transaction: Transaction): Result<void, Rejection> {
  const { view, tip } = chain.state()
  const context = { height: tip.height + 1, timeMs: tip.timeMs + 1 }
  return queueBurns(new StateOverlay(view), chain.params, transaction, context)
}

interface Opened {
  readonly chain: ChainService
  readonly links: ValidatorLinks
  readonly mempool: Mempool
  readonly peg: PegSide
  readonly evidence: EvidencePool
  readonly freezeVotes: FreezeVotePool
}

class RunningNode implements Node {
  readonly chain: ChainService
  readonly mempool: Mempool
  readonly settling = new EntryGraph()
  readonly evidence: EvidencePool
  readonly freezeVotes: FreezeVotePool
  readonly links: ValidatorLinks
  readonly network: Network
  readonly #bus = createEventBus<NodeEvent>((error) => this.#listenerFailed(error))
  readonly events: EventSource<NodeEvent> = this.#bus
  readonly #parts: NodeParts
  readonly #peg: PegSide
  readonly #driver: ConsensusDriver
  readonly #relay: TransactionRelay
  readonly #freezeRelay: FreezeVoteRelay
  readonly #sync: BlockSync
  readonly #timers = new Set<CancelTimer>()
  #heardDecided = 0
  #stopping: Promise<void> | undefined

  constructor(parts: NodeParts, opened: Opened) {
    this.#parts = parts
    this.chain = opened.chain
    this.mempool = opened.mempool
    this.links = opened.links
    this.evidence = opened.evidence
    this.freezeVotes = opened.freezeVotes
    this.network = parts.network
    this.#peg = opened.peg
    const { runtime, network } = parts
    this.#relay = createTransactionRelay(this.chain, this.mempool, network, runtime)
    this.#freezeRelay = createFreezeVoteRelay({
      pool: this.freezeVotes,
      network,
      runtime,
      onNew: () => this.#driver.refreshWork(),
    })
    const producer = createBlockProducer({
      chain: this.chain,
      mempool: this.mempool,
      peg: this.#peg,
      evidence: this.evidence,
      freezeVotes: this.freezeVotes,
      runtime,
      payoutScript: parts.payoutScript,
    })
    this.#driver = createConsensusDriver(
      {
        chain: this.chain,
        producer,
        evidence: this.evidence,
        links: this.links,
        network,
        runtime,
        journal: parts.journal,
        identity: parts.identity,
        timings: parts.timings,
      },
      {
        applied: (block) => this.#applied(block),
        committed: (...decided) => this.#committed(...decided),
        halted: (reason, isStorage) => this.#bus.emit({ kind: 'halted', reason, isStorage }),
        convicted: (evidence) =>
          this.#bus.emit({ kind: 'evidence', evidence, carriedBy: undefined }),
        shareTransactions: () => this.#relay.oldest(),
        receiveTransactions: (transactions) => this.#relay.receiveDirect(transactions),
        heardDecided: (height) => {
          this.#heardDecided = Math.max(this.#heardDecided, height)
        },
        heardAhead: (height, peer) => {
          this.#sync.sawCertified(height)
          this.#sync.hint(peer)
        },
        behind: (peer) => this.#sync.hint(peer),
      },
    )
    this.#sync = createBlockSync({
      chain: this.chain,
      driver: this.#driver,
      links: this.links,
      network,
      runtime,
      selfKey: parts.identity?.publicKey,
    })
  }

  async start(): Promise<void> {
    this.#relay.onAccepted((transaction) => {
      this.#bus.emit({ kind: 'transaction', transaction })
      this.#driver.refreshWork()
    })
    this.#peg.onChange(() => {
      this.#driver.refreshWork()
      this.#driver.reconsider()
    })
    this.#driver.start()
    try {
      await this.network.start()
    } catch (error) {
      await this.stop()
      throw error
    }
    this.links.start()
    this.#relay.start()
    this.#freezeRelay.start()
    this.#sync.start()
    this.#expireLater()
  }

  /** What has been voted and applied so far is durable when it resolves. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#relay.stop()
    this.#freezeRelay.stop()
    this.links.stop()
    for (const cancel of this.#timers) cancel()
    const asking = this.#sync.stop()
    await this.#driver.stop()
    await this.network.stop()
    await asking
    await this.chain.settled()
    await this.evidence.settled()
    await this.freezeVotes.settled()
    await this.#parts.journal.close()
    await this.#parts.store.close()
  }

  submit(transaction: Transaction): Result<Txid, Rejection> {
    return this.#relay.submit(transaction)
  }

  submitPackage(
    transactions: readonly Transaction[],
    options?: SubmitOptions,
  ): Result<PackageOutcome, Rejection> {
    return this.#relay.submitPackage(transactions, options)
  }

  dryRun(transactions: readonly Transaction[], options?: SubmitOptions): PackageOutcome {
    return this.#relay.dryRun(transactions, options)
  }

  submitFreezeVote(vote: FreezeVote): Promise<Result<void, Rejection>> {
    return this.#freezeRelay.submit(vote)
  }

  isSynced(): boolean {
    return this.#sync.isSynced()
  }

  haltReason(): string | undefined {
    return this.#driver.haltReason()
  }

  place(): ReturnType<ConsensusDriver['place']> {
    return this.#driver.place()
  }

  #applied(block: Block): void {
    this.evidence.applied(block)
    this.freezeVotes.applied(block)
    if (changesMembers(block)) this.links.refresh()
    const { confirmed } = this.mempool.removeForBlock(block.transactions)
    for (const entry of confirmed) this.settling.add(entry)
  }

  #committed(block: Block, certificate: Certificate, bytes: Uint8Array): void {
    const settled = block.transactions.map(transactionId).filter((id) => this.settling.has(id))
    this.settling.remove(settled)
    this.#publish(block, certificate, bytes)
    try {
      this.#peg.onCommitted(block, this.chain.state())
    } catch (error) {
      this.#listenerFailed(error)
    }
    const { height } = block.extension
    this.#bus.emit({ kind: 'block', height, hash: blockHash(block), block })
    for (const evidence of block.extension.evidence) {
      this.#bus.emit({ kind: 'evidence', evidence, carriedBy: height })
    }
  }

  #listenerFailed(error: unknown): void {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#parts.runtime.log.error({ error: detail }, 'an event could not be handled')
  }

  /**
   * The proposer tells everybody at once; backups do when nobody has. Of a block that is too long for a
   * topic every node shows its neighbours the certificate, so that they ask for the block.
   */
  #publish(block: Block, certificate: Certificate, bytes: Uint8Array): void {
    const { identity } = this.#parts
    // Old blocks are asked for by those who lack them.
    if (!this.isSynced()) return
    const message = encodeMessage({ kind: 'decided', block: bytes, certificate })
    if (message.length > MAX_GOSSIP_PAYLOAD_BYTES) {
      const hint = encodeMessage({ kind: 'decided', block: new Uint8Array(), certificate })
      void this.network.publish('blocks', hint)
      return
    }
    if (identity === undefined) return
    const { height, proposer } = block.extension
    const { keys } = validatorSetAt(this.chain.state().view, height)
    const index = keys.indexOf(identity.publicKey)
    if (index === -1) return
    const rank = (index - proposer + keys.length) % keys.length
    if (rank > BACKUP_PUBLISHERS) return
    const publish = (): void => void this.network.publish('blocks', message)
    if (rank === 0) {
      publish()
      return
    }
    this.#later(rank * BACKUP_PUBLISH_MS, () => {
      if (this.#heardDecided < height) publish()
    })
  }

  #expireLater(): void {
    this.#later(EXPIRE_EVERY_MS, () => {
      this.mempool.expire(this.#parts.runtime.clock.nowMs())
      this.#expireLater()
    })
  }

  #later(delayMs: number, run: () => void): void {
    if (this.#stopping !== undefined) return
    const cancel = this.#parts.runtime.timers.after(delayMs, () => {
      this.#timers.delete(cancel)
      run()
    })
    this.#timers.add(cancel)
  }
}

/** The state may name other keys after such a block. */
function changesMembers(block: Block): boolean {
  return block.l1Section.memberChanges.length > 0 || endsEpoch(block)
}
