/**
 * A federation whose reserves lie on a real bitcoind, and which then is dead: a stopped node's home, a proof
 * of reserves, the recovery keys in files of their own.
 */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openDepositBook } from '../../federation/deposits/deposit-book.ts'
import type { BitcoinL1 } from '../../federation/l1/bitcoin-l1.ts'
import { createBitcoindL1 } from '../../federation/l1/bitcoind.ts'
import { devnetGenesis } from '../../genesis/devnet.ts'
import { chainParams, type Genesis, parseGenesis } from '../../genesis/network.ts'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { buildMerkleProof } from '../../src/bitcoin/merkle.ts'
import {
  encodeTransactionWithoutWitness,
  type OutPoint,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import type { Block } from '../../src/chain/block.ts'
import { EMPTY_L1_SECTION, type L1Section } from '../../src/chain/l1-section.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import { getPegBooks } from '../../src/chain/peg/books.ts'
import { depositScriptOf } from '../../src/chain/peg/key-epochs.ts'
import { createNodeHome, homePaths } from '../../src/cli/node/node-home.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import type { Txid } from '../../src/primitives/hashes.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { sats } from '../../src/primitives/units.ts'
import { createSystemRuntime } from '../../src/runtime/system-runtime.ts'
import { openLevelStore } from '../../src/storage/level-store.ts'
import { type SignedSpend, signSpend, WALLET_SCRIPT } from '../federation/l1/taproot-spender.ts'
import type { RunningBitcoind } from './bitcoind.ts'
import { certify, chainOf, type FinalBlock } from './certified-chain.ts'
import { aKeyEpoch, aUser, secretOf, TestChain } from './chain-world.ts'

const WALLET_ADDRESS = encodeAddress(WALLET_SCRIPT, L1_ADDRESS_NETWORKS.regtest)!
/** Above the depth of the largest deposits, as a genesis file must have it. */
export const DELAY_BLOCKS = 12

const keys = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => xOnlyPublicKey(secretOf(`${prefix} ${i}`)))

function shortDelay(): Genesis {
  const genesis = devnetGenesis({
    validators: keys('validator', 4),
    recoveryKeys: keys('recovery', 3),
    salt: '00'.repeat(32),
  })
  const recovery = { ...genesis.peg.recovery, delayBlocks: DELAY_BLOCKS }
  const refreshAfterL1Blocks = DELAY_BLOCKS / 2
  return parseGenesis({ ...genesis, peg: { ...genesis.peg, recovery, refreshAfterL1Blocks } })
}

interface Paid {
  readonly txid: Txid
  readonly recipient: Uint8Array
}

export class RecoveryWorld {
  readonly genesis: Genesis = shortDelay()
  readonly params: ChainParams = chainParams(this.genesis)
  readonly epoch = aKeyEpoch(this.params)
  readonly chain = new TestChain(this.params)
  readonly daemon: RunningBitcoind
  readonly l1: BitcoinL1
  readonly folder: string
  readonly #blocks: Block[] = []
  #nextCoinbase = 1

