/** Alters a valid block and seals it again: commitments, Merkle root and proof of work are good. */

import { type BlockHeader, verifyProofOfWork } from '../../src/bitcoin/header.ts'
import { merkleRoot } from '../../src/bitcoin/merkle.ts'
import { type Transaction, type TxOutput, transactionId } from '../../src/bitcoin/transaction.ts'
import type { Block } from '../../src/chain/block.ts'
import { buildCoinbase } from '../../src/chain/coinbase.ts'
import { type BlockExtension, extensionHash } from '../../src/chain/extension.ts'
import { type L1Section, l1SectionHash } from '../../src/chain/l1-section.ts'
import { sats } from '../../src/primitives/units.ts'

export interface Surgery {
  readonly header?: Partial<BlockHeader>
  readonly extension?: Partial<BlockExtension>
  readonly l1Section?: L1Section
  /** Everything after the coinbase. */
  readonly others?: readonly Transaction[]
  readonly payouts?: readonly TxOutput[]
  readonly coinbase?: (coinbase: Transaction) => Transaction
}

export function reseal(block: Block, surgery: Surgery): Block {
  const l1Section = surgery.l1Section ?? block.l1Section
  const extension = {
    ...block.extension,
    l1SectionHash: l1SectionHash(l1Section),
    ...surgery.extension,
  }
  const [before, ...rest] = block.transactions
  const others = surgery.others ?? rest
  const fresh = buildCoinbase({
    height: extension.height,
    fees: sats(0),
    payoutScript: new Uint8Array(),
    extensionHash: extensionHash(extension),
    others,
  })
  const payouts = surgery.payouts ?? before?.outputs.slice(0, -2) ?? []
  const sealed = { ...fresh, outputs: [...payouts, ...fresh.outputs] }
  const transactions = [surgery.coinbase?.(sealed) ?? sealed, ...others]
  const { root } = merkleRoot(transactions.map(transactionId))
  const header = grind({ ...block.header, merkleRoot: root, ...surgery.header })
  return { header, extension, l1Section, transactions }
}

/** The next nonce that meets the header's own target; as it is when there is no valid target. */
export function grind(header: BlockHeader): BlockHeader {
  let candidate = header
  for (let nonce = 0; nonce < 1_000 && !verifyProofOfWork(candidate); nonce++) {
    candidate = { ...header, nonce }
  }
  return candidate
}
