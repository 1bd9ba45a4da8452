/**
 * Which deposits a block could mint: those that are mature and, with the others to the same address,
 * reach the minimum. Addresses come in the order of their oldest deposit, and each gives its largest
 * deposits first, so that dust in any amount holds up nobody. Pure.
 */

import type { ChainParams } from '../../src/chain/params.ts'
import { extraHeadersFor, findClaimHeight, isExpired } from '../../src/chain/peg/deposits.ts'
import type { StateView } from '../../src/chain/state.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import type { SeenDeposit } from './deposit-records.ts'

/** Mature deposits to one address, the largest first; together they reach the minimum. */
export type DepositGroup = readonly SeenDeposit[]

export interface L1Place {
  /** Of the last L1 header that the chain will know. */
  readonly chainHeight: number
  /** Of own L1, which is ahead of it. */
  readonly tipHeight: number
}

export function matureGroups(
  view: StateView,
  params: ChainParams,
  waiting: Iterable<SeenDeposit>,
  place: L1Place,
): readonly DepositGroup[] {
  const groups = new Map<string, SeenDeposit[]>()
  for (const deposit of waiting) {
    if (!isMature(view, params, deposit, place)) continue
    const address = bytesToHex(deposit.script)
    const group = groups.get(address) ?? []
    group.push(deposit)
    groups.set(address, group)
  }
  return [...groups.values()]
    .filter((group) => sumOfDeposits(group) >= params.peg.minDepositSats)
    .map((group) => ({ oldest: group.toSorted(byPlace)[0], group: group.toSorted(byValue) }))
    .toSorted(({ oldest: a }, { oldest: b }) =>
      a === undefined || b === undefined ? 0 : byPlace(a, b),
    )
    .map(({ group }) => group)
}

function isMature(
  view: StateView,
  params: ChainParams,
  deposit: SeenDeposit,
  { chainHeight, tipHeight }: L1Place,
): boolean {
  const { value, position, outPoint } = deposit
  return (
    deposit.l1Height + extraHeadersFor(params, value, position) <= chainHeight &&
    // Validators count by their own L1.
    !isExpired(params, deposit.l1Height, Math.max(chainHeight, tipHeight)) &&
    deposit.l1Height > params.l1Checkpoint.height &&
    findClaimHeight(view, outPoint) === undefined
  )
}

export function sumOfDeposits(deposits: readonly SeenDeposit[]): bigint {
  return deposits.reduce((sum, { value }) => sum + value, 0n)
}

/** The order of the mint transaction, by rule: L1 height, position in the block, output. */
export function byPlace(a: SeenDeposit, b: SeenDeposit): number {
  return a.l1Height - b.l1Height || a.position - b.position || a.outPoint.vout - b.outPoint.vout
}

function byValue(a: SeenDeposit, b: SeenDeposit): number {
  if (a.value === b.value) return byPlace(a, b)
  return a.value > b.value ? -1 : 1
}