  constructor(daemon: RunningBitcoind, folder: string) {
    this.daemon = daemon
    this.folder = folder
    const { url, cookiePath } = daemon
    this.l1 = createBitcoindL1(
      { network: 'regtest', url, cookiePath },
      createSystemRuntime({ logLevel: 'silent' }),
    )
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  async mine(count: number): Promise<void> {
    await this.daemon.rpc.call('generatetoaddress', [count, WALLET_ADDRESS])
  }

  async height(): Promise<number> {
    return (await this.l1.tip()).height
  }

  /** Pays the recipient's deposit address on L1 and mines it. */
  async deposit(name: string, value: bigint): Promise<Paid> {
    const recipient = aUser(name).script
    const script = depositScriptOf(this.params, this.epoch.announcement, recipient)
    const { raw, txid } = await this.#spend(value, script)
    await this.daemon.rpc.call('sendrawtransaction', [bytesToHex(raw)])
    await this.mine(1)
    return { txid, recipient }
  }

  async #spend(value: bigint, script: Uint8Array): Promise<SignedSpend> {
    const hash = await this.l1.blockHashAt(this.#nextCoinbase++)
    const block = await this.l1.block(hash!)
    const [coinbase] = block!.transactions
    const coin = {
      outPoint: { txid: transactionId(coinbase!), vout: 0 },
      value: coinbase!.outputs[0]!.value,
    }
    const change = { value: coin.value - value - 10_000n, script: WALLET_SCRIPT }
    return signSpend({ coins: [coin], outputs: [{ value, script }, change] })
  }

  /** Opens the peg and mints the deposits; everything as real blocks would have it. */
  async live(paid: readonly Paid[]): Promise<void> {
    const first = getPegBooks(this.chain.state.view).l1Height + 1
    const headers: Uint8Array[] = []
    const deposits: L1Section['deposits'][number][] = []
    for (let l1Height = first; l1Height <= (await this.height()); l1Height++) {
      const block = (await this.l1.block((await this.l1.blockHashAt(l1Height))!))!
      headers.push(block.header)
      const ids = block.transactions.map(transactionId)
      for (const { txid, recipient } of paid) {
        const position = ids.indexOf(txid)
        if (position === -1) continue
        deposits.push({
          l1Height,
          transaction: encodeTransactionWithoutWitness(block.transactions[position]!),
          merkle: buildMerkleProof(ids, position),
          claims: [{ vout: 0, keyEpoch: 0, recipient }],
        })
      }
    }
    const keyEpochs = [this.epoch.announcement]
    this.#blocks.push(this.chain.extend({ l1Section: { ...EMPTY_L1_SECTION, keyEpochs } }))
    this.#blocks.push(this.chain.extend({ l1Section: { ...EMPTY_L1_SECTION, headers, deposits } }))
  }

  finalBlocks(): readonly FinalBlock[] {
    return this.#blocks.map((block) => ({ block, certificate: certify(this.params, block) }))
  }

  /** The home of a node that has stopped; it has seen a deposit that was never minted. */
  async deadHome(waiting: {
    readonly outPoint: OutPoint
    readonly value: bigint
    readonly name: string
    readonly l1Height: number
  }): Promise<string> {
    const home = this.path('home')
    await createNodeHome(join(home, 'node'), {
      genesis: this.genesis,
      nodeSecret: secretOf('node'),
      validatorSecret: undefined,
      config: { listen: [], peers: [], apiPort: 0, logLevel: 'silent', l1: undefined },
    })
    const paths = homePaths(join(home, 'node'))
    const store = await openLevelStore(paths.chain)
    await chainOf(this.params, this.finalBlocks(), store)
    await store.close()
    const federation = await openLevelStore(paths.federation)
    const book = await openDepositBook(federation, { isMinted: () => false })
    const recipient = aUser(waiting.name).script
    const script = depositScriptOf(this.params, this.epoch.announcement, recipient)
    await book.register({ keyEpoch: 0, recipient, script }, 'asked')
    const { outPoint, value, l1Height } = waiting
    await book.record(
      [{ keyEpoch: 0, recipient, script, outPoint, value: sats(value), l1Height, position: 1 }],
      undefined,
    )
    await federation.close()
    return home
  }

  /** Genesis and recovery keys as files. */
  async writeFiles(): Promise<{ readonly genesis: string; readonly keys: readonly string[] }> {
    const genesis = this.path('genesis.json')
    await writeFile(genesis, JSON.stringify(this.genesis))
    const paths = [0, 1, 2].map((i) => this.path(`recovery-${i}.key`))
    for (const [i, path] of paths.entries()) {
      await writeFile(path, `${bytesToHex(secretOf(`recovery ${i}`))}\n`, { mode: 0o600 })
    }
    return { genesis, keys: paths }
  }
}
