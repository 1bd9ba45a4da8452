/** Builds the proofs that `verify-proof.ts` checks, from a final block and the state after it. */

import type { OutPoint } from '../bitcoin/transaction.ts'
import type { Certificate } from '../consensus/certificate.ts'
import type { Block } from './block.ts'
import { buildBlockEvidence } from './block-evidence.ts'
import { decodeHandover } from './handover.ts'
import { NAMESPACE, outPointStateKey, type StateView } from './state.ts'
import type { StateTrie } from './state-trie.ts'
import { type CoinEvidence, encodeChainProof } from './verify-proof.ts'

/** A final block with what leads to it. */
export interface ProvenBlock {
  readonly block: Block
  readonly certificate: Certificate
  /** Every handover before the block, encoded, oldest first. */
  readonly handovers: readonly Uint8Array[]
}

/** Of the peg's books after a block, the supply among them. Block 0 has no certificate and no proof. */
export function buildSupplyProof(proven: ProvenBlock): Uint8Array {
  return buildProof(proven, undefined)
}

/** Of a coin's presence or absence; `state` is the one after the block. */
export function buildCoinProof(
  proven: ProvenBlock,
  state: { readonly view: StateView; readonly trie: Pick<StateTrie, 'prove'> },
  outPoint: OutPoint,
): Uint8Array {
  const key = outPointStateKey(NAMESPACE.coin, outPoint)
  return buildProof(proven, { outPoint, value: state.view.get(key), proof: state.trie.prove(key) })
}

function buildProof(
  { block, certificate, handovers }: ProvenBlock,
  coin: CoinEvidence | undefined,
): Uint8Array {
  return encodeChainProof({
    handovers: handovers.map(decodeHandover),
    block: buildBlockEvidence(block, certificate),
    coin,
  })
}
