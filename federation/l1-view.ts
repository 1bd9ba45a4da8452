/**
 * This member's own view of L1: how far it is, which headers are buried, and whether it may be
 * trusted just now. An L1 node that is down, behind or on another network makes the member wait and
 * say so; it never makes a block invalid.
 */

import type { BlockHash } from '../src/primitives/hashes.ts'
import type { Runtime } from '../src/runtime/runtime.ts'
import type { BitcoinL1 } from './l1/bitcoin-l1.ts'
import { L1UnavailableError, L1WrongNetworkError } from './l1/l1-error.ts'

export type L1Health =
  | { readonly state: 'ok'; readonly height: number; readonly hash: BlockHash }
  | { readonly state: 'down' | 'behind' | 'wrong-network'; readonly message: string }

export interface L1View {
  health(): L1Health
  start(): Promise<void>
  stop(): void
  /** Called after every change: a new tip, or a change of health. */
  onChange(handler: () => void): void
}

/** Regtest blocks come when somebody mines; a second is soon enough for a person to watch. */
const POLL_MS = 250
const POLL_WHILE_DOWN_MS = 1_000

export function createL1View(l1: BitcoinL1, runtime: Runtime, chainL1Height: () => number): L1View {
  const log = runtime.log.child({ part: 'l1' })
  const handlers: (() => void)[] = []
  let health: L1Health = { state: 'down', message: 'not asked yet' }
  let networkChecked = false
  let stopped = false
  let cancel = (): void => undefined

  async function look(): Promise<L1Health> {
    try {
      if (!networkChecked) await l1.checkNetwork()
      networkChecked = true
      const tip = await l1.tip()
      // The chain's own headers come from a quorum's nodes: one that lacks them is still syncing.
      if (tip.height < chainL1Height()) {
        return { state: 'behind', message: `at ${tip.height}, the chain knows ${chainL1Height()}` }
      }
      return { state: 'ok', height: tip.height, hash: tip.hash }
    } catch (error) {
      if (error instanceof L1WrongNetworkError) {
        return { state: 'wrong-network', message: error.message }
      }
      if (error instanceof L1UnavailableError) networkChecked = false
      return { state: 'down', message: error instanceof Error ? error.message : 'unknown error' }
    }
  }

  async function poll(): Promise<void> {
    const seen = await look()
    if (stopped) return
    const changed = describe(seen) !== describe(health)
    if (seen.state !== health.state) {
      const level = seen.state === 'ok' ? 'info' : 'warn'
      log[level]({ ...seen }, seen.state === 'ok' ? 'L1 is reachable' : 'waiting for L1')
    }
    health = seen
    if (changed) for (const handler of handlers) handler()
    schedule()
  }

  function schedule(): void {
    if (stopped) return
    const delayMs = health.state === 'ok' ? POLL_MS : POLL_WHILE_DOWN_MS
    cancel = runtime.timers.after(delayMs, () => void poll())
  }

  return {
    health: () => health,
    start: poll,
    stop() {
      stopped = true
      cancel()
    },
    onChange(handler) {
      handlers.push(handler)
    },
  }
}

function describe(health: L1Health): string {
  return health.state === 'ok' ? `ok ${health.hash}` : `${health.state} ${health.message}`
}
