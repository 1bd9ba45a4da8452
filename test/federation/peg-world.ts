/** A chain in memory, an embedded L1, and time that only moves when told: what the member's parts need. */

import { secp256k1 } from '@noble/curves/secp256k1.js'
import type { DepositBook } from '../../federation/deposits/deposit-book.ts'
import { openDepositBook } from '../../federation/deposits/deposit-book.ts'
import type { Registration, SeenDeposit } from '../../federation/deposits/deposit-records.ts'
import type { BitcoinL1 } from '../../federation/l1/bitcoin-l1.ts'
import { L1UnavailableError } from '../../federation/l1/l1-error.ts'
import { createRegtestL1 } from '../../federation/l1/regtest.ts'
import { RegtestChain } from '../../federation/l1/regtest-chain.ts'
import type { L1Health } from '../../federation/l1-view.ts'
import { deriveGroupKey, KeyShare } from '../../federation/signing/frost.ts'
import { encodeHeader } from '../../src/bitcoin/header.ts'
import { type Transaction, type TxOutput, transactionId } from '../../src/bitcoin/transaction.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import { getPegBooks } from '../../src/chain/peg/books.ts'
import { findClaimHeight } from '../../src/chain/peg/deposits.ts'
import { depositScriptOf, findKeyEpoch } from '../../src/chain/peg/key-epochs.ts'
import type { BlockHash, Txid } from '../../src/primitives/hashes.ts'
import type { KeyValueStore, Logger, Runtime } from '../../src/runtime/runtime.ts'
import { VirtualTime } from '../../src/simulator/virtual-time.ts'
import { openMemoryStore } from '../../src/storage/memory-store.ts'
import { aKeyEpoch, secretOf, TestChain, testParams } from '../support/chain-world.ts'
import { signSpend, WALLET_SCRIPT, type WalletCoin } from './l1/taproot-spender.ts'
import { seededRandom } from './signing/test-federation.ts'

/** Some time after regtest's genesis. */
const START_MS = 1_700_000_000_000

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly data: object
}

export class TestRuntime implements Runtime {
  readonly time = new VirtualTime()
  readonly lines: LogLine[] = []
  readonly clock = {
    nowMs: () => START_MS + this.time.nowMs,
    monotonicMs: () => this.time.nowMs,
  }
  readonly timers = {
    after: (delayMs: number, run: () => void) => {
      let isActive = true
      this.time.after(delayMs, () => {
        if (isActive) run()
      })
      return () => {
        isActive = false
      }
    },
  }
  readonly random = { bytes: seededRandom('runtime') }
  readonly log: Logger

  constructor() {
    const at = (level: string) => (data: object, message: string) => {
      this.lines.push({ level, message, data })
    }
    this.log = {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: () => this.log,
    }
  }

  advance(ms: number): void {
    this.time.runUntil(this.time.nowMs + ms)
  }
}

/** The embedded L1 with the failures that a member meets. */
export class MoodyL1 {
  readonly port: BitcoinL1
  isDown = false
  /** Bodies at or below this height are gone. */
  prunedTo = -1
  blocksRead = 0
  calls = 0
  /** Answers wait for it. */
  gate: Promise<void> | undefined

  constructor(chain: RegtestChain) {
    const real = createRegtestL1(chain)
    this.port = new Proxy(real, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return async (...parameters: unknown[]) => {
          this.calls += 1
          await this.gate
          if (this.isDown && name !== 'close') throw new L1UnavailableError('connection refused')
          if (name === 'block') {
            this.blocksRead += 1
            const height = chain.findBlock(parameters[0] as BlockHash)?.height ?? 0
            if (height <= this.prunedTo) return undefined
          }
          return Reflect.apply(value, target, parameters)
        }
      },
    })
  }
}

export function memberShare(member: number, world: PegWorld): KeyShare {
  const { Fn } = secp256k1.Point
  const { threshold, commitments } = world.epoch.announcement
  const coefficients = [
    world.epoch.groupSecret,
    ...Array.from({ length: threshold - 1 }, (_, i) => secretOf(`coefficient ${i}`)),
  ].map((bytes) => Fn.fromBytes(bytes))
  const x = BigInt(member + 1)
  let value = 0n
  for (const coefficient of coefficients.toReversed()) value = Fn.create(value * x + coefficient)
  const group = deriveGroupKey(commitments, world.params.validators.length)
  return new KeyShare({ epoch: 0, attempt: 1, member, group, secret: Fn.toBytes(value) })
}

