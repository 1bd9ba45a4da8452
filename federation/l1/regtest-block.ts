/**
 * Making blocks of Bitcoin's regtest: coinbase with height (BIP34) and witness commitment (BIP141),
 * subsidy, and a nonce for the trivial target. A real bitcoind accepts them by `submitblock`.
 */

import { type BlockHeader, verifyProofOfWork } from '../../src/bitcoin/header.ts'
import { merkleRoot, witnessMerkleRoot } from '../../src/bitcoin/merkle.ts'
import { Opcode } from '../../src/bitcoin/opcodes.ts'
import { minimalPush } from '../../src/bitcoin/script.ts'
import { encodeScriptNumber } from '../../src/bitcoin/script-number.ts'
import {
  NULL_OUTPOINT,
  type Transaction,
  type TxOutput,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'
import { type BlockHash, reversedToBytes } from '../../src/primitives/hashes.ts'
import { sha256d } from '../../src/primitives/sha256.ts'
import { type Sats, sats } from '../../src/primitives/units.ts'
import type { BitcoinBlock } from './block-codec.ts'

export const REGTEST_BITS = 0x207f_ffff
/** BIP9: no deployment signalled. */
const BLOCK_VERSION = 0x2000_0000
/** Regtest halves the subsidy this often, mainnet every 210,000 blocks. */
const HALVING_INTERVAL = 150
const INITIAL_SUBSIDY_SATS = 50n * 100_000_000n
const HALVINGS_MAX = 33
/** BIP141: OP_RETURN, a push of 36 bytes, and the commitment's magic. */
export const COMMITMENT_PREFIX: Uint8Array = Uint8Array.of(0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed)
/** BIP141: the coinbase's only witness item, whatever it is committed to. */
const WITNESS_NONCE: Uint8Array = new Uint8Array(32)

export interface BlockPlan {
  readonly height: number
  readonly previousHash: BlockHash
  /** Seconds since 1970. */
  readonly time: number
  /** Where the subsidy and the fees go. */
  readonly script: Uint8Array
  readonly fees: bigint
  /** Without the coinbase, parents before children. */
  readonly transactions: readonly Transaction[]
  /** Sets apart blocks that are otherwise equal. */
  readonly extraNonce: number
}

/** New coins in a block of this height. */
export function regtestSubsidy(height: number): Sats {
  const halvings = Math.floor(height / HALVING_INTERVAL)
  return sats(halvings > HALVINGS_MAX ? 0n : INITIAL_SUBSIDY_SATS >> BigInt(halvings))
}

/** BIP34: what a coinbase's scriptSig starts with. */
export function heightPush(height: number): Uint8Array {
  return minimalPush(encodeScriptNumber(height))
}

/** BIP141: SHA256d(witness root ‖ nonce). The coinbase itself does not count. */
export function witnessCommitment(
  transactions: readonly Transaction[],
  nonce: Uint8Array,
): Uint8Array {
  return sha256d(concatBytes(reversedToBytes(witnessMerkleRoot(transactions)), nonce))
}

export function buildRegtestBlock(plan: BlockPlan): BitcoinBlock {
  const placeholder = coinbaseOf(plan, [])
  const commitment = witnessCommitment([placeholder, ...plan.transactions], WITNESS_NONCE)
  const script = concatBytes(COMMITMENT_PREFIX, commitment)
  const coinbase = coinbaseOf(plan, [{ value: sats(0n), script }])
  const transactions = [coinbase, ...plan.transactions]
  const header = grind({
    version: BLOCK_VERSION,
    previousHash: plan.previousHash,
    merkleRoot: merkleRoot(transactions.map(transactionId)).root,
    time: plan.time,
    bits: REGTEST_BITS,
    nonce: 0,
  })
  return { header, transactions }
}

function coinbaseOf(plan: BlockPlan, more: readonly TxOutput[]): Transaction {
  const value = sats(regtestSubsidy(plan.height) + plan.fees)
  return {
    version: 2,
    inputs: [
      {
        prevout: NULL_OUTPOINT,
        // The filler keeps the script at two bytes or more, as Bitcoin demands.
        scriptSig: concatBytes(
          heightPush(plan.height),
          Uint8Array.of(Opcode.OP_0),
          minimalPush(extraNonceBytes(plan.extraNonce)),
        ),
        sequence: 0xffff_ffff,
        witness: [WITNESS_NONCE],
      },
    ],
    outputs: [{ value, script: plan.script }, ...more],
    lockTime: 0,
  }
}

function extraNonceBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}

/** Two tries on average. */
function grind(template: BlockHeader): BlockHeader {
  for (let nonce = 0; ; nonce++) {
    const header = { ...template, nonce }
    if (verifyProofOfWork(header)) return header
  }
}
