/**
 * A validator that comes while the chain runs: all validators approve it, the new members make their key
 * in the run, the key proves itself on L1, and the newcomer votes from the next epoch on.
 */

import { type MemberChange, memberChangeDigest } from '../../chain/member-change.ts'
import { findMemberSet, getEpochBooks } from '../../chain/member-sets.ts'
import type { ChainParams } from '../../chain/params.ts'
import type { StateView } from '../../chain/state.ts'
import { genesisValidators, hashOfSet } from '../../chain/validators.ts'
import { quorumSize } from '../../consensus/quorum.ts'
import type { XOnlyKey } from '../../primitives/hashes.ts'
import { fakeSignature } from '../fake-signatures.ts'
import type { SeededRandom } from '../seeded-random.ts'
import type { CanonicalChain } from './canonical-chain.ts'
import type { WholeNode } from './whole-node.ts'
import type { WorldTime } from './world-time.ts'

export interface NewcomerWorld {
  readonly time: WorldTime
  readonly random: SeededRandom
  readonly params: ChainParams
  readonly canonical: CanonicalChain
  /** Honest nodes that run. */
  readonly nodes: () => readonly WholeNode[]
  readonly note: (text: string) => void
}

const EPOCH = 1
const AGAIN_MS = 3_000

export class Newcomer {
  readonly #world: NewcomerWorld
  readonly #change: MemberChange

  constructor(world: NewcomerWorld, key: XOnlyKey) {
    this.#world = world
    const { params } = world
    const members = [...params.validators, key]
    const terms = { epoch: EPOCH, threshold: quorumSize(members.length), members }
    const setHash = hashOfSet(genesisValidators(params))
    const digest = memberChangeDigest({ chainId: params.chainId, setHash }, terms)
    const approvals = params.validators.map((validator, signer) => ({
      signer,
      signature: fakeSignature(validator, digest),
    }))
    this.#change = { ...terms, approvals }
  }

  schedule(untilMs: number): void {
    const { time, random } = this.#world
    time.after(random.between(0.1, 0.5) * untilMs, () => void this.#submit())
  }

  /** Somebody says it again as long as no block has it: a node may have lost it with its life. */
  async #submit(): Promise<void> {
    const { time, random, canonical, nodes, note } = this.#world
    if (canonical.blocks.some(({ l1Section }) => l1Section.memberChanges.length > 0)) return
    time.after(AGAIN_MS, () => void this.#submit())
    const running = nodes()
    // Before there is a first key nobody thinks of a second one.
    if (running.length === 0 || !canonical.isOpen) return
    const node = random.pick(running)
    const taken = await node.running?.membership?.submit(this.#change)
    if (taken?.ok === true) note(`a change of members is submitted through ${node.name}`)
  }

  /** What has not come to its end yet, once its key has been paid a coin to prove itself with. */
  unfinished(view: StateView): readonly string[] {
    const set = findMemberSet(view, EPOCH)
    if (set === undefined || set.probeL1Height === 0) return []
    const { validators, key, pending } = getEpochBooks(view)
    return validators === EPOCH && key === EPOCH && pending === undefined
      ? []
      : [`the change of members is ${set.status}`]
  }
}
