/**
 * People of a run: they deposit, pay each other, burn, and now and then try to spend twice. What they
 * do and when, the seed says; what comes of it they read off the canonical chain.
 */

import {
  p2pkhScript,
  p2shScript,
  p2trScript,
  p2wpkhScript,
  p2wshScript,
  withdrawScript,
} from '../../bitcoin/script.ts'
import { outPointKey, type Transaction, transactionId } from '../../bitcoin/transaction.ts'
import type { ChainParams } from '../../chain/params.ts'
import { present } from '../../primitives/assert.ts'
import { bytesToHex, utf8 } from '../../primitives/bytes.ts'
import { hashToBytes } from '../../primitives/hashes.ts'
import { taggedHash } from '../../primitives/sha256.ts'
import { sats } from '../../primitives/units.ts'
import { StorageError } from '../../storage/storage-error.ts'
import type { SeededRandom } from '../seeded-random.ts'
import type { CanonicalChain, CanonicalCoin } from './canonical-chain.ts'
import type { SimulatedL1 } from './simulated-l1.ts'
import { namedKey, SimulatedWallet, type WalletCoin } from './simulated-wallet.ts'
import type { WholeNode } from './whole-node.ts'
import type { WorldTime } from './world-time.ts'

/** Who mines on L1, and whose rewards pay for all deposits. */
export const MINER = new SimulatedWallet('miner')

const USERS = ['alice', 'bob', 'carol'].map((name) => new SimulatedWallet(name))
const RETRY_MS = 1_500
const RETRIES = 25
const L1_FEE = 20_000n
/** A coin is tried again when what spent it has not come of anything. */
const FORGET_MS = 20_000

export interface UserWorld {
  readonly time: WorldTime
  readonly random: SeededRandom
  readonly params: ChainParams
  readonly l1: SimulatedL1
  readonly canonical: CanonicalChain
  /** Honest nodes that run. */
  readonly nodes: () => readonly WholeNode[]
  readonly note: (text: string) => void
}

interface Deposit {
  readonly txid: Transaction
  readonly vout: number
  readonly recipient: Uint8Array
  readonly value: bigint
}

export class SimulatedUsers {
  /** Addresses that were given to users, hex. */
  readonly depositScripts = new Set<string>()
  /** L1 scripts of every burn that was signed, hex. */
  readonly asked = new Set<string>()
  readonly deposits: Deposit[] = []
  payments = 0
  readonly #world: UserWorld
  readonly #spentAtMs = new Map<string, number>()
  #nextReward = 1
  #nextBurn = 0

  constructor(world: UserWorld) {
    this.#world = world
  }

