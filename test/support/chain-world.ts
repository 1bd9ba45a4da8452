/** A chain and an L1 in memory, for tests of the rules: real blocks, real keys, real proofs. */

import { schnorr, secp256k1 } from '@noble/curves/secp256k1.js'
import { devnetGenesis } from '../../genesis/devnet.ts'
import { chainParams, parseGenesis } from '../../genesis/network.ts'
import {
  type BlockHeader,
  encodeHeader,
  headerHash,
  REGTEST_GENESIS_HEADER,
  verifyProofOfWork,
} from '../../src/bitcoin/header.ts'
import { buildMerkleProof, merkleRoot } from '../../src/bitcoin/merkle.ts'
import { p2trScript } from '../../src/bitcoin/script.ts'
import { taprootSighash } from '../../src/bitcoin/sighash.ts'
import {
  encodeTransactionWithoutWitness,
  type OutPoint,
  type Transaction,
  type TxOutput,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import type { Block } from '../../src/chain/block.ts'
import { type BlockPlan, buildBlock } from '../../src/chain/build-block.ts'
import {
  type ChainState,
  type ConnectedBlock,
  checkBinding,
  connectBlock,
} from '../../src/chain/connect-block.ts'
import { genesisChainState } from '../../src/chain/genesis-state.ts'
import { EMPTY_L1_SECTION, type L1TransactionProof } from '../../src/chain/l1-section.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import { getPegBooks } from '../../src/chain/peg/books.ts'
import {
  type KeyEpochAnnouncement,
  keyCertificateDigest,
  keyTestMessage,
} from '../../src/chain/peg/key-epoch-announcement.ts'
import { depositScriptOf } from '../../src/chain/peg/key-epochs.ts'
import { StateOverlay } from '../../src/chain/state.ts'
import { tipAfter } from '../../src/chain/tip.ts'
import type { Txid, XOnlyKey } from '../../src/primitives/hashes.ts'
import { ok, type Rejection, type Result } from '../../src/primitives/result.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
export const secretOf = (name: string): Uint8Array => sha256(text(`secret of ${name}`))
const AUX = new Uint8Array(32)

function keysOf(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => xOnlyPublicKey(secretOf(`${prefix} ${i}`)))
}

export function testParams(validatorCount = 4): ChainParams {
  const genesis = devnetGenesis({
    validators: keysOf('validator', validatorCount),
    recoveryKeys: keysOf('recovery', 3),
    salt: '00'.repeat(32),
  })
  return chainParams(parseGenesis(genesis))
}

/** A user with one P2TR key used directly as output key. */
export interface User {
  readonly secret: Uint8Array
  readonly script: Uint8Array
}

export function aUser(name: string): User {
  const secret = secretOf(name)
  return { secret, script: p2trScript(schnorr.getPublicKey(secret)) }
}

/** Spends P2TR coins of one user, all inputs signed with SIGHASH_DEFAULT. */
export function spend(
  user: User,
  coins: readonly { readonly outPoint: OutPoint; readonly value: bigint }[],
  outputs: readonly TxOutput[],
): Transaction {
  const unsigned: Transaction = {
    version: 2,
    inputs: coins.map(({ outPoint }) => ({
      prevout: outPoint,
      scriptSig: new Uint8Array(),
      sequence: 0xffff_fffd,
      witness: [],
    })),
    outputs,
    lockTime: 0,
  }
  const spent = coins.map(({ value }) => ({ value: sats(value), script: user.script }))
  return {
    ...unsigned,
    inputs: unsigned.inputs.map((input, index) => {
      const digest = taprootSighash(unsigned, index, spent, 0)
      if (digest === undefined) throw new TypeError('no digest')
      return { ...input, witness: [schnorr.sign(digest, user.secret, AUX)] }
    }),
  }
}

/** Of the test validator with this number, in the genesis or not. */
export function validatorKey(index: number): XOnlyKey {
  return xOnlyPublicKey(secretOf(`validator ${index}`))
}

/** Who makes a key: the genesis validators unless told. `members` are the indexes of `secretOf`. */
export interface KeyMakers {
  readonly epoch: number
  readonly threshold: number
  readonly members: readonly number[]
}

