/** The peg's rules on one growing state, step by step, with an L1 that takes what the test chooses. */

import { expect } from 'vitest'
import { withdrawScript } from '../../../src/bitcoin/script.ts'
import { outPointKey, type Transaction, transactionId } from '../../../src/bitcoin/transaction.ts'
import { genesisChainState } from '../../../src/chain/genesis-state.ts'
import type { DepositProof } from '../../../src/chain/l1-section.ts'
import { EMPTY_L1_SECTION } from '../../../src/chain/l1-section.ts'
import { getEpochBooks, putEpochBooks, putMemberSet } from '../../../src/chain/member-sets.ts'
import type { ChainParams } from '../../../src/chain/params.ts'
import { dustLimit, feeAtRate, signedVsize } from '../../../src/chain/peg/batch-transaction.ts'
import {
  type Batch,
  currentVersion,
  findBatch,
  openBatches,
} from '../../../src/chain/peg/batches.ts'
import { getPegBooks, isSolvent } from '../../../src/chain/peg/books.ts'
import { connectConfirmations } from '../../../src/chain/peg/confirmations.ts'
import { CHANGE_RECIPIENT } from '../../../src/chain/peg/deposit-address.ts'
import { connectDeposits } from '../../../src/chain/peg/deposits.ts'
import {
  type KeyEpochAnnouncement,
  writeKeyEpochAnnouncement,
} from '../../../src/chain/peg/key-epoch-announcement.ts'
import { connectKeyEpoch, depositScriptOf } from '../../../src/chain/peg/key-epochs.ts'
import { connectL1Headers } from '../../../src/chain/peg/l1-headers.ts'
import { connectBatches } from '../../../src/chain/peg/plan-batches.ts'
import { connectFeeRate } from '../../../src/chain/peg/release-fees.ts'
import { connectReleaseLimits } from '../../../src/chain/peg/release-limits.ts'
import { findRelease, netValue, queueBurns, type Release } from '../../../src/chain/peg/releases.ts'
import { findReserve, putFederationScript, reserveCoins } from '../../../src/chain/peg/reserves.ts'
import { NAMESPACE, numberStateKey, StateOverlay } from '../../../src/chain/state.ts'
import { activeMemberSet } from '../../../src/chain/validators.ts'
import { encodeWith } from '../../../src/primitives/codec.ts'
import { sats } from '../../../src/primitives/units.ts'
import { aKeyEpoch, anL1Payment, aUser, TestL1 } from '../../support/chain-world.ts'

const ALICE = aUser('alice')

export interface ModelBlock {
  readonly feeRate: number
  /** L1 blocks since the block before; `onL1` is in the first of them. */
  readonly l1Blocks: number
  readonly onL1: readonly Transaction[]
  /** Amounts paid in, and burned to these scripts. */
  readonly deposits: readonly bigint[]
  readonly gifts: readonly bigint[]
  readonly burns: readonly { readonly value: bigint; readonly l1Script: Uint8Array }[]
}

export const QUIET: ModelBlock = {
  feeRate: 1_000,
  l1Blocks: 0,
  onL1: [],
  deposits: [],
  gifts: [],
  burns: [],
}

export class PegModel {
  readonly params: ChainParams
  readonly state: StateOverlay
  readonly l1 = new TestL1()
  readonly paid = new Map<number, number>()
  readonly #announcement: KeyEpochAnnouncement
  height = 1
  #names = 0
  #seen = 0

