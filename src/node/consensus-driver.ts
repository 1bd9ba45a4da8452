/**
 * Runs the agreement core in the world: events in, effects out, in the order that output commit
 * demands (see `events-and-effects.ts` for what a driver owes). The core decides; this file only
 * moves messages, records, timers and blocks.
 */

import { type Block, blockHash, decodeBlock, encodeBlock } from '../chain/block.ts'
import { checkBinding } from '../chain/connect-block.ts'
import { validatorSetOf } from '../chain/validators.ts'
import type { ConsensusBlock } from '../consensus/block.ts'
import { type Certificate, encodeCertificate } from '../consensus/certificate.ts'
import { type ConsensusTimings, LAN_TIMINGS } from '../consensus/config.ts'
import type { Effect, Event, TimerId } from '../consensus/events-and-effects.ts'
import { decodeMessage, encodeMessage, type Message } from '../consensus/messages.ts'
import { type Consensus, createConsensus } from '../consensus/step.ts'
import { verifyMessage } from '../consensus/verify-message.ts'
import type { VoteContext } from '../consensus/votes.ts'
import { decodeWalRecord, encodeWalRecord } from '../consensus/wal-record.ts'
import { present } from '../primitives/assert.ts'
import { DecodeError } from '../primitives/codec.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import type {
  AppendLog,
  CancelTimer,
  Channel,
  GossipVerdict,
  Network,
  PeerId,
  Runtime,
} from '../runtime/runtime.ts'
import type { BlockProducer } from './block-producer.ts'
import type { ChainService } from './chain-service.ts'
import { createOutputQueue } from './output-commit.ts'
import { createSignGuard } from './sign-guard.ts'
import type { ValidatorIdentity, ValidatorLinks } from './validator-links.ts'

export interface DriverParts {
  readonly chain: ChainService
  readonly producer: BlockProducer
  readonly links: ValidatorLinks
  readonly network: Network
  readonly runtime: Runtime
  readonly journal: AppendLog
  readonly identity: ValidatorIdentity | undefined
  readonly timings?: ConsensusTimings
}

export interface DriverHooks {
  /** A block is part of the chain: the state has it, the disk may not. */
  applied(block: Block): void
  /** The same block is durable. */
  committed(block: Block, certificate: Certificate): void
  halted(reason: string): void
  shareTransactions(): readonly Uint8Array[]
  receiveTransactions(transactions: readonly Uint8Array[]): GossipVerdict
  /** Somebody published a decided block. */
  heardDecided(height: number): void
  /** A validator says that it is ahead. */
  behind(peer: PeerId): void
}

export interface ConsensusDriver {
  start(): void
  stop(): Promise<void>
  /** Something may have become work. */
  refreshWork(): void
  /** Something that a pending judgement waits for may have changed. */
  reconsider(): void
  /** A block of the sync protocol whose certificate has been verified. False when it is not bound. */
  decided(bytes: Uint8Array, certificate: Certificate): boolean
  readonly context: VoteContext
  haltReason(): string | undefined
}

/** A pending judgement is looked at again this often, besides when something changes. */
const RECONSIDER_MS = 200
const OPENED_BLOCKS_MAX = 32

export function createConsensusDriver(parts: DriverParts, hooks: DriverHooks): ConsensusDriver {
  return new Driver(parts, hooks)
}

class Driver implements ConsensusDriver {
  readonly context: VoteContext
  readonly #parts: DriverParts
  readonly #hooks: DriverHooks
  readonly #core: Consensus
  readonly #records: ReturnType<typeof decodeWalRecord>[]
  readonly #output: ReturnType<typeof createOutputQueue>
  readonly #guard: ReturnType<typeof createSignGuard> | undefined
  readonly #timers = new Map<TimerId, CancelTimer>()
  /** Decoded blocks by hash; the core holds bytes. */
  readonly #opened = new Map<BlockHash, Block>()
  readonly #pending = new Map<BlockHash, Block>()
  #cancelReconsider: CancelTimer | undefined
  #cancelWork: CancelTimer | undefined
  #halted: string | undefined
  #stopped = false

