import { beforeEach, describe, expect, it } from 'vitest'
import { p2trScript, withdrawScript } from '../../src/bitcoin/script.ts'
import { taprootSighash } from '../../src/bitcoin/sighash.ts'
import {
  NULL_OUTPOINT,
  type Transaction,
  transactionId,
  transactionVsize,
  transactionWeight,
} from '../../src/bitcoin/transaction.ts'
import { createMempool, type Mempool } from '../../src/mempool/mempool.ts'
import { EXPIRY_MS } from '../../src/mempool/policy.ts'
import { hash32FromBytes, hashToBytes, toTxid } from '../../src/primitives/hashes.ts'
import { ok, reject } from '../../src/primitives/result.ts'
import { signSchnorr, xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import {
  anchor,
  COIN_SATS,
  codeOf,
  outputOf,
  padding,
  refusalOf,
  spend,
  transactionOf,
  World,
  withWitness,
} from './coins.ts'

let world: World
let pool: Mempool

beforeEach(() => {
  world = new World()
  pool = createMempool()
})

const admit = (transaction: Transaction): string => codeOf(pool.admit(transaction, world.at))

const refusal = (transaction: Transaction): unknown => refusalOf(pool.admit(transaction, world.at))

const anchorHash = hash32FromBytes(sha256(anchor(1).script))

describe('admission', () => {
  it('takes a valid transaction and describes it', () => {
    const transaction = spend([world.coin()], 500)
    const result = pool.admit(transaction, world.at)
    expect(result).toMatchObject({
      ok: true,
      value: {
        txid: transactionId(transaction),
        fee: 500n,
        vsize: transactionVsize(transaction),
        weight: transactionWeight(transaction),
        sigops: 0,
        addedMs: world.nowMs,
      },
    })
    expect(pool.has(transactionId(transaction))).toBe(true)
    expect(pool.ids()).toEqual([transactionId(transaction)])
    expect(pool.stats(world.nowMs)).toMatchObject({
      count: 1,
      totalFee: 500n,
      vsize: transactionVsize(transaction),
      minFeeSatsPerKvb: 1_000,
    })
  })

  it('refuses a transaction that it has', () => {
    const transaction = spend([world.coin()], 500)
    admit(transaction)
    expect(refusal(transaction)).toEqual(['txn-already-in-mempool', 'policy'])
  })

  it('refuses a transaction that it has with another witness', () => {
    const transaction = spend([world.coin()], 500)
    admit(transaction)
    expect(refusal(withWitness(transaction, [new Uint8Array(1)]))).toEqual([
      'txn-same-nonwitness-data-in-mempool',
      'policy',
    ])
  })

  it('knows a transaction that is in the chain', () => {
    const transaction = spend([world.coin()], 500)
    world.confirm(transaction)
    expect(refusal(transaction)).toEqual(['txn-already-known', 'policy'])
  })

  it('asks for inputs that it does not know', () => {
    const unknown = { txid: toTxid('99'.repeat(32)), vout: 0 }
    expect(refusal(spend([unknown], 500))).toEqual(['bad-txns-inputs-missingorspent', 'missing'])
    const parent = spend([world.coin()], 500)
    admit(parent)
    expect(admit(spend([outputOf(parent, 7)], 500))).toBe('bad-txns-inputs-missingorspent')
  })

  it('refuses coinbases and malformed transactions as invalid', () => {
    expect(refusal(spend([NULL_OUTPOINT], 0))).toEqual(['coinbase', 'invalid'])
    expect(refusal(transactionOf([], [anchor(1_000)]))).toEqual(['bad-txns-vin-empty', 'invalid'])
    expect(refusal(transactionOf([world.coin()], []))).toEqual(['bad-txns-vout-empty', 'invalid'])
  })

  it('refuses a transaction that creates money', () => {
    const transaction = transactionOf([world.coin()], [anchor(COIN_SATS + 1), padding(1)])
    expect(refusal(transaction)).toEqual(['bad-txns-in-belowout', 'invalid'])
  })

  it('takes exactly the minimum fee and not a satoshi less', () => {
    const vsize = transactionVsize(spend([world.coin()], 500))
    expect(refusal(spend([world.coin()], vsize - 1))).toEqual(['min relay fee not met', 'policy'])
    expect(admit(spend([world.coin()], vsize))).toBe('ok')
  })

  it.each([
    ['p2a', anchor(1).script, 240],
    ['p2tr', p2trScript(hashToBytes(xOnlyPublicKey(new Uint8Array(32).fill(1)))), 330],
  ])('refuses dust in a %s output, to the satoshi', (_kind, script, limit) => {
    const paying = (value: number): Transaction =>
      transactionOf([world.coin()], [anchor(50_000), { value: sats(value), script }])
    expect(refusal(paying(limit - 1))).toEqual(['dust', 'policy'])
    expect(admit(paying(limit))).toBe('ok')
  })

  it('refuses long data outputs', () => {
    const long = transactionOf([world.coin()], [anchor(50_000), padding(84)])
    expect(refusal(long)).toEqual(['scriptpubkey', 'policy'])
    expect(admit(transactionOf([world.coin()], [anchor(50_000), padding(83)]))).toBe('ok')
  })

  it('refuses a transaction above the standard weight', () => {
    const outputs = Array.from({ length: 2_000 }, () => padding(83))
    const large = transactionOf([world.coin()], [anchor(1_000), ...outputs])
    expect(transactionWeight(large)).toBeGreaterThan(400_000)
    expect(refusal(large)).toEqual(['tx-size', 'policy'])
  })

  it('refuses lock times that have not come', () => {
    const locked = (lockTime: number): Transaction =>
      transactionOf([world.coin()], [anchor(50_000), padding(1)], { lockTime })
    expect(refusal(locked(world.height))).toEqual(['non-final', 'premature'])
    expect(admit(locked(world.height - 1))).toBe('ok')
    expect(refusal(locked(world.medianTimePast))).toEqual(['non-final', 'premature'])
    expect(admit(locked(world.medianTimePast - 1))).toBe('ok')
  })

  it('counts an unconfirmed coin as one of the next block for relative locks', () => {
    const parent = spend([world.coin()], 500)
    admit(parent)
    const child = (sequence: number): Transaction =>
      transactionOf([outputOf(parent)], [anchor(50_000), padding(1)], { sequence })
    expect(refusal(child(1))).toEqual(['non-BIP68-final', 'premature'])
    expect(refusal(child(0x0040_0001))).toEqual(['non-BIP68-final', 'premature'])
    expect(admit(child(0))).toBe('ok')
  })

  it('never takes a burn or data output of the pool for a coin', () => {
    const burn = withdrawScript(p2trScript(new Uint8Array(32).fill(2)))
    const parent = transactionOf(
      [world.coin()],
      [anchor(1_000), { value: sats(50_000), script: burn }, padding(10)],
    )
    expect(admit(parent)).toBe('ok')
    expect(admit(spend([outputOf(parent, 1)], 500, 50_000))).toBe('bad-txns-inputs-missingorspent')
    expect(admit(spend([outputOf(parent, 2)], 500, 50_000))).toBe('bad-txns-inputs-missingorspent')
  })

  it('asks the chain for its further rules', () => {
    pool = createMempool({
      checkRules: (transaction) =>
        transaction.lockTime === 7 ? reject('burn-below-minimum') : ok(undefined),
    })
    const transaction = transactionOf([world.coin()], [anchor(50_000), padding(1)], { lockTime: 7 })
    expect(refusal(transaction)).toEqual(['burn-below-minimum', 'invalid'])
    expect(admit(spend([world.coin()], 500))).toBe('ok')
  })

  it('charges for signature operations as for weight', () => {
    // A script of 15 CHECKMULTISIGs that is never run: 300 signature operations in 400 weight units.
    const script = Uint8Array.of(0x00, 0x63, ...Array.from({ length: 15 }, () => 0xae), 0x68, 0x51)
    const output = { value: sats(COIN_SATS), script: Uint8Array.of(0, 32, ...sha256(script)) }
    const spending = (fee: number): Transaction =>
      withWitness(spend([world.coin(output)], fee), [script])
    const charged = (300 * 50) / 4
    expect(transactionVsize(spending(0))).toBeLessThan(200)
    expect(refusal(spending(charged - 1))).toEqual(['min relay fee not met', 'policy'])
    expect(admit(spending(charged))).toBe('ok')
  })

  it('checks signatures, and what they cover', () => {
    const secret = new Uint8Array(32).fill(5)
    const script = p2trScript(hashToBytes(xOnlyPublicKey(secret)))
    const coin = world.coin({ value: sats(COIN_SATS), script })
    const unsigned = spend([coin], 500)
    const sighash = taprootSighash(unsigned, 0, [{ value: sats(COIN_SATS), script }], 0)!
    const signature = signSchnorr(sighash, secret, new Uint8Array(32))
    const altered = { ...unsigned, outputs: [anchor(COIN_SATS - 501), padding(1)] }
    expect(refusal(withWitness(altered, [signature]))).toEqual([
      'mandatory-script-verify-flag-failed (SCHNORR_SIG)',
      'invalid',
    ])
    expect(admit(withWitness(unsigned, [signature]))).toBe('ok')
  })

  it('says in a dry run what it would say, and changes nothing', () => {
    const coin = world.coin()
    const first = spend([coin], 500)
    const better = spend([coin], 5_000)
    expect(pool.dryRun([first], world.at)).toMatchObject({
      members: [{ kind: 'accepted', entry: { fee: 500n } }],
    })
    expect(pool.has(transactionId(first))).toBe(false)
    admit(first)
    expect(pool.dryRun([better], world.at).members).toMatchObject([{ kind: 'accepted' }])
    expect(pool.ids()).toEqual([transactionId(first)])
    expect(pool.dryRun([first], world.at)).toMatchObject({
      members: [{ kind: 'refused', error: { code: 'txn-already-in-mempool' } }],
    })
  })
})

describe('upkeep', () => {
  it('lets go of what a block confirms and keeps what builds on it', () => {
    const parent = spend([world.coin()], 500)
    const child = spend([outputOf(parent)], 500, COIN_SATS - 500)
    admit(parent)
    admit(child)
    const removed = pool.removeForBlock([parent])
    world.confirm(parent)
    expect(removed.confirmed.map(({ txid }) => txid)).toEqual([transactionId(parent)])
    expect(removed.conflicted).toEqual([])
    expect(pool.ids()).toEqual([transactionId(child)])
    expect(pool.ancestors(transactionId(child))).toEqual([])
    expect(admit(spend([outputOf(child)], 500, COIN_SATS - 1_000))).toBe('ok')
  })

  it('drops what conflicts with a block, with its descendants', () => {
    const coin = world.coin()
    const loser = spend([coin], 500)
    const child = spend([outputOf(loser)], 500, COIN_SATS - 500)
    const bystander = spend([world.coin()], 500)
    for (const transaction of [loser, child, bystander]) admit(transaction)
    const removed = pool.removeForBlock([spend([coin], 600)])
    expect(removed.confirmed).toEqual([])
    expect(removed.conflicted.map(({ txid }) => txid)).toEqual([loser, child].map(transactionId))
    expect(pool.ids()).toEqual([transactionId(bystander)])
  })

  it('drops what has waited for two weeks, with its descendants', () => {
    const parent = spend([world.coin()], 500)
    admit(parent)
    world.nowMs += EXPIRY_MS - 1
    admit(spend([outputOf(parent)], 500, COIN_SATS - 500))
    const fresh = spend([world.coin()], 500)
    admit(fresh)
    expect(pool.expire(world.nowMs)).toEqual([])
    expect(pool.expire(world.nowMs + 1)).toHaveLength(2)
    expect(pool.ids()).toEqual([transactionId(fresh)])
  })

  it('drops on request, with descendants', () => {
    const parent = spend([world.coin()], 500)
    admit(parent)
    admit(spend([outputOf(parent)], 500, COIN_SATS - 500))
    expect(pool.remove(transactionId(parent))).toHaveLength(2)
    expect(pool.remove(transactionId(parent))).toEqual([])
    expect(pool.stats(world.nowMs)).toMatchObject({
      count: 0,
      vsize: 0,
      totalFee: 0n,
      memoryBytes: 0,
    })
  })
})

describe('queries', () => {
  it('finds transactions by the scripts that they pay and spend from', () => {
    const script = p2trScript(hashToBytes(xOnlyPublicKey(new Uint8Array(32).fill(3))))
    const hash = hash32FromBytes(sha256(script))
    const paying = transactionOf([world.coin()], [{ value: sats(50_000), script }])
    const other = spend([world.coin()], 500)
    admit(paying)
    admit(other)
    expect(pool.byScript(hash).map(({ txid }) => txid)).toEqual([transactionId(paying)])
    expect(pool.byScript(anchorHash)).toHaveLength(2)
    pool.removeForBlock([paying, other])
    expect(pool.byScript(hash)).toEqual([])
  })

  it('shows coins as they are when the pool is confirmed', () => {
    const coin = world.coin()
    const untouched = world.coin()
    const parent = transactionOf([coin], [anchor(50_000), anchor(40_000)])
    const child = spend([outputOf(parent)], 500, 50_000)
    admit(parent)
    admit(child)
    const { coins, context } = world.at
    const view = pool.coinsWith(coins, context)
    expect(view.findCoin(coin)).toBeUndefined()
    expect(view.findCoin(outputOf(parent, 0))).toBeUndefined()
    expect(view.findCoin(outputOf(parent, 1))).toMatchObject({ value: 40_000n, height: 100 })
    expect(view.findCoin(outputOf(child))).toMatchObject({ value: 49_500n })
    expect(view.findCoin(untouched)).toEqual(coins.findCoin(untouched))
  })
})