/** A key epoch whose polynomial the test knows: real signatures without a ceremony. */
export function aKeyEpoch(
  params: ChainParams,
  makers: KeyMakers = {
    epoch: 0,
    threshold: params.signingThreshold,
    members: [...params.validators.keys()],
  },
): {
  announcement: KeyEpochAnnouncement
  groupSecret: Uint8Array
} {
  const { Point } = secp256k1
  const { epoch, threshold } = makers
  const groupSecret = secretOf(epoch === 0 ? 'group' : `group ${epoch}`)
  const coefficients = [
    groupSecret,
    ...Array.from({ length: threshold - 1 }, (_, i) => secretOf(`coefficient ${i}`)),
  ]
  const commitments = coefficients.map((bytes) =>
    Point.BASE.multiply(Point.Fn.fromBytes(bytes)).toBytes(true),
  )
  const groupKey = commitments[0]
  if (groupKey === undefined) throw new TypeError('no group key')
  const terms = {
    chainId: params.chainId,
    epoch,
    attempt: 1,
    threshold,
    members: makers.members.map(validatorKey),
  }
  const digest = keyCertificateDigest(terms, commitments)
  return {
    groupSecret,
    announcement: {
      epoch,
      attempt: 1,
      threshold,
      groupKey,
      commitments,
      memberSignatures: makers.members.map((i) =>
        schnorr.sign(digest, secretOf(`validator ${i}`), AUX),
      ),
      testSignature: schnorr.sign(keyTestMessage(groupKey), groupSecret, AUX),
    },
  }
}

/** L1: regtest headers with real proof of work over real transactions. */
export class TestL1 {
  readonly headers: BlockHeader[] = [REGTEST_GENESIS_HEADER]
  readonly blocks: (readonly Transaction[])[] = [[]]

  mine(transactions: readonly Transaction[] = []): number {
    const height = this.headers.length
    const previous = this.headers[height - 1]
    if (previous === undefined) throw new TypeError('no tip')
    const all = [aCoinbase(height), ...transactions]
    let header: BlockHeader = {
      version: 0x2000_0000,
      previousHash: headerHash(previous),
      merkleRoot: merkleRoot(all.map(transactionId)).root,
      time: previous.time + 600,
      bits: previous.bits,
      nonce: 0,
    }
    while (!verifyProofOfWork(header)) header = { ...header, nonce: header.nonce + 1 }
    this.headers.push(header)
    this.blocks.push(all)
    return height
  }

  /** Encoded headers from `from` on. */
  headersFrom(from: number): Uint8Array[] {
    return this.headers.slice(from).map(encodeHeader)
  }

  prove(txid: Txid): L1TransactionProof {
    for (const [l1Height, transactions] of this.blocks.entries()) {
      const position = transactions.findIndex((t) => transactionId(t) === txid)
      const transaction = transactions[position]
      if (transaction === undefined) continue
      return {
        l1Height,
        transaction: encodeTransactionWithoutWitness(transaction),
        merkle: buildMerkleProof(transactions.map(transactionId), position),
      }
    }
    throw new TypeError(`not on L1: ${txid}`)
  }
}

function aCoinbase(height: number): Transaction {
  return {
    version: 1,
    inputs: [
      {
        prevout: { txid: anOutPoint('null').txid, vout: 0xffff_ffff },
        scriptSig: Uint8Array.of(2, height & 0xff, height >> 8),
        sequence: 0xffff_ffff,
        witness: [],
      },
    ],
    outputs: [{ value: sats(5_000_000_000n), script: aUser('miner').script }],
    lockTime: 0,
  }
}

/** An L1 transaction that pays `outputs`, from coins nobody asks about. */
export function anL1Payment(name: string, outputs: readonly TxOutput[]): Transaction {
  return {
    version: 2,
    inputs: [
      {
        prevout: anOutPoint(name),
        scriptSig: new Uint8Array(),
        sequence: 0xffff_fffd,
        witness: [],
      },
    ],
    outputs,
    lockTime: 0,
  }
}

