import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { authoriseBatch } from '../../../federation/releases/batch-authorisation.ts'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../../src/bitcoin/address.ts'
import { p2pkhScript, p2shScript, p2trScript, p2wpkhScript } from '../../../src/bitcoin/script.ts'
import { encodeTransaction, transactionId } from '../../../src/bitcoin/transaction.ts'
import type { ChainParams } from '../../../src/chain/params.ts'
import { BATCH_INPUTS_MAX, withSignatures } from '../../../src/chain/peg/batch-transaction.ts'
import { type Batch, currentVersion, findBatch } from '../../../src/chain/peg/batches.ts'
import { adjustTotals, putPegBooks } from '../../../src/chain/peg/books.ts'
import { CHANGE_RECIPIENT } from '../../../src/chain/peg/deposit-address.ts'
import { GROUP_ORDER } from '../../../src/chain/peg/key-tweak.ts'
import { putReserve } from '../../../src/chain/peg/reserves.ts'
import { bytesToHex, concatBytes, hexToBytes } from '../../../src/primitives/bytes.ts'
import { signSchnorr, xOnlyPublicKey } from '../../../src/primitives/secp256k1.ts'
import { sats } from '../../../src/primitives/units.ts'
import { PegModel, QUIET } from '../../chain/peg/peg-model.ts'
import { bitcoindPath, type RunningBitcoind, startBitcoind } from '../../support/bitcoind.ts'
import { aKeyEpoch, secretOf, testParams } from '../../support/chain-world.ts'
import { signSpend, WALLET_SCRIPT, type WalletCoin } from '../l1/taproot-spender.ts'

const base = testParams()
const params: ChainParams = {
  ...base,
  peg: { ...base.peg, bumpAfterL1Blocks: 2, reserveCoinsMax: 5, feeRateCeiling: 1_000_000 },
}
const wallet = encodeAddress(WALLET_SCRIPT, L1_ADDRESS_NETWORKS.regtest)!
const TARGETS = [
  p2pkhScript(new Uint8Array(20).fill(1)),
  p2shScript(new Uint8Array(20).fill(2)),
  p2wpkhScript(new Uint8Array(20).fill(3)),
  concatBytes(Uint8Array.of(0, 32), new Uint8Array(32).fill(4)),
  p2trScript(hexToBytes(xOnlyPublicKey(secretOf('L1 user')))),
]

/** The whole group key signs alone: what the members' shares add up to. */
function signed(model: PegModel, batch: Batch): string {
  const { groupSecret } = aKeyEpoch(params)
  const secret = BigInt(`0x${bytesToHex(groupSecret)}`)
  const { inputs } = authoriseBatch(model.state, params, batch, batch.keyEpoch)!
  const signatures = inputs.map(({ sighash, tweak }) => {
    const tweaked = (BigInt(tweak.sign) * secret + tweak.offset) % GROUP_ORDER
    const positive = tweaked < 0n ? tweaked + GROUP_ORDER : tweaked
    const key = hexToBytes(positive.toString(16).padStart(64, '0'))
    return signSchnorr(sighash, key, new Uint8Array(32))
  })
  return bytesToHex(
    encodeTransaction(withSignatures(currentVersion(batch).transaction, signatures)),
  )
}

