/**
 * Other people's clients, unmodified, against one running devnet. It is told in order: each part goes
 * on with the chain that the parts before it left.
 */

import { EsploraExplorer } from '@bitcoinerlab/explorer'
import { Txid } from '@metamask/bitcoindevkit'
import { Transaction } from 'bitcoinjs-lib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { p2trScript, p2wpkhScript, withdrawScript } from '../../src/bitcoin/script.ts'
import { until } from '../../src/cli/devnet/until.ts'
import { present } from '../../src/primitives/assert.ts'
import { bytesToHex, reverseBytes, utf8 } from '../../src/primitives/bytes.ts'
import { hash160, sha256 } from '../../src/primitives/sha256.ts'
import { type AcceptanceNet, bringIn, startAcceptanceNet, validatorOf } from './acceptance-net.ts'
import { BdkClient, bdkEsplora } from './bdk-client.ts'
import { type BlockJson, verifyBlock, verifyTransaction } from './bitcoinjs-blocks.ts'
import { BITCOINJS, bitcoinjsKeyHash, bitcoinjsScript } from './bitcoinjs-client.ts'
import { PATIENCE_MS, TEST_TIMEOUT_MS, type UtxoJson } from './esplora-http.ts'
import { testLibrary } from './library-tests.ts'
import { SCURE } from './scure-client.ts'
import { REPLACEABLE, testSecret } from './spend-kind.ts'

const TREASURY_VALUE = 300_000_000n
const BDK_VALUE = 70_000_000n
const VALUE = 100_000n
const FEE = 1_000n

const BDK_SEED = testSecret(0xbd)
const bdk = new BdkClient(BDK_SEED)

let running: AcceptanceNet | undefined
const net = (): AcceptanceNet => present(running, 'devnet')

beforeAll(async () => {
  running = await startAcceptanceNet()
  const { treasury } = running
  const [first] = await bringIn(running, [
    { address: treasury.address, value: TREASURY_VALUE },
    { address: bdk.newAddress(), value: BDK_VALUE },
  ])
  treasury.receive(present(first, 'minted coin'))
}, TEST_TIMEOUT_MS)

let failed = false
afterEach(({ task }) => {
  failed ||= task.result?.state === 'fail'
})

// What failed is left for whoever looks into it.
afterAll(async () => running?.stop({ keepFolder: failed }), TEST_TIMEOUT_MS)

describe.each([BITCOINJS, SCURE])('$name', (library) => testLibrary(net, library))

describe('a withdraw address', () => {
  it(
    'is paid by bitcoinjs-lib like any other address, and the release is in the queue',
    async () => {
      const { api, devnet, treasury } = net()
      const { client } = validatorOf(devnet, 1)
      for (const l1Script of [
        p2wpkhScript(hash160(utf8('payee'))),
        p2trScript(sha256(utf8('x'))),
      ]) {
        const l1Address = l1AddressOf(l1Script)
        const { withdrawAddress } = await client.withdrawAddress(l1Address)
        const script = bitcoinjsScript(withdrawAddress)
        expect(script).toEqual(withdrawScript(l1Script))
        const { txid, vout } = await treasury.payOne(script, VALUE)
        const { vout: outputs } = await api.transaction(txid)
        expect(outputs[vout]).toMatchObject({
          scriptpubkey_address: withdrawAddress,
          pegout: { scriptpubkey_address: l1Address },
        })
        const release = await until(() => client.release(`${txid}:${vout}`), {
          timeoutMs: PATIENCE_MS,
          what: 'the release',
        })
        expect(release).toMatchObject({ l1Address, valueSats: VALUE })
      }
    },
    TEST_TIMEOUT_MS,
  )
})

function l1AddressOf(script: Uint8Array): string {
  return present(encodeAddress(script, L1_ADDRESS_NETWORKS.regtest), 'address')
}