export class PegWorld {
  readonly runtime = new TestRuntime()
  readonly params = testParams()
  readonly epoch = aKeyEpoch(this.params)
  readonly chain = new TestChain(this.params)
  readonly l1Chain = new RegtestChain({ clock: this.runtime.clock })
  readonly l1 = new MoodyL1(this.l1Chain)
  readonly store: KeyValueStore = openMemoryStore()
  readonly #coins: WalletCoin[] = []
  #nextCoinbase = 1

  /** An open peg over an L1 whose first rewards can be spent. */
  static async open(): Promise<PegWorld> {
    const world = await PegWorld.closed()
    world.extendWith({ keyEpochs: [world.epoch.announcement] })
    return world
  }

  static async closed(): Promise<PegWorld> {
    const world = new PegWorld()
    await world.mine(110)
    return world
  }

  mine(count = 1): Promise<readonly BlockHash[]> {
    return this.l1Chain.mine(count, WALLET_SCRIPT)
  }

  get l1Tip(): { readonly height: number; readonly hash: BlockHash } {
    const { height, hash } = this.l1Chain.tip()
    return { height, hash }
  }

  health(): L1Health {
    return this.l1.isDown ? { state: 'down', message: 'down' } : { state: 'ok', ...this.l1Tip }
  }

  #coin(): WalletCoin {
    const left = this.#coins.pop()
    if (left !== undefined) return left
    const [coinbase] = this.l1Chain.blockAt(this.#nextCoinbase++)!.block.transactions
    return {
      outPoint: { txid: transactionId(coinbase!), vout: 0 },
      value: coinbase!.outputs[0]!.value,
    }
  }

  /** A signed payment on L1, not yet sent. */
  payment(outputs: readonly { value: bigint; script: Uint8Array }[], fee = 100_000n): Transaction {
    const coin = this.#coin()
    const paid = outputs.reduce((sum, { value }) => sum + value, 0n)
    const change = { value: coin.value - paid - fee, script: WALLET_SCRIPT }
    return signSpend({ coins: [coin], outputs: [...outputs, change] }).transaction
  }

  send(transaction: Transaction): Txid {
    const added = this.l1Chain.mempool.add(transaction)
    if (!added.ok) throw new TypeError(added.error.code)
    return transactionId(transaction)
  }

  /** Pays on L1 and mines it. */
  async pay(...outputs: { value: bigint; script: Uint8Array }[]): Promise<Txid> {
    const txid = this.send(this.payment(outputs))
    await this.mine()
    return txid
  }

  registration(recipient: Uint8Array): Registration {
    const script = depositScriptOf(this.params, this.epoch.announcement, recipient)
    return { keyEpoch: 0, recipient, script }
  }

  openBook(): Promise<DepositBook> {
    return openDepositBook(this.store, {
      isMinted: (outPoint) => findClaimHeight(this.chain.state.view, outPoint) !== undefined,
      minDepositSats: this.params.peg.minDepositSats,
    })
  }

  /** Headers that this L1 has buried, as a proposer may bring them. */
  headers(): Uint8Array[] {
    const { l1Height } = getPegBooks(this.chain.state.view)
    const last = this.l1Tip.height - this.params.peg.l1Depth
    const headers: Uint8Array[] = []
    for (let height = l1Height + 1; height <= last; height++) {
      headers.push(encodeHeader(this.l1Chain.blockAt(height)!.block.header))
    }
    return headers
  }

  extendWith(section: Partial<typeof EMPTY_L1_SECTION>, transactions: readonly Transaction[] = []) {
    const l1Section = { ...EMPTY_L1_SECTION, headers: this.headers(), ...section }
    return this.chain.extend({ l1Section, transactions })
  }

  isOpen(): boolean {
    return findKeyEpoch(this.chain.state.view, 0) !== undefined
  }
}

/** One output's worth of a deposit, as a watcher would have seen it. */
export function seen(
  registration: Registration,
  place: { txid: Txid; vout?: number; value: bigint; l1Height: number; position?: number },
): SeenDeposit {
  const output = { value: place.value } as TxOutput
  return {
    ...registration,
    outPoint: { txid: place.txid, vout: place.vout ?? 0 },
    value: output.value,
    l1Height: place.l1Height,
    position: place.position ?? 1,
  }
}

/** Lets promises and the disk go on until something holds. */
export async function until(
  holds: () => boolean,
  step: () => void = () => undefined,
): Promise<void> {
  for (let turn = 0; turn < 200_000; turn++) {
    if (holds()) return
    step()
    await new Promise((resolve) => setImmediate(resolve))
  }
  throw new TypeError('it never came about')
}
