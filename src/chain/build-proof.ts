/** Builds the proofs that `verify-proof.ts` checks, from a final block and the state after it. */

import { buildMerkleProof } from '../bitcoin/merkle.ts'
import { type OutPoint, transactionId } from '../bitcoin/transaction.ts'
import type { Certificate } from '../consensus/certificate.ts'
import { present } from '../primitives/assert.ts'
import type { Block } from './block.ts'
import { NAMESPACE, outPointStateKey, type StateView } from './state.ts'
import type { StateTrie } from './state-trie.ts'
import { type BlockEvidence, type CoinEvidence, encodeChainProof } from './verify-proof.ts'

/** Of the peg's books after a block, the supply among them. Block 0 has no certificate and no proof. */
export function buildSupplyProof(block: Block, certificate: Certificate): Uint8Array {
  return encodeChainProof({ block: blockEvidence(block, certificate), coin: undefined })
}

/** Of a coin's presence or absence; `state` is the one after the block. */
export function buildCoinProof(
  block: Block,
  certificate: Certificate,
  state: { readonly view: StateView; readonly trie: Pick<StateTrie, 'prove'> },
  outPoint: OutPoint,
): Uint8Array {
  const key = outPointStateKey(NAMESPACE.coin, outPoint)
  const coin: CoinEvidence = { outPoint, value: state.view.get(key), proof: state.trie.prove(key) }
  return encodeChainProof({ block: blockEvidence(block, certificate), coin })
}

function blockEvidence(block: Block, certificate: Certificate): BlockEvidence {
  const coinbase = present(block.transactions[0], 'coinbase')
  return {
    header: block.header,
    certificate,
    coinbase,
    merkle: buildMerkleProof(block.transactions.map(transactionId), 0),
    extension: block.extension,
  }
}
