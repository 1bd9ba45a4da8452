/**
 * A run of whole nodes as text, for people: what was done to the world, what nodes say of themselves,
 * every message of agreement, and every block.
 */

import type { Block } from '../../chain/block.ts'
import type { Message } from '../../consensus/messages.ts'
import type { PeerId } from '../../runtime/runtime.ts'
import type { LogLevel } from './process-runtime.ts'
import type { WholeNode } from './whole-node.ts'

export class WholeTrace {
  readonly #nowMs: () => number
  readonly #write: ((line: string) => void) | undefined

  constructor(nowMs: () => number, write: ((line: string) => void) | undefined) {
    this.#nowMs = nowMs
    this.#write = write
  }

  note(text: string): void {
    if (this.#write === undefined) return
    this.#write(`${(this.#nowMs() / 1_000).toFixed(3).padStart(9)} s  ${text}`)
  }

  log(node: WholeNode, level: LogLevel, message: string, data: object): void {
    if (this.#write === undefined) return
    this.note(`${node.name}  [${level}] ${message} ${JSON.stringify(data)}`)
  }

  released(place: number, to: PeerId, label: string, message: Message | undefined): void {
    if (this.#write === undefined) return
    const vote = message?.kind === 'vote' ? message.vote : undefined
    const detail = vote === undefined ? '' : ` ${vote.height}/${vote.view} by ${vote.signer}`
    this.note(`n${place}  → ${to} ${label}${detail}`)
  }

  block({ extension, transactions, l1Section }: Block): void {
    if (this.#write === undefined) return
    const { height, view, proposer, stateRoot } = extension
    const { headers, deposits, confirmations, keyEpochs } = l1Section
    this.note(
      `BLOCK ${height} of view ${view} by ${proposer}: ${transactions.length} transactions, ` +
        `${headers.length} headers, ${deposits.length} deposits, ${confirmations.length} ` +
        `confirmations, ${keyEpochs.length} keys; state ${stateRoot.slice(0, 8)}`,
    )
  }

  committed(node: WholeNode, { extension }: Block): void {
    if (this.#write === undefined) return
    this.note(`${node.name}  has ${extension.height} on disk`)
  }
}