  schedule(counts: {
    readonly untilMs: number
    readonly deposits: number
    readonly payments: number
    readonly burns: number
  }): void {
    const { random } = this.#world
    const plan = (count: number, share: number, act: () => Promise<boolean> | boolean): void => {
      for (let i = 0; i < count; i++) this.#at(random.between(0, share) * counts.untilMs, act)
    }
    plan(counts.deposits, 0.6, () => this.#deposit())
    plan(counts.payments, 0.95, () => this.#pay())
    plan(counts.burns, 0.95, () => this.#burn())
  }

  #at(delayMs: number, act: () => Promise<boolean> | boolean, tries = RETRIES): void {
    const attempt = async (): Promise<void> => {
      if (!(await act()) && tries > 1) this.#at(RETRY_MS, act, tries - 1)
    }
    this.#world.time.after(delayMs, () => void attempt())
  }

  // --- deposits -----------------------------------------------------------------------------

  async #deposit(): Promise<boolean> {
    const { random, l1, note, params } = this.#world
    const node = this.#someNode()
    const user = random.pick(USERS)
    const script = await addressFrom(node, user)
    if (script === undefined) return false
    const { minDepositSats } = params.peg
    const amount = (): bigint =>
      random.chance(0.15) ? minDepositSats / 2n : minDepositSats * BigInt(2 + random.below(2_000))
    const amounts = random.chance(0.25) ? [amount(), amount()] : [amount()]
    const transaction = this.l1Payment(amounts.map((value) => ({ value, script })))
    if (transaction === undefined) return true
    this.depositScripts.add(bytesToHex(script))
    const sent = l1.truth.mempool.add(transaction)
    if (!sent.ok) return false
    note(`${user.name} deposits ${amounts.join(' + ')} through ${node?.name ?? ''}`)
    if (random.chance(0.15)) this.#takeBack(transaction)
    for (const [vout, value] of amounts.entries()) {
      this.deposits.push({ txid: transaction, vout, recipient: user.script, value })
    }
    return true
  }

  /** Before it is mined, or before what mined it is replaced, the money may go elsewhere (BIP125). */
  #takeBack(transaction: Transaction): void {
    const { time, random, l1, note } = this.#world
    time.after(random.between(0, 6_000), () => {
      const coins = transaction.inputs.map(({ prevout }) => ({
        outPoint: prevout,
        value: l1.truth.coins.findCoin(prevout)?.value ?? 0n,
      }))
      const value = coins.reduce((sum, coin) => sum + coin.value, 0n) - 5n * L1_FEE
      if (value <= 0n) return
      const rival = MINER.spend(coins, [{ value: sats(value), script: MINER.script }])
      if (l1.truth.mempool.add(rival).ok) note('a deposit is taken back before it is mined')
    })
  }

  /** Paid out of one of the miner's rewards; undefined when all are spent. */
  l1Payment(
    outputs: readonly { readonly value: bigint; readonly script: Uint8Array }[],
  ): Transaction | undefined {
    const { truth } = this.#world.l1
    for (; truth.tip().height - this.#nextReward >= 100; this.#nextReward++) {
      const reward = truth.blockAt(this.#nextReward)?.block.transactions[0]
      const outPoint = { txid: transactionId(present(reward, 'reward')), vout: 0 }
      const value = truth.coins.findCoin(outPoint)?.value
      if (value === undefined) continue
      this.#nextReward += 1
      const paid = outputs.reduce((sum, output) => sum + output.value, 0n)
      const change = { value: value - paid - L1_FEE, script: MINER.script }
      const all = [...outputs, change].map((output) => ({ ...output, value: sats(output.value) }))
      return MINER.spend([{ outPoint, value }], all)
    }
    return undefined
  }

  /** Registrations may have been lost: whoever waits for a deposit asks again, at another member. */
  async claimAll(): Promise<void> {
    const { canonical } = this.#world
    for (const { txid, vout, recipient } of this.deposits) {
      const outPoint = { txid: transactionId(txid), vout }
      if (canonical.claims.has(outPointKey(outPoint))) continue
      await unlessItsDiskFails(this.#someNode()?.running?.member?.desk.claim(outPoint, recipient))
    }
  }

  /** Deposits in L1's best chain that must be minted, and are not. */
  unminted(): readonly string[] {
    const { l1, canonical, params } = this.#world
    return this.deposits.flatMap(({ txid, vout, value }) => {
      const outPoint = { txid: transactionId(txid), vout }
      const key = outPointKey(outPoint)
      if (value < params.peg.minDepositSats || canonical.claims.has(key)) return []
      return l1.truth.coins.findCoin(outPoint) === undefined ? [] : [key]
    })
  }

  // --- on the chain -------------------------------------------------------------------------

  #pay(): boolean {
    const picked = this.#pickCoin(15_000n)
    if (picked === undefined) return false
    const { user, coin } = picked
    const { random, note } = this.#world
    const pay = (): Transaction => {
      const to = random.pick(USERS)
      const fee = BigInt(1_000 + random.below(5_000))
      const half = (coin.value - fee) / 2n
      const outputs = random.chance(0.5)
        ? [{ value: sats(coin.value - fee), script: to.script }]
        : [
            { value: sats(half), script: to.script },
            { value: sats(coin.value - fee - half), script: user.script },
          ]
      return user.spend([coin], outputs)
    }
    note(`${user.name} pays with ${coin.outPoint.txid.slice(0, 8)}:${coin.outPoint.vout}`)
    this.#submit(pay())
    // A double spend, to somebody else.
    if (random.chance(0.25)) this.#submit(pay())
    this.payments += 1
    return true
  }

  #burn(): boolean {
    const { random, note, params } = this.#world
    const least = params.peg.minReleaseSats * 3n
    const picked = this.#pickCoin(least + 10_000n)
    if (picked === undefined) return false
    const { user, coin } = picked
    const l1Script = this.#freshScript()
    this.asked.add(bytesToHex(l1Script))
    const fee = BigInt(1_000 + random.below(5_000))
    const all = coin.value - fee
    const value = random.chance(0.3) ? all : least + BigInt(random.below(Number(all - least)))
    const change = all - value
    const outputs = [{ value: sats(value), script: withdrawScript(l1Script) }]
    if (change > 1_000n) outputs.push({ value: sats(change), script: user.script })
    note(`${user.name} burns ${value} for ${bytesToHex(l1Script).slice(0, 12)}`)
    this.#submit(user.spend([coin], outputs))
    // The same coin to a friend at the same time.
    if (random.chance(0.2)) {
      this.#submit(user.spend([coin], [{ value: sats(all), script: user.script }]))
    }
    return true
  }