  constructor(params: ChainParams) {
    this.params = params
    this.state = new StateOverlay(genesisChainState(params).view)
    this.#announcement = aKeyEpoch(params).announcement
    const connected = connectKeyEpoch(this.state, params, this.#announcement, 1)
    if (!connected.ok) throw new TypeError(connected.error.code)
  }

  get books() {
    return getPegBooks(this.state)
  }

  get epochCount(): number {
    return getEpochBooks(this.state).next
  }

  open(): readonly Batch[] {
    return [...openBatches(this.state)]
  }

  releases(): readonly Release[] {
    const found: Release[] = []
    for (let id = 0; id < this.books.nextReleaseId; id++) {
      const release = findRelease(this.state, id)
      if (release !== undefined) found.push(release)
    }
    return found
  }

  /** The same key under the next number: what the addresses depend on is the number. */
  nextEpoch(): void {
    const epoch = this.epochCount
    const announcement = { ...this.#announcement, epoch }
    const bytes = encodeWith((writer) => {
      writer.u32(this.height)
      writeKeyEpochAnnouncement(writer, announcement)
    })
    this.state.put(numberStateKey(NAMESPACE.keyEpoch, epoch), bytes)
    const active = activeMemberSet(this.state)
    putMemberSet(this.state, { ...active, status: 'retired' })
    putMemberSet(this.state, { ...active, epoch, previousEpoch: epoch - 1 })
    putEpochBooks(this.state, {
      validators: epoch,
      key: epoch,
      pending: undefined,
      next: epoch + 1,
    })
    putFederationScript(this.state, this.changeScript(epoch))
  }

  changeScript(epoch: number): Uint8Array {
    return this.#address(epoch, CHANGE_RECIPIENT)
  }

  #address(epoch: number, recipient: Uint8Array): Uint8Array {
    const announcement = { ...this.#announcement, epoch }
    return depositScriptOf(this.params, announcement, recipient)
  }

  /** One block; returns codes of burns that were refused. */
  block(given: ModelBlock): readonly string[] {
    this.height += 1
    const epoch = this.epochCount - 1
    const payments = [
      ...given.deposits.map((value) => this.#payment(epoch, ALICE.script, value)),
      ...given.gifts.map((value) => this.#payment(epoch, CHANGE_RECIPIENT, value)),
    ]
    const onL1 = [...given.onL1, ...payments.map(({ transaction }) => transaction)]
    const l1Blocks = Math.max(given.l1Blocks, onL1.length > 0 ? 1 : 0)
    for (let count = 0; count < l1Blocks; count++) this.l1.mine(count === 0 ? onL1 : [])

    const reservesBefore = this.books.totals.reserves
    const headers = this.l1.headersFrom(this.books.l1Height + 1)
    expect(connectL1Headers(this.state, this.params, headers)).toEqual({ ok: true })
    if (headers.length > 0) connectFeeRate(this.state, given.feeRate)
    const own = given.onL1.map((transaction) => this.l1.prove(transactionId(transaction)))
    const confirmed = connectConfirmations(this.state, own, this.height)
    if (!confirmed.ok) throw new TypeError(confirmed.error.code)
    for (const batch of confirmed.value) this.#count(batch)
    this.#deposit(payments)
    const refused = given.burns.flatMap((burn) => this.#burn(burn))
    connectReleaseLimits(this.state, this.params, reservesBefore)
    connectBatches(this.state, this.params, {
      height: this.height,
      timeMs: this.height * 1_000_000,
      feeRate: given.feeRate,
      hasL1Headers: headers.length > 0,
    })
    this.check()
    return refused
  }

  #payment(keyEpoch: number, recipient: Uint8Array, value: bigint) {
    const script = this.#address(keyEpoch, recipient)
    const transaction = anL1Payment(`payment ${this.#names++}`, [{ value: sats(value), script }])
    return { transaction, claims: [{ vout: 0, keyEpoch, recipient }] }
  }

  #deposit(payments: readonly { transaction: Transaction; claims: DepositProof['claims'] }[]) {
    const deposits = payments.map(({ transaction, claims }) => ({
      ...this.l1.prove(transactionId(transaction)),
      claims,
    }))
    const section = { ...EMPTY_L1_SECTION, deposits }
    const connected = connectDeposits(this.state, this.params, section, this.height)
    if (!connected.ok) throw new TypeError(connected.error.code)
  }

  #burn({ value, l1Script }: ModelBlock['burns'][number]): readonly string[] {
    if (value > this.books.totals.supply) return ['no-supply']
    const burn = anL1Payment(`burn ${this.#names++}`, [
      { value: sats(value), script: withdrawScript(l1Script) },
    ])
    const queued = queueBurns(this.state, this.params, burn, {
      height: this.height,
      timeMs: this.height * 1_000_000,
    })
    return queued.ok ? [] : [queued.error.code]
  }

  #count(batch: Batch): void {
    for (const id of batch.releaseIds) this.paid.set(id, (this.paid.get(id) ?? 0) + 1)
  }

  /** Claims every output of a transaction on L1 as a gift, on a state that is thrown away. */
  giftClaims(transaction: Transaction): readonly string[] {
    const proof = this.l1.prove(transactionId(transaction))
    return transaction.outputs.map((_, vout) => {
      const scratch = new StateOverlay(this.state)
      const headers = this.l1.headersFrom(this.books.l1Height + 1)
      connectL1Headers(scratch, this.params, headers)
      const codes = [...Array(this.epochCount).keys()].map((keyEpoch) => {
        const claims = [{ vout, keyEpoch, recipient: CHANGE_RECIPIENT }]
        const section = { ...EMPTY_L1_SECTION, deposits: [{ ...proof, claims }] }
        const connected = connectDeposits(scratch, this.params, section, this.height + 1)
        return connected.ok ? 'ok' : connected.error.code
      })
      return codes.join(' ')
    })
  }

  /** What holds after every block, whatever happened. */
  check(): void {
    const { totals } = this.books
    expect(isSolvent(totals)).toBe(true)
    expect(totals.reserves).toBe(sum([...reserveCoins(this.state)].map(({ value }) => value)))
    const open = this.open()
    expect(totals.inFlightFees).toBe(sum(open.map((batch) => currentVersion(batch).fee)))
    const inputs = open.flatMap((batch) => inputKeys(batch, batch.versions.length - 1))
    expect(new Set(inputs).size).toBe(inputs.length)
    const busy = open.filter(({ kind }) => kind === 'upkeep').map(({ keyEpoch }) => keyEpoch)
    expect(new Set(busy).size).toBe(busy.length)
    for (const batch of open) this.#checkBatch(batch)
    for (const [id, times] of this.paid) expect([id, times]).toEqual([id, 1])
    for (; this.#seen < this.books.nextBatchId; this.#seen++) {
      expect(findBatch(this.state, this.#seen)).toBeDefined()
    }
  }

  #checkBatch(batch: Batch): void {
    const paid = batch.releaseIds.map((id) => {
      const release = findRelease(this.state, id)
      return { value: netValue(release!), script: release!.l1Script }
    })
    for (const [index, version] of batch.versions.entries()) {
      const { transaction, fee, feeRate } = version
      const coins = transaction.inputs.map(({ prevout }) => findReserve(this.state, prevout)!)
      const vsize = signedVsize(transaction)
      // Members of one key epoch sign it, and nothing else spends its coins.
      expect(coins.every((coin) => coin.keyEpoch === batch.keyEpoch)).toBe(true)
      expect(coins.every((coin) => coin.batchId === batch.id)).toBe(true)
      // Standard: inputs, weight, dust, fee.
      expect(transaction.inputs.length).toBeLessThanOrEqual(100)
      expect(vsize).toBeLessThanOrEqual(100_000)
      for (const { value, script } of transaction.outputs) {
        expect(value).toBeGreaterThanOrEqual(dustLimit(script))
      }
      expect(fee).toBeGreaterThanOrEqual(feeAtRate(vsize, this.params.peg.feeRateFloor))
      expect(transaction.outputs.slice(0, paid.length)).toEqual(paid)
      expect(sum(coins.map(({ value }) => value))).toBe(
        sum(transaction.outputs.map(({ value }) => value)) + fee,
      )
      for (const { script } of transaction.outputs.slice(paid.length)) {
        expect(script).toEqual(this.changeScript(batch.changeKeyEpoch))
      }
      const before = batch.versions[index - 1]
      if (before === undefined) continue
      // BIP125; and at most one of any two can confirm.
      const own = new Set(inputKeys(batch, index))
      for (const key of inputKeys(batch, index - 1)) expect(own.has(key)).toBe(true)
      expect(feeRate).toBeGreaterThan(before.feeRate)
      expect(feeRate).toBeLessThanOrEqual(this.params.peg.feeRateCeiling)
      expect(fee).toBeGreaterThanOrEqual(before.fee + BigInt(vsize))
    }
  }
}

export function inputKeys(batch: Batch, version: number): readonly string[] {
  return batch.versions[version]!.transaction.inputs.map(({ prevout }) => outPointKey(prevout))
}

export function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n)
}
