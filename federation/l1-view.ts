/**
 * This member's own view of L1: how far it is, and whether it may be trusted just now. An L1 node that
 * is down, behind or on another network makes the member wait and say so; it never makes a block
 * invalid. One whose best chain lacks the chain's own last L1 header is on another branch: either it is
 * wrong, or Bitcoin has reorganised deeper than the peg allows for. The peg then stands still here.
 */

import type { BlockHash } from '../src/primitives/hashes.ts'
import type { Runtime } from '../src/runtime/runtime.ts'
import type { BitcoinL1 } from './l1/bitcoin-l1.ts'
import { L1UnavailableError, L1WrongNetworkError } from './l1/l1-error.ts'

/** The chain's own L1 headers. */
export interface ChainHeaders {
  readonly last: () => { readonly height: number; readonly hash: BlockHash }
  /** Undefined above the last, and below the checkpoint. */
  readonly hashAt: (height: number) => BlockHash | undefined
}

export type L1Health =
  | { readonly state: 'ok'; readonly height: number; readonly hash: BlockHash }
  | {
      readonly state: 'down' | 'behind' | 'wrong-network' | 'forked'
      readonly message: string
    }

export interface L1View {
  health(): L1Health
  start(): void
  /** Resolves when no question is under way. */
  stop(): Promise<void>
  /** Called after every change: a new tip, or a change of health. */
  onChange(handler: () => void): void
}

/** Regtest blocks come when somebody mines; this is soon enough for a person to watch. */
const POLL_MS = 250
const POLL_WHILE_DOWN_MS = 1_000

export function createL1View(l1: BitcoinL1, runtime: Runtime, headers: ChainHeaders): L1View {
  return new View(l1, runtime, headers)
}

class View implements L1View {
  readonly #l1: BitcoinL1
  readonly #runtime: Runtime
  readonly #headers: ChainHeaders
  readonly #handlers: (() => void)[] = []
  #health: L1Health = { state: 'down', message: 'not asked yet' }
  #networkChecked = false
  #stopped = false
  #looking: Promise<void> = Promise.resolve()
  #cancel = (): void => undefined

  constructor(l1: BitcoinL1, runtime: Runtime, headers: ChainHeaders) {
    this.#l1 = l1
    this.#runtime = runtime
    this.#headers = headers
  }

  health(): L1Health {
    return this.#health
  }

  start(): void {
    this.#looking = this.#poll()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancel()
    await this.#looking
  }

  onChange(handler: () => void): void {
    this.#handlers.push(handler)
  }

  async #look(): Promise<L1Health> {
    try {
      if (!this.#networkChecked) await this.#l1.checkNetwork()
      this.#networkChecked = true
      const tip = await this.#l1.tip()
      const { height, hash } = this.#headers.last()
      // The chain's own headers come from a quorum's nodes: one that lacks them is still syncing,
      // unless what it has instead is another branch, be it shorter.
      if (tip.height < height) {
        const expected = this.#headers.hashAt(tip.height)
        if (expected !== undefined && expected !== tip.hash) {
          return { state: 'forked', message: forked(tip.height) }
        }
        return { state: 'behind', message: `at ${tip.height}, the chain knows ${height}` }
      }
      const there = await this.#l1.blockHashAt(height)
      if (there !== undefined && there !== hash) return { state: 'forked', message: forked(height) }
      return { state: 'ok', height: tip.height, hash: tip.hash }
    } catch (error) {
      if (error instanceof L1WrongNetworkError) {
        return { state: 'wrong-network', message: error.message }
      }
      // Whoever answers next may be another node.
      if (error instanceof L1UnavailableError) this.#networkChecked = false
      return { state: 'down', message: error instanceof Error ? error.message : 'unknown error' }
    }
  }

  async #poll(): Promise<void> {
    const seen = await this.#look()
    if (this.#stopped) return
    const before = this.#health
    this.#health = seen
    this.#cancel = this.#runtime.timers.after(
      seen.state === 'ok' ? POLL_MS : POLL_WHILE_DOWN_MS,
      () => this.start(),
    )
    if (seen.state !== before.state) this.#logChange(seen)
    if (describe(seen) !== describe(before)) for (const handler of this.#handlers) handler()
  }

  #logChange(seen: L1Health): void {
    const log = this.#runtime.log.child({ part: 'l1' })
    if (seen.state === 'ok') log.info({ ...seen }, 'L1 is reachable')
    else if (seen.state === 'forked') log.error({ ...seen }, 'the peg stands still here')
    else log.warn({ ...seen }, 'waiting for L1')
  }
}

function forked(height: number): string {
  return (
    `this L1 node has another block ${height} than the chain: it follows another branch, or ` +
    'Bitcoin has reorganised deeper than the peg allows for'
  )
}

function describe(health: L1Health): string {
  return health.state === 'ok' ? `ok ${health.hash}` : `${health.state} ${health.message}`
}
