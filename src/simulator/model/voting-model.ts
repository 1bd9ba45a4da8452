/**
 * The voting rules by themselves, as a machine whose every state can be looked at: one height, a few
 * views, two blocks A and B, honest validators that follow the rules, and Byzantine ones that have said
 * everything. The network is asynchronous: whatever certificate could be made, anybody may have seen,
 * or not. More is possible here than in the protocol, which has clocks, leaders and an order of views;
 * what never happens here never happens there.
 *
 * What must never happen: finality certificates of both blocks, notarizations of both in one view, or
 * a view both finalized and nullified.
 */

import { exploreStates } from './state-space.ts'

export interface VotingRules {
  readonly honest: number
  readonly byzantine: number
  readonly quorum: number
  readonly views: number
  /** Notarize only what a justification allows; `with-gaps`: one that looks at the last view only. */
  readonly justification: 'required' | 'with-gaps' | 'not-required'
  /** Never both nullify and finalize in a view. */
  readonly exclusive: boolean
  /** No notarize after a nullify in a view: not needed for safety. */
  readonly notarizeFirst: boolean
  /** At most one notarize in a view. */
  readonly notarizeOnce: boolean
}

/** The protocol's rules for four validators, one of them Byzantine. */
export const PROTOCOL_RULES: VotingRules = {
  honest: 3,
  byzantine: 1,
  quorum: 3,
  views: 3,
  justification: 'required',
  exclusive: true,
  notarizeFirst: true,
  notarizeOnce: true,
}

export interface ModelOutcome {
  /** States that differ in more than names of validators and blocks. */
  readonly states: number
  /** Steps from nothing to a state in which a promise is broken. */
  readonly counterexample: readonly string[] | undefined
}

/** What one validator has said in one view: five flags. */
const NOTARIZED = [1, 2] as const
const NULLIFIED = 4
const FINALIZED = [8, 16] as const
const BITS = 5
const MASK = (1 << BITS) - 1
const BLOCKS = [0, 1] as const
const NAMES = ['A', 'B'] as const

/** All that honest validators have said: one number each. */
type Said = readonly number[]

/** One view of a state: is there, with Byzantine help, a quorum of each statement? */
interface ViewQuorums {
  readonly notarized: readonly [boolean, boolean]
  readonly nullified: boolean
  readonly finalized: readonly [boolean, boolean]
}

function flagsOf(said: number, view: number): number {
  return (said >> (view * BITS)) & MASK
}

function has(flags: number, flag: number): boolean {
  return (flags & flag) !== 0
}

function withFlag(said: number, view: number, flag: number): number {
  return said | (flag << (view * BITS))
}

/** A and B are names. */
function swapBlocks(said: number, views: number): number {
  let swapped = 0
  for (let view = 0; view < views; view++) {
    const flags = flagsOf(said, view)
    const other =
      (flags & NULLIFIED) |
      ((flags & NOTARIZED[0]) << 1) |
      ((flags & NOTARIZED[1]) >> 1) |
      ((flags & FINALIZED[0]) << 1) |
      ((flags & FINALIZED[1]) >> 1)
    swapped = withFlag(swapped, view, other)
  }
  return swapped
}

