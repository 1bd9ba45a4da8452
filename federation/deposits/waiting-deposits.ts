/**
 * The deposits that wait for their mint, in memory: by outpoint, by L1 transaction, and by address with
 * what each address has in all. Anybody can make them by the thousand for L1's dust, so only addresses
 * that reach the minimum are ever looked through, and room is made at the cost of the smallest.
 */

import { outPointKey } from '../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import type { Txid } from '../../src/primitives/hashes.ts'
import type { SeenDeposit } from './deposit-records.ts'

/** This part of all is dropped at once, so that not every newcomer costs a look at each. */
const DROPPED_SHARE = 16

interface Address {
  readonly keys: Set<string>
  sum: bigint
}

export class WaitingDeposits {
  /** By outpoint. */
  readonly all: ReadonlyMap<string, SeenDeposit>
  readonly #deposits = new Map<string, SeenDeposit>()
  readonly #addresses = new Map<string, Address>()
  /** Addresses that reach the minimum. */
  readonly #ripe = new Set<string>()
  readonly #countOf = new Map<Txid, number>()
  readonly #minimum: bigint

  constructor(minimum: bigint) {
    this.#minimum = minimum
    this.all = this.#deposits
  }

  /** Adds it, or says anew where it is. */
  put(deposit: SeenDeposit): void {
    const key = outPointKey(deposit.outPoint)
    if (!this.#deposits.has(key)) {
      const { txid } = deposit.outPoint
      this.#countOf.set(txid, (this.#countOf.get(txid) ?? 0) + 1)
      this.#count(deposit, key)
    }
    this.#deposits.set(key, deposit)
  }

  #count({ script, value }: SeenDeposit, key: string): void {
    const name = bytesToHex(script)
    const address = this.#addresses.get(name) ?? { keys: new Set(), sum: 0n }
    address.keys.add(key)
    address.sum += value
    this.#addresses.set(name, address)
    if (address.sum >= this.#minimum) this.#ripe.add(name)
  }

  /** False when it does not wait. */
  delete(key: string): boolean {
    const deposit = this.#deposits.get(key)
    if (deposit === undefined) return false
    this.#deposits.delete(key)
    const { txid } = deposit.outPoint
    const left = (this.#countOf.get(txid) ?? 1) - 1
    if (left === 0) this.#countOf.delete(txid)
    else this.#countOf.set(txid, left)
    const name = bytesToHex(deposit.script)
    const address = this.#addresses.get(name)
    if (address === undefined) return true
    address.keys.delete(key)
    address.sum -= deposit.value
    if (address.sum < this.#minimum) this.#ripe.delete(name)
    if (address.keys.size === 0) this.#addresses.delete(name)
    return true
  }

  /** Does a deposit of this L1 transaction wait? */
  isWanted(txid: Txid): boolean {
    return this.#countOf.has(txid)
  }

  /** Those to addresses that have reached the minimum. */
  *ripe(): Iterable<SeenDeposit> {
    for (const name of this.#ripe) {
      for (const key of this.#addresses.get(name)?.keys ?? []) {
        const deposit = this.#deposits.get(key)
        if (deposit !== undefined) yield deposit
      }
    }
  }

  /** Some of the smallest, all of them below `value`; none when nothing is. */
  smallestBelow(value: bigint): readonly SeenDeposit[] {
    const smaller = [...this.#deposits.values()].filter((deposit) => deposit.value < value)
    const count = Math.ceil(this.#deposits.size / DROPPED_SHARE)
    return smaller.toSorted((a, b) => Number(a.value - b.value)).slice(0, count)
  }
}
