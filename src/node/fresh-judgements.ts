/**
 * Opinions on fresh proposals. One question per block is under way at a time; while the answer is "I
 * do not know yet", it is asked again when something may have changed, and now and then.
 */

import type { Block } from '../chain/block.ts'
import type { ConsensusBlock } from '../consensus/block.ts'
import type { Verdict } from '../consensus/events-and-effects.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import type { CancelTimer, Timers } from '../runtime/runtime.ts'

export interface JudgementParts {
  readonly timers: Timers
  readonly tipHeight: () => number
  /** Hard and soft validity on the present state. */
  readonly judge: (block: Block) => Promise<Verdict>
  readonly answered: (hash: BlockHash, verdict: Verdict) => void
  readonly failed: (error: unknown) => void
}

interface Question {
  readonly height: number
  readonly block: Block
  isRunning: boolean
  /** Something changed while it was running. */
  isStale: boolean
}

/** Nobody reports that the clock has moved on. */
const ASK_AGAIN_MS = 200

export class FreshJudgements {
  readonly #parts: JudgementParts
  readonly #questions = new Map<BlockHash, Question>()
  readonly #running = new Set<Promise<void>>()
  #cancel: CancelTimer | undefined
  #isStopped = false

  constructor(parts: JudgementParts) {
    this.#parts = parts
  }

  ask({ hash, height }: ConsensusBlock, block: Block): void {
    let question = this.#questions.get(hash)
    if (question === undefined) {
      question = { height, block, isRunning: false, isStale: false }
      this.#questions.set(hash, question)
    }
    this.#run(hash, question)
  }

  /** What pending answers wait for may have come. */
  reconsider(): void {
    for (const [hash, question] of this.#questions) this.#run(hash, question)
  }

  /** Questions about decided heights are moot. */
  tipMoved(): void {
    const tip = this.#parts.tipHeight()
    for (const [hash, { height }] of this.#questions) {
      if (height <= tip) this.#questions.delete(hash)
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancel?.()
    this.#questions.clear()
    await Promise.all(this.#running)
  }

  #run(hash: BlockHash, question: Question): void {
    if (this.#isStopped) return
    question.isStale = question.isRunning
    if (question.isRunning) return
    question.isRunning = true
    const running = this.#ask(hash, question)
      .catch((error: unknown) => this.#parts.failed(error))
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async #ask(hash: BlockHash, question: Question): Promise<void> {
    const verdict = await this.#parts.judge(question.block)
    question.isRunning = false
    // The height has moved on meanwhile.
    if (this.#questions.get(hash) !== question) return
    if (verdict !== 'pending') this.#questions.delete(hash)
    this.#parts.answered(hash, verdict)
    if (this.#questions.get(hash) !== question) return
    if (question.isStale) this.#run(hash, question)
    else this.#askAgainLater()
  }

  #askAgainLater(): void {
    this.#cancel ??= this.#parts.timers.after(ASK_AGAIN_MS, () => {
      this.#cancel = undefined
      this.reconsider()
    })
  }
}
