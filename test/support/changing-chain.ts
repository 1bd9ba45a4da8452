/** A chain with a peg whose members change: L1 mines what the federation would have signed. */

import { p2wpkhScript, withdrawScript } from '../../src/bitcoin/script.ts'
import { type Transaction, transactionId } from '../../src/bitcoin/transaction.ts'
import type { Block } from '../../src/chain/block.ts'
import { EMPTY_L1_SECTION, type L1Section } from '../../src/chain/l1-section.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import { type Batch, currentVersion, openBatches } from '../../src/chain/peg/batches.ts'
import { getPegBooks, isSolvent } from '../../src/chain/peg/books.ts'
import type { FreezeVote } from '../../src/chain/peg/freeze-vote.ts'
import { sats } from '../../src/primitives/units.ts'
import { aUser, mintedWorld, spend, type TestChain, type TestL1 } from './chain-world.ts'
import { aMemberChange, type Crew, keyOfCrew } from './member-changes.ts'

const RELEASE_SATS = 20_000n
const RELEASE_SCRIPT = p2wpkhScript(new Uint8Array(20).fill(7))
const alice = aUser('alice')

export class ChangingChain {
  readonly params: ChainParams
  readonly chain: TestChain
  readonly l1: TestL1
  /** From block 1 on. */
  readonly blocks: Block[]
  #coin: {
    readonly outPoint: { txid: ReturnType<typeof transactionId>; vout: number }
    value: bigint
  }

  constructor(params: ChainParams, depositSats = 1_000_000n) {
    const { chain, l1, coin, blocks } = mintedWorld(depositSats, params)
    this.params = params
    this.feeRate = params.peg.feeRateFloor
    this.blocks = [...blocks]
    this.chain = chain
    this.l1 = l1
    this.#coin = coin
  }

  /** L1 fee rate of the next blocks. */
  feeRate: number

  extend(
    section: Partial<L1Section> = {},
    transactions: readonly Transaction[] = [],
    freezeVotes: readonly FreezeVote[] = [],
  ): Block {
    const l1Section = { ...EMPTY_L1_SECTION, headers: this.chain.headersTo(this.l1), ...section }
    const { feeRate } = this
    const block = this.chain.extend({ l1Section, transactions, freezeVotes, feeRate })
    this.blocks.push(block)
    if (!isSolvent(getPegBooks(this.chain.state.view).totals)) throw new TypeError('insolvent')
    return block
  }

  open(kind: Batch['kind']): Batch | undefined {
    return [...openBatches(this.chain.state.view)].find((batch) => batch.kind === kind)
  }

  /** L1 takes the batch, and the chain hears of it. */
  confirm(batch: Batch | undefined): Block {
    if (batch === undefined) throw new TypeError('no such batch')
    const { transaction } = currentVersion(batch)
    this.l1.mine([transaction])
    const headers = this.chain.headersTo(this.l1)
    return this.extend({ headers, confirmations: [this.l1.prove(transactionId(transaction))] })
  }

  /** One release from burn to confirmation; what it pays beyond the fee is the fee reserve's. */
  release(): void {
    this.burn()
    // After a change of keys the coins are on their way to the new one.
    for (let sweeps = 0; this.open('payment') === undefined && sweeps < 5; sweeps++) {
      this.confirm(this.open('upkeep'))
    }
    this.confirm(this.open('payment'))
  }

  burn(): void {
    const { outPoint, value } = this.#coin
    const rest = value - RELEASE_SATS - 1_000n
    const burn = spend(
      alice,
      [{ outPoint, value }],
      [
        { value: sats(RELEASE_SATS), script: withdrawScript(RELEASE_SCRIPT) },
        { value: sats(rest), script: alice.script },
      ],
    )
    this.#coin = { outPoint: { txid: transactionId(burn), vout: 1 }, value: rest }
    this.extend({}, [burn])
    this.extend()
  }

  /** Approves the change and announces its key. */
  announce(from: Crew, to: Crew): void {
    this.extend({ memberChanges: [aMemberChange(this.params, from, to)] })
    this.extend({ keyEpochs: [keyOfCrew(this.params, to)] })
  }

  /** All of it: the last block is the last of the old validators. */
  change(from: Crew, to: Crew): Block {
    for (let i = 0; i < 3; i++) this.release()
    this.announce(from, to)
    this.confirm(this.open('probe'))
    return this.confirm(this.open('proof'))
  }
}
