/** A peg with a deposit minted and a burn in an open batch, on the embedded L1. */

import { findL1TransactionProof } from '../../../federation/l1/proofs.ts'
import { p2wpkhScript, withdrawScript } from '../../../src/bitcoin/script.ts'
import { type Transaction, transactionId } from '../../../src/bitcoin/transaction.ts'
import type { Block } from '../../../src/chain/block.ts'
import { EMPTY_L1_SECTION } from '../../../src/chain/l1-section.ts'
import { type Batch, findBatch, openBatches } from '../../../src/chain/peg/batches.ts'
import type { Txid } from '../../../src/primitives/hashes.ts'
import { sats } from '../../../src/primitives/units.ts'
import { aUser, spend, TestChain, type User } from '../../support/chain-world.ts'
import { WALLET_SCRIPT } from '../l1/taproot-spender.ts'
import { PegWorld } from '../peg-world.ts'

export const TARGET: Uint8Array = p2wpkhScript(new Uint8Array(20).fill(0x11))
const MINTED = 100_000n

/** Remembers its blocks. */
class RecordingChain extends TestChain {
  readonly blocks: Block[] = []

  override apply(block: Block) {
    this.blocks.push(block)
    return super.apply(block)
  }
}

export class BatchWorld extends PegWorld {
  override readonly chain = new RecordingChain(this.params)

  static override async open(): Promise<BatchWorld> {
    const world = new BatchWorld()
    await world.mine(110)
    world.extendWith({ keyEpochs: [world.epoch.announcement] })
    return world
  }

  static async withBatches(count: number): Promise<BatchWorld> {
    const world = await BatchWorld.open()
    for (let n = 0; n < count; n++) await world.addBatch(`user ${n}`)
    return world
  }

  /** Deposits, mints and burns for a user; the batch is open in the end. */
  async addBatch(name: string): Promise<Batch> {
    const user = aUser(name)
    const minted = await this.mint(user)
    const burn = spend(
      user,
      [{ outPoint: { txid: minted, vout: 0 }, value: MINTED }],
      [
        { value: sats(60_000), script: withdrawScript(TARGET) },
        { value: sats(39_000), script: user.script },
      ],
    )
    this.chain.extend({ transactions: [burn] })
    this.chain.extend()
    return this.openBatches().at(-1)!
  }

  async mint(user: User): Promise<Txid> {
    const { script } = this.registration(user.script)
    const txid = await this.pay({ value: MINTED, script })
    const { height, hash } = this.l1Chain.tip()
    await this.mine(4)
    const block = await this.l1.port.block(hash)
    const proof = findL1TransactionProof(block!, txid)!
    const claims = [{ vout: 0, keyEpoch: 0, recipient: user.script }]
    const minting = this.extendWith({ deposits: [{ ...proof, l1Height: height, claims }] })
    return transactionId(minting.transactions[1]!)
  }

  /** L1 goes on without the batch, at a higher rate: another version. */
  async replace(batch: Batch): Promise<void> {
    const { bumpAfterL1Blocks, l1Depth } = this.params.peg
    for (let count = 0; count < bumpAfterL1Blocks + l1Depth; count++) {
      await this.l1Chain.mineExactly(WALLET_SCRIPT, [])
    }
    const headers = this.headers()
    this.chain.extend({ feeRate: 2_000, l1Section: { ...EMPTY_L1_SECTION, headers } })
    if (this.batch(batch.id).versions.length < 2) throw new TypeError('not replaced')
  }

  openBatches(): Batch[] {
    return [...openBatches(this.chain.state.view)]
  }

  batch(id: number): Batch {
    return findBatch(this.chain.state.view, id)!
  }

  /** Proves a batch's transaction, which L1 has mined, and so closes the batch. */
  async confirm(transaction: Transaction, hash: Parameters<PegWorld['l1']['port']['block']>[0]) {
    const block = await this.l1.port.block(hash)
    const proof = findL1TransactionProof(block!, transactionId(transaction))!
    this.extendWith({ confirmations: [proof] })
  }
}