export function anOutPoint(name: string): OutPoint {
  const id: Transaction = {
    version: 1,
    inputs: [],
    outputs: [{ value: sats(0), script: text(name) }],
    lockTime: 0,
  }
  return { txid: transactionId(id), vout: 0 }
}

/** Grows a chain block by block, the way a node does. */
export class TestChain {
  readonly params: ChainParams
  state: ChainState
  #timeMs = 1_700_000_000_000

  constructor(params: ChainParams) {
    this.params = params
    this.state = genesisChainState(params)
  }

  plan(part: Partial<BlockPlan> = {}): BlockPlan {
    return {
      view: 0,
      proposer: 0,
      timeMs: (this.#timeMs += 2_000),
      feeRate: this.params.peg.feeRateFloor,
      l1Section: EMPTY_L1_SECTION,
      evidence: [],
      freezeVotes: [],
      transactions: [],
      payoutScript: aUser('proposer').script,
      ...part,
    }
  }

  build(part: Partial<BlockPlan> = {}): Result<Block, Rejection> {
    const built = buildBlock(this.params, this.state, this.plan(part))
    return built.ok ? ok(built.value.block) : built
  }

  /** Builds, checks and applies a block. */
  extend(part: Partial<BlockPlan> = {}): Block {
    const built = this.build(part)
    if (!built.ok) throw new TypeError(`not built: ${JSON.stringify(built.error)}`)
    this.apply(built.value)
    return built.value
  }

  check(block: Block): Result<ConnectedBlock, Rejection> {
    const binding = checkBinding(block)
    return binding.ok ? connectBlock(this.params, this.state, block) : binding
  }

  apply(block: Block): ConnectedBlock {
    const connected = this.check(block)
    if (!connected.ok) throw new TypeError(`not connected: ${JSON.stringify(connected.error)}`)
    const overlay = new StateOverlay(this.state.view)
    for (const [key, value] of connected.value.delta.puts) overlay.put(key, value)
    for (const key of connected.value.delta.deletes) overlay.delete(key)
    const { trie } = this.state
    trie.apply(connected.value.trie)
    this.state = { tip: tipAfter(this.state.tip, block), view: overlay, trie }
    return connected.value
  }

  /** An L1 section that brings the chain's view of L1 up to its tip. */
  headersTo(l1: TestL1): Uint8Array[] {
    return l1.headersFrom(getPegBooks(this.state.view).l1Height + 1)
  }
}

export interface MintedWorld {
  /** Of the chain, from block 1 on. */
  readonly blocks: readonly Block[]
  readonly chain: TestChain
  readonly l1: TestL1
  /** On L1. */
  readonly deposit: Transaction
  readonly mint: Transaction
  /** The coin that it gave to the user "alice". */
  readonly coin: { readonly outPoint: OutPoint; readonly value: bigint }
}

/** A chain whose peg is open and whose user "alice" holds one minted coin. */
export function mintedWorld(value: bigint, params: ChainParams = testParams()): MintedWorld {
  const chain = new TestChain(params)
  const l1 = new TestL1()
  const { announcement } = aKeyEpoch(params)
  const recipient = aUser('alice').script
  const first = chain.extend({ l1Section: { ...EMPTY_L1_SECTION, keyEpochs: [announcement] } })
  const address = depositScriptOf(params, announcement, recipient)
  const deposit = anL1Payment('alice pays in', [{ value: sats(value), script: address }])
  l1.mine([deposit])
  const proof = l1.prove(transactionId(deposit))
  const claims = [{ vout: 0, keyEpoch: 0, recipient }]
  const block = chain.extend({
    l1Section: {
      ...EMPTY_L1_SECTION,
      headers: chain.headersTo(l1),
      deposits: [{ ...proof, claims }],
    },
  })
  const mint = block.transactions[1]
  if (mint === undefined) throw new TypeError('nothing minted')
  return {
    chain,
    blocks: [first, block],
    l1,
    deposit,
    mint,
    coin: { outPoint: { txid: transactionId(mint), vout: 0 }, value },
  }
}
