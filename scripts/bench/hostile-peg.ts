/** Hostile fillers of the peg: burns by the thousand, and L1 sections at their limits. */

import {
  type BlockHeader,
  encodeHeader,
  headerHash,
  REGTEST_GENESIS_HEADER,
  verifyProofOfWork,
} from '../../src/bitcoin/header.ts'
import { P2A_SCRIPT, p2wpkhScript, withdrawScript } from '../../src/bitcoin/script.ts'
import {
  encodeTransactionWithoutWitness,
  type Transaction,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { type DepositProof, EMPTY_L1_SECTION, type L1Section } from '../../src/chain/l1-section.ts'
import { getEpochBooks, putEpochBooks } from '../../src/chain/member-sets.ts'
import {
  type ChainParams,
  MAX_DEPOSITS_PER_BLOCK,
  MAX_L1_HEADERS_PER_BLOCK,
} from '../../src/chain/params.ts'
import { getPegBooks, putPegBooks } from '../../src/chain/peg/books.ts'
import type { KeyEpochAnnouncement } from '../../src/chain/peg/key-epoch-announcement.ts'
import { writeKeyEpochAnnouncement } from '../../src/chain/peg/key-epoch-announcement.ts'
import { depositScriptOf } from '../../src/chain/peg/key-epochs.ts'
import { putReserve } from '../../src/chain/peg/reserves.ts'
import { NAMESPACE, numberStateKey, type StateOverlay } from '../../src/chain/state.ts'
import { concatBytes, utf8 } from '../../src/primitives/bytes.ts'
import { encodeWith } from '../../src/primitives/codec.ts'
import { reversedToBytes, type Txid, txidFromBytes } from '../../src/primitives/hashes.ts'
import { sha256, sha256d } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import {
  COMPRESSED_KEY,
  coinOf,
  type Filler,
  type FillerContent,
  type FillLimits,
  inputOf,
} from './hostile-filler.ts'

const RESERVES = 20_000_000n * 100_000_000n
const RESERVE_COINS = 1_000

/** A key epoch that no ceremony made: in the state nobody asks for its proofs any more. */
function keyEpoch(params: ChainParams): KeyEpochAnnouncement {
  const { signingThreshold: threshold, validators } = params
  return {
    epoch: 0,
    attempt: 1,
    threshold,
    groupKey: COMPRESSED_KEY,
    commitments: Array.from({ length: threshold }, () => COMPRESSED_KEY),
    memberSignatures: validators.map(() => new Uint8Array(64)),
    testSignature: new Uint8Array(64),
  }
}

/** An open peg with reserves in a thousand coins, and as much supply. */
export function seedPeg(overlay: StateOverlay, params: ChainParams): void {
  const announcement = keyEpoch(params)
  const bytes = encodeWith((writer) => {
    writer.u32(0)
    writeKeyEpochAnnouncement(writer, announcement)
  })
  overlay.put(numberStateKey(NAMESPACE.keyEpoch, 0), bytes)
  const script = depositScriptOf(params, announcement, p2wpkhScript(new Uint8Array(20)))
  for (let index = 0; index < RESERVE_COINS; index++) {
    putReserve(overlay, {
      outPoint: { txid: txidFromBytes(sha256(utf8(`reserve ${index}`))), vout: 0 },
      value: sats(RESERVES / BigInt(RESERVE_COINS)),
      script,
      keyEpoch: 0,
      recipient: p2wpkhScript(new Uint8Array(20)),
      l1Height: 0,
      batchId: undefined,
    })
  }
  const books = getPegBooks(overlay)
  const totals = { ...books.totals, supply: sats(RESERVES), reserves: sats(RESERVES) }
  putPegBooks(overlay, { ...books, totals })
  putEpochBooks(overlay, { ...getEpochBooks(overlay), key: 0 })
}

/** Value, length, `OP_16` and a P2WPKH script. */
const BURN_WEIGHT = (8 + 1 + 24) * 4
const FIXED_WEIGHT = 300

function burns(params: ChainParams, { weight }: FillLimits): FillerContent {
  const value = params.peg.minReleaseSats
  const count = Math.max(1, Math.floor((weight - FIXED_WEIGHT) / BURN_WEIGHT))
  const coin = coinOf(P2A_SCRIPT, sats(value * BigInt(count) + 1_000n))
  const outputs = Array.from({ length: count }, (_, index) => ({
    value,
    script: withdrawScript(p2wpkhScript(sha256(utf8(`burn ${index}`)).subarray(0, 20))),
  }))
  return {
    coins: [coin],
    transactions: [{ version: 2, inputs: [inputOf(coin)], outputs, lockTime: 0 }],
  }
}

const BRANCH_LENGTH = 15
/** Not the coinbase, whose deposits wait for a hundred blocks. */
const POSITION = 1

/** An L1 deposit, and siblings that make it one of 32,768 transactions under a root. */
function depositOf(
  params: ChainParams,
  index: number,
): { readonly proof: DepositProof; readonly root: Txid } {
  const recipient = p2wpkhScript(sha256(utf8(`recipient ${index}`)).subarray(0, 20))
  const script = depositScriptOf(params, keyEpoch(params), recipient)
  const payment: Transaction = {
    version: 2,
    inputs: [inputOf(coinOf(P2A_SCRIPT))],
    outputs: [{ value: params.peg.minDepositSats, script }],
    lockTime: 0,
  }
  const branch = Array.from({ length: BRANCH_LENGTH }, (_, level) =>
    txidFromBytes(sha256(utf8(`sibling ${index} ${level}`))),
  )
  let node = reversedToBytes(transactionId(payment))
  let at = POSITION
  for (const step of branch) {
    const sibling = reversedToBytes(step)
    node = sha256d((at & 1) === 1 ? concatBytes(sibling, node) : concatBytes(node, sibling))
    at >>>= 1
  }
  const proof = {
    l1Height: index + 1,
    transaction: encodeTransactionWithoutWitness(payment),
    merkle: { position: POSITION, branch },
    claims: [{ vout: 0, keyEpoch: 0, recipient }],
  }
  return { proof, root: txidFromBytes(node) }
}

/** As many headers as a block may bring, the first of them over a deposit each. */
function l1Section(params: ChainParams, deposits: number): L1Section {
  const proved = Array.from({ length: deposits }, (_, index) => depositOf(params, index))
  const empty = txidFromBytes(sha256(utf8('an L1 block')))
  const headers: Uint8Array[] = []
  let previous = REGTEST_GENESIS_HEADER
  for (let index = 0; index < MAX_L1_HEADERS_PER_BLOCK; index++) {
    const next = mine({
      ...previous,
      previousHash: headerHash(previous),
      merkleRoot: proved[index]?.root ?? empty,
      time: previous.time + 600,
      nonce: 0,
    })
    headers.push(encodeHeader(next))
    previous = next
  }
  return { ...EMPTY_L1_SECTION, headers, deposits: proved.map(({ proof }) => proof) }
}

function mine(header: BlockHeader): BlockHeader {
  let candidate = header
  while (!verifyProofOfWork(candidate)) candidate = { ...candidate, nonce: candidate.nonce + 1 }
  return candidate
}

/** On a state that `seedPeg` has opened. */
export function pegFillers(params: ChainParams): readonly Filler[] {
  return [
    { name: 'burns', make: (limits) => burns(params, limits) },
    {
      name: 'L1 headers',
      make: () => ({ coins: [], transactions: [], l1Section: l1Section(params, 0) }),
    },
    {
      name: 'L1 headers and deposits, each to a recipient of its own',
      make: ({ weight }) => {
        const share = Math.min(1, weight / 1_000_000)
        const deposits = Math.ceil(MAX_DEPOSITS_PER_BLOCK * share)
        return { coins: [], transactions: [], l1Section: l1Section(params, deposits) }
      },
    },
  ]
}