  /** Every release of a run has an address of its own, of every type in turn. */
  #freshScript(): Uint8Array {
    this.#nextBurn += 1
    const digest = taggedHash('causeway/simulated-release', utf8(String(this.#nextBurn)))
    const hash = digest.subarray(0, 20)
    switch (this.#nextBurn % 5) {
      case 0:
        return p2pkhScript(hash)
      case 1:
        return p2shScript(hash)
      case 2:
        return p2wpkhScript(hash)
      case 3:
        return p2wshScript(digest)
      default:
        return p2trScript(hashToBytes(namedKey(`release ${this.#nextBurn}`)))
    }
  }

  #pickCoin(
    least: bigint,
  ): { readonly user: SimulatedWallet; readonly coin: WalletCoin } | undefined {
    const { canonical, random, time } = this.#world
    const mine = new Map(USERS.map((user) => [bytesToHex(user.script), user]))
    const isFree = (coin: CanonicalCoin): boolean =>
      coin.isOrdinary &&
      coin.value >= least &&
      mine.has(coin.script) &&
      time.nowMs - (this.#spentAtMs.get(outPointKey(coin.outPoint)) ?? -FORGET_MS) >= FORGET_MS
    const free = [...canonical.coins.values()].filter(isFree)
    if (free.length === 0) return undefined
    const coin = random.pick(free)
    this.#spentAtMs.set(outPointKey(coin.outPoint), time.nowMs)
    return { user: present(mine.get(coin.script), 'owner'), coin }
  }

  #submit(transaction: Transaction): void {
    this.#someNode()?.running?.node.submit(transaction)
  }

  #someNode(): WholeNode | undefined {
    const nodes = this.#world.nodes()
    return nodes.length === 0 ? undefined : this.#world.random.pick(nodes)
  }
}

async function addressFrom(
  node: WholeNode | undefined,
  user: SimulatedWallet,
): Promise<Uint8Array | undefined> {
  const answer = await unlessItsDiskFails(node?.running?.member?.desk.request(user.script))
  return answer?.ok === true ? answer.value.script : undefined
}

/** A node whose disk fails has no answer for its user. */
async function unlessItsDiskFails<T>(answer: Promise<T> | undefined): Promise<T | undefined> {
  try {
    return await answer
  } catch (cause) {
    if (cause instanceof StorageError) return undefined
    throw cause
  }
}
