/**
 * Payments one after the other in several lanes, each spending the one before, through any validator
 * that takes them. What a validator has once reported as final is remembered, to be looked for later.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import { z } from 'zod'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { p2trScript } from '../../src/bitcoin/script.ts'
import { taprootSighash } from '../../src/bitcoin/sighash.ts'
import {
  encodeTransaction,
  type OutPoint,
  type Transaction,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import type { Validator } from '../../src/cli/devnet/devnet.ts'
import { present } from '../../src/primitives/assert.ts'
import { bytesToHex, utf8 } from '../../src/primitives/bytes.ts'
import { hashToBytes, type Txid } from '../../src/primitives/hashes.ts'
import { signSchnorr, xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { type Sats, sats } from '../../src/primitives/units.ts'
import type { SeededRandom } from '../../src/simulator/seeded-random.ts'
import { eventually } from './devnet.ts'
import { depositWhen, isMinted, l1ScriptOf } from './devnet-checks.ts'
import type { Fleet } from './fleet.ts'

export interface FinalPayment {
  readonly txid: Txid
  readonly height: number
  readonly blockHash: string
}

export interface PaymentLoad {
  /** Everything that some validator has reported as final, in that order. */
  readonly final: readonly FinalPayment[]
  /** Lanes go on until `stop`. */
  start(): void
  /** Resolves when every lane's last payment is final. */
  stop(): Promise<void>
  /** One payment in the first lane, which must not be running: resolves when it is final. */
  pay(validator?: Validator): Promise<FinalPayment>
  /** The next payment of a lane, sent to this validator; it is made final later by `pay` or `start`. */
  submit(lane: number, validator: Validator): Promise<Txid>
}

export interface LoadOptions {
  readonly lanes: number
  readonly random: SeededRandom
  /** Between two looks at a payment. @default 100 */
  readonly pollMs?: number
}

const DEPOSIT = sats(100_000_000)
const FEE_SATS = 300n
const SECRET = sha256(utf8('payment load'))
const SCRIPT = p2trScript(hashToBytes(xOnlyPublicKey(SECRET)))
const AUXILIARY = new Uint8Array(32)
/** A payment that is not final by then is sent again, perhaps to another validator. */
const RESUBMIT_MS = 2_000

interface Coin {
  readonly outPoint: OutPoint
  readonly value: Sats
}

/** Brings in a deposit and divides it among the lanes. */
export async function createPaymentLoad(fleet: Fleet, options: LoadOptions): Promise<PaymentLoad> {
  const { lanes: count, random, pollMs = 100 } = options
  const first = fleet.validator(0)
  const share = sats(DEPOSIT / BigInt(count) - FEE_SATS)
  const fanOut = spend(
    await deposit(fleet, first),
    Array.from({ length: count }, () => share),
  )
  const final: FinalPayment[] = []
  await makeFinal(fanOut, () => first)
  const id = transactionId(fanOut)
  const lanes: Coin[] = Array.from({ length: count }, (_, vout) => ({
    outPoint: { txid: id, vout },
    value: share,
  }))
  let running: readonly Promise<void>[] = []
  let isStopping = false

  function nextOf(lane: number): Transaction {
    const coin = present(lanes[lane], 'lane')
    return spend(coin, [sats(coin.value - FEE_SATS)])
  }

  async function advance(lane: number, choose: () => Validator): Promise<FinalPayment> {
    const payment = nextOf(lane)
    const done = await makeFinal(payment, choose)
    const value = present(payment.outputs[0], 'output').value
    lanes[lane] = { outPoint: { txid: done.txid, vout: 0 }, value }
    final.push(done)
    return done
  }

  async function makeFinal(payment: Transaction, choose: () => Validator): Promise<FinalPayment> {
    const txid = transactionId(payment)
    return await eventually(`${txid} to be final`, async () => {
      const validator = choose()
      // Refused when it is final or known already, or when this one is dead or behind.
      await submitTo(validator, payment).catch(() => undefined)
      const deadline = performance.now() + RESUBMIT_MS
      while (performance.now() < deadline) {
        const { status } = await validator.client.transaction(txid)
        const { block_height: height, block_hash: blockHash } = status
        if (typeof height === 'number' && typeof blockHash === 'string')
          return { txid, height, blockHash }
        await delay(pollMs)
      }
      return undefined
    })
  }

  return {
    final,
    start() {
      isStopping = false
      running = lanes.map(async (_, lane) => {
        while (!isStopping) await advance(lane, () => random.pick(fleet.validators))
      })
      // Whoever stops the load hears of a failure.
      for (const lane of running) lane.catch(() => undefined)
    },
    async stop() {
      isStopping = true
      await Promise.all(running)
    },
    pay: (validator) => advance(0, () => validator ?? random.pick(fleet.validators)),
    submit: (lane, validator) => submitTo(validator, nextOf(lane)),
  }
}

async function deposit(fleet: Fleet, validator: Validator): Promise<Coin> {
  const recipient = present(encodeAddress(SCRIPT, L1_ADDRESS_NETWORKS.regtest), 'address')
  const { address } = await validator.client.depositAddress(recipient)
  await fleet.faucet.pay(l1ScriptOf(address), DEPOSIT)
  await fleet.faucet.mine(4)
  await depositWhen(validator, recipient, isMinted)
  const answer = await fetch(`${validator.apiUrl}/api/address/${recipient}/utxo`)
  const [coin] = z
    .array(z.object({ txid: z.string(), vout: z.number(), value: z.number() }).loose())
    .parse(await answer.json())
  const { txid, vout, value } = present(coin, 'minted coin')
  return { outPoint: { txid: txid as Txid, vout }, value: sats(value) }
}

function spend(coin: Coin, values: readonly Sats[]): Transaction {
  const input = {
    prevout: coin.outPoint,
    scriptSig: new Uint8Array(),
    sequence: 0xffff_fffd,
    witness: [],
  }
  const outputs = values.map((value) => ({ value, script: SCRIPT }))
  const unsigned: Transaction = { version: 2, inputs: [input], outputs, lockTime: 0 }
  const spent = [{ value: coin.value, script: SCRIPT }]
  const digest = present(taprootSighash(unsigned, 0, spent, 0), 'digest')
  const witness = [signSchnorr(digest, SECRET, AUXILIARY)]
  return { ...unsigned, inputs: [{ ...input, witness }] }
}

async function submitTo({ apiUrl }: Validator, payment: Transaction): Promise<Txid> {
  const answer = await fetch(`${apiUrl}/api/tx`, {
    method: 'POST',
    body: bytesToHex(encodeTransaction(payment)),
    signal: AbortSignal.timeout(5_000),
  })
  expect(answer.ok, await answer.text()).toBe(true)
  return transactionId(payment)
}

/** Every validator has each of these payments in the block that somebody reported it in. */
export async function expectAllKept(
  validators: readonly Validator[],
  payments: readonly FinalPayment[],
): Promise<void> {
  for (const { client, index } of validators) {
    for (const { txid, height, blockHash } of payments) {
      const { status } = await client.transaction(txid)
      expect(status, `${txid} at validator ${index}`).toMatchObject({
        confirmed: true,
        block_height: height,
        block_hash: blockHash,
      })
    }
  }
}