class VotingModel {
  readonly #rules: VotingRules
  readonly #range: number
  /** What one validator has said → the same with the blocks' names exchanged. */
  readonly #swapped: Int32Array
  /** A state is judged first, and then left: its quorums are needed twice. */
  #last: { readonly packed: number; readonly quorums: readonly ViewQuorums[] } = {
    packed: -1,
    quorums: [],
  }
  /** Scratch space. */
  readonly #sorted: Float64Array

  constructor(rules: VotingRules) {
    this.#rules = rules
    this.#range = 2 ** (BITS * rules.views)
    this.#swapped = Int32Array.from({ length: this.#range }, (_, said) =>
      swapBlocks(said, rules.views),
    )
    this.#sorted = new Float64Array(rules.honest)
  }

  /** The smaller of the two states that are this one under other names. */
  encode(said: Said): number {
    const sorted = this.#sorted
    for (let i = 0; i < said.length; i++) sorted[i] = said[i] ?? 0
    const one = this.#pack()
    for (let i = 0; i < said.length; i++) sorted[i] = this.#swapped[said[i] ?? 0] ?? 0
    return Math.min(one, this.#pack())
  }

  #pack(): number {
    let packed = 0
    for (const one of this.#sorted.toSorted()) packed = packed * this.#range + one
    return packed
  }

  decode(packed: number): Said {
    const said: number[] = []
    let rest = packed
    for (let i = 0; i < this.#rules.honest; i++) {
      said.push(rest % this.#range)
      rest = Math.floor(rest / this.#range)
    }
    return said.toReversed()
  }

  #quorums(packed: number): readonly ViewQuorums[] {
    if (packed === this.#last.packed) return this.#last.quorums
    const { quorum, byzantine, views } = this.#rules
    const said = this.decode(packed)
    const isQuorum = (view: number, flag: number): boolean => {
      let count = byzantine
      for (const one of said) if (has(flagsOf(one, view), flag)) count++
      return count >= quorum
    }
    const quorums: ViewQuorums[] = Array.from({ length: views }, (_, view) => ({
      notarized: [isQuorum(view, NOTARIZED[0]), isQuorum(view, NOTARIZED[1])],
      nullified: isQuorum(view, NULLIFIED),
      finalized: [isQuorum(view, FINALIZED[0]), isQuorum(view, FINALIZED[1])],
    }))
    this.#last = { packed, quorums }
    return quorums
  }

  /** Is there a J(view) for the block? */
  #isJustified(quorums: readonly ViewQuorums[], view: number, block: 0 | 1): boolean {
    const { justification } = this.#rules
    if (justification === 'not-required') return true
    for (let below = view - 1; below >= 0; below--) {
      const at = quorums[below]
      if (at?.notarized[block] === true) return true
      if (at?.nullified !== true) return false
      if (justification === 'with-gaps') return true
    }
    return true
  }

  /** What a validator may say next, as flags of a view. */
  #choices(flags: number, view: number, quorums: readonly ViewQuorums[]): number[] {
    const { exclusive, notarizeFirst, notarizeOnce } = this.#rules
    const isNullified = has(flags, NULLIFIED)
    const hasFinalized = has(flags, FINALIZED[0] | FINALIZED[1])
    const hasNotarized = has(flags, NOTARIZED[0] | NOTARIZED[1])
    const mayNotarize = !(hasNotarized && notarizeOnce) && !(isNullified && notarizeFirst)
    const mayFinalize = !hasFinalized && !(exclusive && isNullified)

    const mayNullify = !isNullified && !(exclusive && hasFinalized)

    const choices: number[] = mayNullify ? [NULLIFIED] : []
    for (const block of BLOCKS) {
      if (mayFinalize && quorums[view]?.notarized[block] === true) choices.push(FINALIZED[block])
    }
    if (!mayNotarize) return choices
    const open = BLOCKS.filter((block) => !has(flags, NOTARIZED[block]))
    const allowed = open.filter((block) => this.#isJustified(quorums, view, block))
    choices.push(...allowed.map((block) => NOTARIZED[block]))
    return choices
  }

  next(packed: number): number[] {
    const said = this.decode(packed)
    const quorums = this.#quorums(packed)
    const successors: number[] = []
    said.forEach((one, i) => {
      // Equal validators have equal choices.
      if (said.indexOf(one) !== i) return
      for (let view = 0; view < this.#rules.views; view++) {
        for (const flag of this.#choices(flagsOf(one, view), view, quorums)) {
          successors.push(this.encode(said.with(i, withFlag(one, view, flag))))
        }
      }
    })
    return successors
  }

  isBroken(packed: number): boolean {
    const quorums = this.#quorums(packed)
    const finals = BLOCKS.filter((block) => quorums.some((at) => at.finalized[block]))
    if (finals.length > 1) return true
    return quorums.some(
      (at) =>
        (at.notarized[0] && at.notarized[1]) ||
        (at.nullified && (at.finalized[0] || at.finalized[1])),
    )
  }

  /** Validator by validator, view by view: "N(A)" "U" "F(B)". */
  describe(packed: number): string {
    const lines = this.decode(packed).map((one) => {
      const views = Array.from({ length: this.#rules.views }, (_, view) => {
        const flags = flagsOf(one, view)
        const words = BLOCKS.flatMap((block) => [
          ...(!has(flags, NOTARIZED[block]) ? [] : [`N(${NAMES[block]})`]),
          ...(!has(flags, FINALIZED[block]) ? [] : [`F(${NAMES[block]})`]),
        ])
        if (has(flags, NULLIFIED)) words.push('U')
        return words.length === 0 ? '-' : words.join('')
      })
      return views.join(' ')
    })
    return lines.join(' | ')
  }
}

/** Looks at every state that the rules allow, or stops at the first broken one. */
export function checkVotingRules(rules: VotingRules): ModelOutcome {
  const model = new VotingModel(rules)
  const outcome = exploreStates({
    initial: 0,
    next: (state) => model.next(state),
    isBroken: (state) => model.isBroken(state),
  })
  const counterexample = outcome.path?.map((state) => model.describe(state))
  return { states: outcome.states, counterexample }
}