  constructor(parts: DriverParts, hooks: DriverHooks) {
    this.#parts = parts
    this.#hooks = hooks
    const { chain, identity, journal } = parts
    const { tip } = chain.state()
    const validatorSet = validatorSetOf(chain.params)
    const { chainId } = chain.params
    this.context = { chainId, epoch: validatorSet.epoch, validators: validatorSet.keys }
    this.#records = journal.recovered
      .map(decodeWalRecord)
      .filter((record) => record.height > tip.height)
    this.#output = createOutputQueue(
      journal,
      this.#records.map((record) => ({ height: record.height, bytes: encodeWalRecord(record) })),
      (error) => this.#halt(`the journal failed: ${String(error)}`),
    )
    this.#guard =
      identity === undefined
        ? undefined
        : createSignGuard(identity, this.context, tip.height, this.#records)
    this.#core = createConsensus(
      {
        chainId,
        validatorSet,
        self: identity?.index,
        height: tip.height + 1,
        parentHash: tip.hash,
        voteFromHeight: 0,
        minBlockIntervalMs: chain.params.minBlockIntervalMs,
        timings: parts.timings ?? LAN_TIMINGS,
      },
      {
        sign: (statement) => this.#guard?.sign(statement),
        openBlock: (bytes) => this.#open(bytes),
      },
    )
  }

  start(): void {
    const { network, links } = this.#parts
    for (const channel of ['consensus', 'bulk'] as const) {
      network.onFrame(channel, (from, frame) => this.#receiveFrame(from, frame))
    }
    for (const topic of ['proposals', 'votes', 'blocks'] as const) {
      network.onGossip(topic, (_from, payload) => this.#receiveGossip(payload))
    }
    links.onLinked((peer) => this.#step({ kind: 'connected', peer }))
    this.#step({ kind: 'start', records: this.#records })
    this.refreshWork()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    for (const cancel of this.#timers.values()) cancel()
    this.#cancelReconsider?.()
    this.#cancelWork?.()
    await this.#output.idle()
  }

  haltReason(): string | undefined {
    return this.#halted
  }

  // --- events -------------------------------------------------------------------------------

  #step(event: Event): void {
    if (this.#stopped || this.#halted !== undefined) return
    const effects = this.#core.step(this.#parts.runtime.clock.monotonicMs(), event)
    for (const effect of effects) this.#perform(effect)
  }

  #receiveFrame(from: PeerId, frame: Uint8Array): void {
    const message = this.#decode(frame)
    if (message === undefined) {
      this.#parts.network.disconnect(from, 'malformed consensus message')
      return
    }
    if (message.kind === 'hello') {
      if (!this.#parts.links.onHello(from, message)) {
        this.#parts.network.disconnect(from, 'invalid hello')
      }
      return
    }
    if (message.kind === 'transactions') {
      this.#hooks.receiveTransactions(message.transactions)
      return
    }
    if (!this.#core.wants(message)) return
    if (!verifyMessage(message, this.context, this.#core)) {
      this.#parts.network.disconnect(from, `invalid signature in ${message.kind}`)
      return
    }
    this.#step({ kind: 'message', from: this.#parts.links.indexOf(from), message })
  }

  #receiveGossip(payload: Uint8Array): GossipVerdict {
    const message = this.#decode(payload)
    if (message === undefined) return 'reject'
    const height = heightOf(message)
    if (height === undefined) return 'reject'
    if (message.kind === 'decided') this.#hooks.heardDecided(height)
    const next = this.#parts.chain.state().tip.height + 1
    // Too old is stale, too new is only a hint; neither can be judged.
    if (height < next || height > next + 1 || !this.#core.wants(message)) return 'ignore'
    if (!verifyMessage(message, this.context, this.#core)) return 'reject'
    this.#step({ kind: 'message', from: undefined, message })
    return 'accept'
  }

  #decode(bytes: Uint8Array): Message | undefined {
    try {
      return decodeMessage(bytes)
    } catch (error) {
      if (error instanceof DecodeError) return undefined
      throw error
    }
  }

  decided(bytes: Uint8Array, certificate: Certificate): boolean {
    const block = this.#open(bytes)
    if (block === undefined || block.hash !== certificate.blockHash) return false
    this.#step({ kind: 'decided', block, certificate })
    return true
  }

  refreshWork(): void {
    if (this.#stopped) return
    this.#cancelWork?.()
    this.#cancelWork = undefined
    const present = this.#parts.producer.hasWork()
    this.#step({ kind: 'work', present })
    const dueInMs = this.#parts.producer.workDueInMs()
    if (dueInMs === undefined) return
    this.#cancelWork = this.#parts.runtime.timers.after(dueInMs, () => this.refreshWork())
  }

  // --- effects ------------------------------------------------------------------------------

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case 'persist':
        this.#output.persist({
          height: effect.record.height,
          bytes: encodeWalRecord(effect.record),
        })
        return
      case 'send':
        this.#output.act(() => this.#send(effect.to, effect.message))
        return
      case 'broadcast':
        this.#output.act(() => this.#broadcast(effect.message))
        return
      case 'timer':
        this.#arm(effect)
        return
      case 'validate':
        void this.#validate(effect.block.hash, effect.fresh ? 'fresh' : 'hard')
        return
      case 'build':
        void this.#build(effect)
        return
      case 'commit':
        this.#commit(effect)
        return
      case 'evidence':
        this.#parts.runtime.log.error(
          { validator: effect.first.signer, height: effect.first.height },
          'a validator contradicted itself',
        )
        return
      case 'share-transactions':
        this.#shareTransactions()
        return
      case 'catch-up': {
        const peer = this.#parts.links.peerOf(effect.peer)
        if (peer !== undefined) this.#hooks.behind(peer)
        return
      }
      case 'halt':
        this.#halt(effect.reason)
        return
    }
  }

  #send(to: number, message: Message): void {
    const peer = this.#parts.links.peerOf(to)
    if (peer === undefined) return
    this.#parts.network.send(peer, channelOf(message), encodeMessage(message))
  }

  #broadcast(message: Message): void {
    const { links, network } = this.#parts
    const bytes = encodeMessage(message)
    for (const index of links.connected()) {
      const peer = links.peerOf(index)
      if (peer !== undefined) network.send(peer, channelOf(message), bytes)
    }
    if (message.kind === 'propose') void network.publish('proposals', bytes)
    // While a direct link to some validator is down, its votes travel by gossip as well.
    const incomplete = links.connected().length < this.context.validators.length - 1
    if (message.kind === 'vote' && incomplete) void network.publish('votes', bytes)
  }

  #shareTransactions(): void {
    const transactions = this.#hooks.shareTransactions()
    if (transactions.length > 0) this.#broadcast({ kind: 'transactions', transactions })
  }

  #arm(effect: Extract<Effect, { kind: 'timer' }>): void {
    this.#timers.get(effect.timer)?.()
    const { timer, height, view } = effect
    const cancel = this.#parts.runtime.timers.after(effect.afterMs, () =>
      this.#step({ kind: 'timer', timer, height, view }),
    )
    this.#timers.set(timer, cancel)
  }

  async #validate(hash: BlockHash, scope: 'hard' | 'fresh'): Promise<void> {
    const block = this.#opened.get(hash)
    if (block === undefined) return
    const verdict = await this.#parts.producer.judge(block, scope)
    if (verdict === 'pending') this.#waitFor(hash, block)
    else this.#pending.delete(hash)
    this.#step({ kind: 'block-ready', hash, fresh: scope === 'fresh', verdict })
  }

  #waitFor(hash: BlockHash, block: Block): void {
    this.#pending.set(hash, block)
    this.#cancelReconsider ??= this.#parts.runtime.timers.after(RECONSIDER_MS, () => {
      this.#cancelReconsider = undefined
      this.reconsider()
    })
  }

  reconsider(): void {
    for (const [hash, block] of this.#pending) {
      const decided = block.extension.height <= this.#parts.chain.state().tip.height
      if (decided) this.#pending.delete(hash)
      else void this.#validate(hash, 'fresh')
    }
  }

  async #build(effect: Extract<Effect, { kind: 'build' }>): Promise<void> {
    const { height, view, parentHash } = effect
    const { chain, producer, identity } = this.#parts
    const proposer = present(identity, 'identity of a proposer').index
    const block = await producer.build({ view, proposer })
    const usable = block !== undefined && chain.state().tip.hash === parentHash
    const opened = usable ? this.#open(encodeBlock(block)) : undefined
    this.#step({
      kind: 'built',
      height,
      view,
      ...(opened === undefined ? {} : { block: opened }),
    })
  }

  #commit(effect: Extract<Effect, { kind: 'commit' }>): void {
    const { chain } = this.#parts
    const block = present(
      this.#open(effect.block.bytes) && this.#opened.get(effect.block.hash),
      'block',
    )
    const durable = chain.apply(block, encodeCertificate(effect.certificate))
    // Its failure is reported where it is awaited, below.
    durable.catch(() => undefined)
    this.#guard?.decided(effect.height)
    this.#hooks.applied(block)
    this.#output.act(async () => {
      await durable
      this.#output.decided(effect.height)
      this.#hooks.committed(block, effect.certificate)
      this.refreshWork()
    })
  }

  #halt(reason: string): void {
    if (this.#halted !== undefined) return
    this.#halted = reason
    this.#parts.runtime.log.error({ reason }, 'halted: this node signs nothing more')
    this.#hooks.halted(reason)
  }

  /** Decodes a block and checks that all of it is bound to its hash. */
  #open(bytes: Uint8Array): ConsensusBlock | undefined {
    const block = decodeOrUndefined(bytes)
    if (block === undefined || !checkBinding(block).ok) return undefined
    const hash = blockHash(block)
    this.#opened.set(hash, block)
    if (this.#opened.size > OPENED_BLOCKS_MAX) {
      const [oldest] = this.#opened.keys()
      if (oldest !== undefined) this.#opened.delete(oldest)
    }
    const { height, view, proposer } = block.extension
    return { hash, bytes, height, view, proposer, parentHash: block.header.previousHash }
  }
}

function decodeOrUndefined(bytes: Uint8Array): Block | undefined {
  try {
    return decodeBlock(bytes)
  } catch (error) {
    if (error instanceof DecodeError) return undefined
    throw error
  }
}

/** Large messages must not hold up votes. */
function channelOf(message: Message): Channel {
  switch (message.kind) {
    case 'propose':
    case 'block':
    case 'decided':
    case 'transactions':
      return 'bulk'
    case 'hello':
    case 'vote':
    case 'enter':
    case 'status':
    case 'get-block':
    case 'evidence':
      return 'consensus'
  }
}

/** Height of a message that may travel by gossip. */
function heightOf(message: Message): number | undefined {
  switch (message.kind) {
    case 'propose':
      return message.leaderVote.height
    case 'vote':
      return message.vote.height
    case 'decided':
      return message.certificate.height
    default:
      return undefined
  }
}