describe.skipIf(bitcoindPath === undefined)('a default bitcoind', () => {
  let daemon: RunningBitcoind
  let model: PegModel
  let coins: WalletCoin[]

  const call = (method: string, ...parameters: unknown[]) => daemon.rpc.call(method, parameters)
  const mempool = async () => call('getrawmempool')
  const accepted = async (hex: string) => {
    const [answer] = (await call('testmempoolaccept', [hex])) as { allowed: boolean }[]
    return answer
  }

  beforeAll(async () => {
    daemon = await startBitcoind()
    await call('generatetoaddress', 110, wallet)
    coins = []
    for (let height = 1; height <= 8; height++) {
      const hash = await call('getblockhash', height)
      const { tx } = (await call('getblock', hash)) as { tx: string[] }
      coins.push({ outPoint: { txid: tx[0], vout: 0 }, value: 5_000_000_000n } as WalletCoin)
    }
  })
  afterAll(async () => daemon.stop())
  beforeEach(() => {
    model = new PegModel(params)
  })

  /** Reserve coins that L1 really has, and the books that go with them. */
  async function fund(values: readonly bigint[], feeReserve: bigint): Promise<void> {
    const script = model.changeScript(0)
    const spend = signSpend({
      coins: [coins.pop()!],
      outputs: values.map((value) => ({ value, script })),
    })
    await call('sendrawtransaction', bytesToHex(spend.raw), 0)
    await call('generatetoaddress', 1, wallet)
    let reserves = 0n
    for (const [vout, value] of values.entries()) {
      reserves += value
      putReserve(model.state, {
        outPoint: { txid: spend.txid, vout },
        value: sats(value),
        script,
        keyEpoch: 0,
        recipient: CHANGE_RECIPIENT,
        l1Height: 0,
        batchId: undefined,
      })
    }
    const change = { reserves, feeReserve, supply: reserves - feeReserve }
    const { totals } = model.books
    putPegBooks(model.state, { ...model.books, totals: adjustTotals(totals, change) })
  }

  it('takes a batch that pays every form of output, and its replacement', async () => {
    await fund([4_000_000n, 3_000_000n], 1_000_000n)
    const burns = TARGETS.map((l1Script) => ({ value: 700_000n, l1Script }))
    model.block({ ...QUIET, burns })
    model.block(QUIET)
    expect(currentVersion(findBatch(model.state, 0)!).transaction.outputs).toHaveLength(6)
    const first = signed(model, findBatch(model.state, 0)!)
    expect(await accepted(first)).toMatchObject({ allowed: true })
    await call('sendrawtransaction', first)
    // A slow rise: the least that a replacement may pay.
    for (const feeRate of [1_100, 9_000, 400_000]) {
      model.block({ ...QUIET, l1Blocks: 2, feeRate })
      const batch = findBatch(model.state, 0)!
      const replacement = signed(model, batch)
      expect(await accepted(replacement)).toMatchObject({ allowed: true })
      await call('sendrawtransaction', replacement)
      expect(await mempool()).toEqual([transactionId(currentVersion(batch).transaction)])
    }
    expect(findBatch(model.state, 0)?.versions).toHaveLength(4)
    await call('generatetoaddress', 1, wallet)
  })

  it('takes as many inputs and releases as one batch may have', async () => {
    await fund(
      Array.from({ length: 110 }, () => 100_000n),
      100_000n,
    )
    const burns = Array.from({ length: 100 }, (_, i) => ({
      value: 98_000n,
      l1Script: TARGETS[i % TARGETS.length]!,
    }))
    model.block({ ...QUIET, burns })
    const batch = model.open().find(({ kind }) => kind === 'payment')!
    const { transaction } = currentVersion(batch)
    expect(transaction.inputs.length).toBeGreaterThan(95)
    expect(transaction.inputs.length).toBeLessThanOrEqual(BATCH_INPUTS_MAX)
    expect(batch.releaseIds).toHaveLength(100)
    expect(await accepted(signed(model, batch))).toMatchObject({ allowed: true })
  })

  it('takes consolidations and sweeps', async () => {
    await fund(
      Array.from({ length: 20 }, () => 20_000n),
      50_000n,
    )
    model.block({ ...QUIET, l1Blocks: 1 })
    const [consolidation] = model.open()
    expect(consolidation).toMatchObject({ kind: 'upkeep', changeKeyEpoch: 0 })
    const hex = signed(model, consolidation!)
    expect(await accepted(hex)).toMatchObject({ allowed: true })
    await call('sendrawtransaction', hex)
    await call('generatetoaddress', 1, wallet)
    model.block({ ...QUIET, onL1: [currentVersion(consolidation!).transaction] })

    model.nextEpoch()
    model.block({ ...QUIET, l1Blocks: 1 })
    const sweep = model.open().at(-1)
    expect(sweep).toMatchObject({ kind: 'upkeep', keyEpoch: 0, changeKeyEpoch: 1 })
    expect(await accepted(signed(model, sweep!))).toMatchObject({ allowed: true })
  })
})
