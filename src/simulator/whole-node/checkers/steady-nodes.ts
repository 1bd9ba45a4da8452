/**
 * Honest nodes stay what they are: none halts, none punishes another honest one, nothing inside them
 * goes wrong that their own log calls an error, and their queues stay within stated bounds.
 */

import type { LogLevel } from '../process-runtime.ts'
import type { Punishment, SimulatedNetwork } from '../simulated-network.ts'
import type { WholeNode } from '../whole-node.ts'
import type { WholeWatch } from './whole-watch.ts'

/** Errors that a node reports of the world around it. */
const OF_THE_WORLD: ReadonlySet<string> = new Set([
  'nothing more can be stored',
  'halted: this node signs nothing more',
  'the key store failed',
  'the peg stands still here',
  'the deposit book cannot be written',
  'agreement failed',
  'a member step failed',
  'the release signer failed',
  'evidence could not be stored',
  'a freeze vote could not be stored',
  'a member change was not stored',
])
const ACCUSATION = 'a validator contradicted itself'
/** Timers of one process: agreement's, links', sync's, the member's. */
const TIMERS_MAX = 250
const JOURNAL_BYTES_MAX = 40_000_000
const UNDER_WAY_MAX = 900

export class SteadyNodes {
  readonly #watch: WholeWatch

  constructor(watch: WholeWatch) {
    this.#watch = watch
  }

  halted(node: WholeNode, reason: string): void {
    if (!this.#watch.byzantine.has(node.index)) this.#watch.fail(`${node.name} halts: ${reason}`)
  }

  ended(node: WholeNode, why: string): void {
    if (this.#watch.byzantine.has(node.index) || !why.startsWith('cannot start')) return
    if (!why.includes('device')) this.#watch.fail(`${node.name} ${why}`)
  }

  punished({ by, peer, reason }: Punishment): void {
    const { byzantine, fail } = this.#watch
    const victim = Number(peer.slice(1))
    if (byzantine.has(by) || byzantine.has(victim)) return
    fail(`n${by} punishes the honest ${peer}: ${reason}`)
  }

  logged(node: WholeNode, level: LogLevel, message: string, data: object): void {
    if (level !== 'error' || this.#watch.byzantine.has(node.index)) return
    const detail = JSON.stringify(data)
    // A disk that fails is told of by many.
    const isDisk = node.device.error !== undefined || node.device.hasFailed
    if (OF_THE_WORLD.has(message) && (isDisk || message.includes('peg'))) return
    // Whom it accuses, it should.
    if (message === ACCUSATION && 'validator' in data) {
      if (typeof data.validator === 'number' && this.#watch.byzantine.has(data.validator)) return
    }
    this.#watch.fail(`${node.name} logs an error: ${message} ${detail.slice(0, 400)}`)
  }

  /** Now and then. */
  measure(node: WholeNode): void {
    if (this.#watch.byzantine.has(node.index)) return
    this.#atMost(node, 'timers', node.mostTimers, TIMERS_MAX)
    this.#atMost(node, 'bytes of journal', node.journal.bytes, JOURNAL_BYTES_MAX)
  }

  measureNetwork(network: SimulatedNetwork): void {
    if (network.mostUnderWay > UNDER_WAY_MAX) {
      this.#watch.fail(`${network.mostUnderWay} packets were on one link at a time`)
    }
  }

  #atMost(node: WholeNode, what: string, count: number, bound: number): void {
    if (count > bound) this.#watch.fail(`${node.name} has ${count} ${what}, more than ${bound}`)
  }
}