describe('BDK', () => {
  it(
    'finds a mint, spends it and knows what is left',
    async () => {
      const { api, treasury } = net()
      await bdk.fullScan(api.url)
      const tip = bdk.wallet.latest_checkpoint
      expect(tip.hash).toBe(await api.text(`/block-height/${tip.height}`))
      expect(bdk.balance()).toEqual({ confirmed: BDK_VALUE, immature: 0n, pending: 0n })

      const [mint] = bdk.wallet.transactions()
      const mintJson = await api.transaction(present(mint, 'mint').txid.toString())
      // One for every deposit that a block brings in.
      expect(mintJson.vin.filter((input) => input.is_pegin !== true)).toEqual([])
      expect(mintJson.fee).toBe(0)

      const amount = 20_000_000n
      const { txid, fee } = await bdk.pay(api.url, treasury.address, amount)
      await api.whenFinal(txid)
      await bdk.sync(api.url)
      const left = BDK_VALUE - amount - fee
      expect(bdk.balance()).toEqual({ confirmed: left, immature: 0n, pending: 0n })
      const found = bdk.wallet.get_tx(Txid.from_string(txid))
      expect(found?.chain_position.is_confirmed).toBe(true)
      expect(bdk.wallet.transactions()).toHaveLength(2)
      expect((await api.transaction(txid)).fee).toBe(Number(fee))
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'pays a withdraw address, and a new wallet of the same seed sees the same',
    async () => {
      const { api, devnet } = net()
      const { client } = validatorOf(devnet, 2)
      const l1Address = l1AddressOf(p2wpkhScript(hash160(utf8('payee of BDK'))))
      const { withdrawAddress } = await client.withdrawAddress(l1Address)
      const { txid } = await bdk.pay(api.url, withdrawAddress, 5_000_000n)
      await api.whenFinal(txid)
      await bdk.sync(api.url)

      const restored = new BdkClient(BDK_SEED)
      await restored.fullScan(api.url)
      expect(restored.balance()).toEqual(bdk.balance())
      expect(restored.wallet.transactions()).toHaveLength(3)
      const release = await until(
        async () => (await client.releases(10)).releases.find((each) => each.burnTxid === txid),
        { timeoutMs: PATIENCE_MS, what: 'the release' },
      )
      expect(release).toMatchObject({ l1Address, valueSats: 5_000_000n })
    },
    TEST_TIMEOUT_MS,
  )

  it('asks for fees, and gets back what was sent', async () => {
    const { api, treasury } = net()
    const esplora = bdkEsplora(api.url)
    const estimates = await esplora.get_fee_estimates()
    for (const target of [1, 3, 6, 144]) expect(estimates.get(target)).toBeGreaterThanOrEqual(1)
    const txid = present(treasury.payments[0], 'payment')
    const found = await esplora.get_tx(Txid.from_string(txid))
    expect(found?.compute_txid().toString()).toBe(txid)
    expect(await esplora.get_tx(Txid.from_string('11'.repeat(32)))).toBeUndefined()
  })
})

describe('@bitcoinerlab/explorer', () => {
  it(
    'reads balances, histories, transactions, blocks and fees',
    async () => {
      const { api, treasury } = net()
      const explorer = new EsploraExplorer({ url: api.url })
      await explorer.connect()
      expect(await explorer.isConnected()).toBe(true)
      // What returned to the treasury from the tests above is not in its coin.
      const utxos = await api.json<UtxoJson[]>(`/address/${treasury.address}/utxo`)
      const unspent = utxos.reduce((sum, { value }) => sum + value, 0)
      expect(utxos).toContainEqual(expect.objectContaining({ value: Number(treasury.balance) }))
      const expected = { balance: unspent, unconfirmedBalance: 0, unconfirmedTxCount: 0 }
      expect(await explorer.fetchAddress(treasury.address)).toMatchObject(expected)
      // Electrum's script hash, which is the reverse of Esplora's.
      const scriptHash = bytesToHex(reverseBytes(sha256(treasury.script)))
      expect(await explorer.fetchScriptHash(scriptHash)).toMatchObject(expected)

      const history = await explorer.fetchTxHistory({ address: treasury.address })
      const { txCount } = await explorer.fetchAddress(treasury.address)
      expect(history).toHaveLength(txCount)
      // More than a page: it has asked for the next.
      expect(txCount).toBeGreaterThan(25)
      const heights = history.map((entry) => entry.blockHeight)
      expect(heights).toEqual(heights.toSorted((a, b) => a - b))
      const known = new Set(history.map((entry) => entry.txId))
      expect(treasury.payments.filter((txid) => !known.has(txid))).toEqual([])

      const txid = present(treasury.payments.at(-1), 'payment')
      expect(Transaction.fromHex(await explorer.fetchTx(txid)).getId()).toBe(txid)
      expect(Object.keys(await explorer.fetchFeeEstimates())).toContain('1008')
      const tip = await explorer.fetchBlockHeight()
      expect(await explorer.fetchBlockStatus(tip)).toMatchObject({
        blockHeight: tip,
        blockHash: await api.text(`/block-height/${tip}`),
      })
      expect(await explorer.fetchBlockStatus(tip + 1_000)).toBeUndefined()
      explorer.close()
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'sends a transaction, and is told why not',
    async () => {
      const { api, treasury } = net()
      const explorer = new EsploraExplorer({ url: api.url })
      const kind = bitcoinjsKeyHash(testSecret(0x31))
      const coin = await treasury.payOne(kind.script, VALUE)
      const spend = (fee: bigint): string =>
        kind.spend(coin, [{ script: treasury.script, value: VALUE - fee }])
      await expect(explorer.push(spend(10n))).rejects.toThrow('min relay fee not met')
      await expect(explorer.push('00')).rejects.toThrow('TX decode failed')
      const txid = await explorer.push(spend(FEE))
      await api.whenFinal(txid)
      await expect(explorer.push(spend(FEE * 2n))).rejects.toThrow('bad-txns-inputs-missingorspent')
    },
    TEST_TIMEOUT_MS,
  )
})

describe('while the chain stands still', () => {
  it(
    'wallets see what waits, fees are bumped, and all is final when it goes on',
    async () => {
      const { api, devnet, other, treasury } = net()
      const payer = bitcoinjsKeyHash(testSecret(0x41))
      const childKind = present(SCURE.kinds[0], 'kind of output')
      const coin = await treasury.payOne(payer.script, VALUE)
      const parentCoin = await treasury.payOne(payer.script, VALUE)
      await bdk.sync(api.url)
      const before = bdk.balance()
      const explorer = new EsploraExplorer({ url: api.url })
      // Two of four are no quorum: what is sent now waits in the mempool.
      await Promise.all([2, 3].map((index) => validatorOf(devnet, index).stop()))

      // Replacement by fee.
      const spend = (fee: bigint): string =>
        payer.spend(coin, [{ script: treasury.script, value: VALUE - fee }], REPLACEABLE)
      const original = await api.broadcast(spend(500n))
      expect((await api.request('/tx', spend(501n))).text).toContain('insufficient fee')
      const replacement = await api.broadcast(spend(5_000n))
      expect((await api.request(`/tx/${original}`)).status).toBe(404)
      const outspend = await api.json(`/tx/${coin.txid}/outspend/0`)
      const unconfirmed = { confirmed: false }
      expect(outspend).toMatchObject({ spent: true, txid: replacement, status: unconfirmed })

      // A child that pays for its parent.
      const parentValue = VALUE - 150n
      const parent = await api.broadcast(
        payer.spend(parentCoin, [{ script: childKind.script, value: parentValue }]),
      )
      const childValue = parentValue - 9_000n
      const child = await api.broadcast(
        childKind.spend({ txid: parent, vout: 0, value: parentValue }, [
          { script: treasury.script, value: childValue },
        ]),
      )

      const amount = 1_000_000n
      const payment = await bdk.pay(api.url, treasury.address, amount)
      await bdk.sync(api.url)
      const left = before.confirmed - amount - payment.fee
      expect(bdk.balance()).toEqual({ confirmed: 0n, immature: 0n, pending: left })

      const sent = [replacement, parent, child, payment.txid]
      expect((await api.json<string[]>('/mempool/txids')).toSorted()).toEqual(sent.toSorted())
      expect(await explorer.fetchAddress(treasury.address)).toMatchObject({
        unconfirmedTxCount: 3,
        unconfirmedBalance: Number(VALUE - 5_000n + childValue + amount),
      })
      const history = await explorer.fetchTxHistory({ address: treasury.address })
      expect(history).toContainEqual({ txId: child, blockHeight: 0, irreversible: false })
      expect(await api.json(`/tx/${child}/status`)).toEqual(unconfirmed)

      for (const index of [2, 3]) validatorOf(devnet, index).start()
      for (const txid of sent) {
        const place = await api.whenFinal(txid)
        expect(await other.whenFinal(txid)).toEqual(place)
      }
      await bdk.sync(api.url)
      expect(bdk.balance()).toEqual({ confirmed: left, immature: 0n, pending: 0n })
    },
    TEST_TIMEOUT_MS,
  )
})

describe('every block', () => {
  it(
    'is a block to bitcoinjs-lib, down to the bytes, the roots and the proofs',
    async () => {
      const { api } = net()
      const tip = await api.tipHeight()
      let previous = new Uint8Array(32)
      let witnesses = 0
      for (let height = 0; height <= tip; height++) {
        const block = await verifyBlock(api, height)
        expect(block.prevHash).toEqual(previous)
        previous = new Uint8Array(block.getHash())
        if (block.hasWitness()) witnesses++
        const transactions = block.transactions ?? []
        await Promise.all(transactions.map((each) => verifyTransaction(api, block, each)))
      }
      expect(witnesses).toBeGreaterThan(0)
      const page = await api.json<BlockJson[]>('/blocks')
      expect(page).toHaveLength(10)
      const regtestGenesis = '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206'
      expect(await api.text('/block-height/0')).toBe(regtestGenesis)
    },
    TEST_TIMEOUT_MS,
  )
})
