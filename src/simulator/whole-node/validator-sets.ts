/** Who the validators are, height by height, as honest nodes' states have it. */

import type { ChainParams } from '../../chain/params.ts'
import { genesisValidators, validatorSetAt } from '../../chain/validators.ts'
import type { ValidatorSet } from '../../consensus/validator-set.ts'
import type { VoteContext } from '../../consensus/votes.ts'
import { verifySchnorr } from '../../primitives/secp256k1.ts'
import type { WholeNode } from './whole-node.ts'

export class ValidatorSets {
  readonly #params: ChainParams
  readonly #nodes: () => readonly WholeNode[]
  readonly #known = new Map<number, ValidatorSet>()

  /** `nodes`: honest ones that run. */
  constructor(params: ChainParams, nodes: () => readonly WholeNode[]) {
    this.#params = params
    this.#nodes = nodes
  }

  at(height: number): ValidatorSet {
    const known = this.#known.get(height)
    if (known !== undefined) return known
    for (const { running } of this.#nodes()) {
      const state = running?.node.chain.state()
      // Only the state before a height can tell who agrees on it.
      if (state === undefined || state.tip.height + 1 < height) continue
      const set = validatorSetAt(state.view, height)
      this.#known.set(height, set)
      return set
    }
    return this.#known.get(height - 1) ?? genesisValidators(this.#params)
  }

  contextAt(height: number): VoteContext {
    const { epoch, keys } = this.at(height)
    const { chainId } = this.#params
    return { chainId, epoch, validators: keys, verify: verifySchnorr }
  }
}
