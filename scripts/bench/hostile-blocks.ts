/**
 * Blocks made to be as expensive to validate as the rules allow: every known filler as a block at the
 * limits, valid or with its fault at the very end. What is measured with them bounds what a hostile
 * proposer can do to the others.
 */

import { type BlockHeader, verifyProofOfWork } from '../../src/bitcoin/header.ts'
import { merkleRoot } from '../../src/bitcoin/merkle.ts'
import { Opcode } from '../../src/bitcoin/opcodes.ts'
import { p2wpkhScript } from '../../src/bitcoin/script.ts'
import {
  type Transaction,
  type TxOutput,
  transactionId,
  witnessBytes,
} from '../../src/bitcoin/transaction.ts'
import type { Block } from '../../src/chain/block.ts'
import { buildBlock } from '../../src/chain/build-block.ts'
import { buildCoinbase } from '../../src/chain/coinbase.ts'
import type { ChainState } from '../../src/chain/connect-block.ts'
import { extensionHash } from '../../src/chain/extension.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import { type ChainParams, MAX_BLOCK_SIGOPS, MAX_BLOCK_WEIGHT } from '../../src/chain/params.ts'
import { present } from '../../src/primitives/assert.ts'
import { type Hash32, hash32FromBytes } from '../../src/primitives/hashes.ts'
import { ok, type Rejection, type Result } from '../../src/primitives/result.ts'
import { sats } from '../../src/primitives/units.ts'
import {
  type Filler,
  type FillerContent,
  type FillLimits,
  forever,
  type InputRecipe,
  KEY_PATH,
  oneTransaction,
} from './hostile-filler.ts'
import { HASHING_FILLERS, shortChain } from './hostile-hashing.ts'
import { pegFillers, seedPeg } from './hostile-peg.ts'
import { checksAndHashes, denseChecks, SIGNATURE_FILLERS } from './hostile-signatures.ts'
import { STACK_FILLERS } from './hostile-stack.ts'
import { STRUCTURE_FILLERS } from './hostile-structure.ts'
import { benchmarkParams, seededState } from './seeded-state.ts'
import { UNCHECKED } from './unchecked.ts'

export interface HostileBlock {
  readonly params: ChainParams
  /** The state that the block is for. */
  readonly state: ChainState
  readonly block: Block
}

/** What becomes of a finished block before it is sent. */
export type Sabotage = (block: Block) => Block

export interface HostileCase {
  readonly name: string
  /** The code that refuses the block; undefined when it is valid. */
  readonly code: string | undefined
  readonly filler: Filler
  readonly sabotage?: Sabotage
}

/** Header, count, and a coinbase with two commitments and a payout. */
const RESERVED_WEIGHT = 1_200

/** The limits of `share` of a block, 0 … 1. */
export function shareOfBlock(share: number): FillLimits {
  return {
    weight: Math.floor(MAX_BLOCK_WEIGHT * share) - RESERVED_WEIGHT,
    sigops: Math.floor(MAX_BLOCK_SIGOPS * share),
  }
}

/** Of the inputs that ask for a hundred checks each, and of those that only hash. */
const CHECKS_SHARE = 0.104

/** Both limits at once: the densest signature checks, and hashes in what weight they leave. */
function* everyLimit({ weight, sigops }: FillLimits): Iterable<InputRecipe> {
  const checks = denseChecks()
  for (let count = Math.floor((sigops - 1) / 101); count > 0; count--) yield checks
  const hashes = shortChain(Opcode.OP_HASH160)
  const hashWeight = 41 * 4 + witnessBytes(hashes.unsignedWitness)
  const room = weight * (1 - CHECKS_SHARE) - 500
  for (let count = Math.floor(room / hashWeight); count > 0; count--) yield hashes
  yield KEY_PATH
}

const everything: Filler = {
  name: 'P2WSH CHECKSIG and HASH160 chains, both at their limits',
  make: (limits) => oneTransaction(everyLimit(limits), limits),
}

/** What is found wrong last, in one transaction, must not cost the whole once more. */
const everythingWrong: Filler = {
  name: `${everything.name}, the last signature wrong`,
  make: (limits) => withLastWitness(everything.make(limits)),
}

const leafWrong: Filler = {
  name: 'tapscript CHECKSIG and HASH160, both at their budgets, the last signature wrong',
  make: (limits) => oneTransaction([checksAndHashes(limits, false)], limits),
}

const lastSignatureWrong: Filler = {
  name: 'P2TR key path, the last signature wrong',
  make: (limits) => withLastWitness(oneTransaction(forever(KEY_PATH), limits)),
}

function withLastWitness(content: FillerContent): FillerContent {
  const transactions = content.transactions.map((transaction): Transaction => {
    const last = transaction.inputs.length - 1
    const inputs = transaction.inputs.map((input, index) => {
      if (index !== last) return input
      const witness = input.witness.map((item) =>
        item.map((byte, at) => (at === 40 ? byte ^ 1 : byte)),
      )
      return { ...input, witness }
    })
    return { ...transaction, inputs }
  })
  return { ...content, transactions }
}

const WRONG_ROOT: Hash32 = hash32FromBytes(new Uint8Array(32))

/** Every known case, the peg's on its own state. */
export function hostileCases(params: ChainParams = benchmarkParams()): readonly HostileCase[] {
  const valid = [
    ...SIGNATURE_FILLERS,
    ...HASHING_FILLERS,
    ...STACK_FILLERS,
    ...STRUCTURE_FILLERS,
    ...pegFillers(params),
    everything,
  ].map((filler): HostileCase => ({ name: filler.name, code: undefined, filler }))
  return [
    ...valid,
    ...[lastSignatureWrong, everythingWrong, leafWrong].map((filler) => ({
      name: filler.name,
      code: 'mandatory-script-verify-flag-failed (SCHNORR_SIG)',
      filler,
    })),
    {
      name: `${everything.name}, the state root wrong`,
      code: 'bad-state-root',
      filler: everything,
      sabotage: (block) => reseal(block, { stateRoot: WRONG_ROOT }),
    },
  ]
}

/** A block of the filler; or the code that refuses even to build it. */
export function createHostileBlock(
  { filler, sabotage }: Pick<HostileCase, 'filler' | 'sabotage'>,
  limits: FillLimits,
  params: ChainParams = benchmarkParams(),
): Result<HostileBlock, Rejection> {
  const content = filler.make(limits)
  const state = seededState(params, content.coins, (overlay) => seedPeg(overlay, params))
  const built = buildBlock(
    params,
    state,
    {
      view: 0,
      proposer: 0,
      timeMs: 1_700_000_000_000,
      feeRate: params.peg.feeRateFloor,
      l1Section: content.l1Section ?? EMPTY_L1_SECTION,
      evidence: [],
      freezeVotes: [],
      transactions: content.transactions,
      payoutScript: p2wpkhScript(new Uint8Array(20)),
    },
    UNCHECKED,
  )
  if (!built.ok) return built
  const { payouts } = content
  const paid = payouts === undefined ? built.value.block : reseal(built.value.block, { payouts })
  return ok({ params, state, block: sabotage?.(paid) ?? paid })
}

interface Change {
  readonly payouts?: readonly TxOutput[]
  readonly stateRoot?: Hash32
}

/** The block with something else in it, and commitments, Merkle root and proof of work to match. */
function reseal(block: Block, { payouts, stateRoot }: Change): Block {
  const [coinbase, ...others] = block.transactions
  const extension = { ...block.extension, ...(stateRoot === undefined ? {} : { stateRoot }) }
  const bare = buildCoinbase({
    height: extension.height,
    fees: sats(0),
    payoutScript: new Uint8Array(),
    extensionHash: extensionHash(extension),
    others,
  })
  const paid = payouts ?? present(coinbase, 'coinbase').outputs.slice(0, -2)
  const transactions = [{ ...bare, outputs: [...paid, ...bare.outputs] }, ...others]
  const { root } = merkleRoot(transactions.map(transactionId))
  return {
    ...block,
    extension,
    transactions,
    header: ground({ ...block.header, merkleRoot: root }),
  }
}

function ground(header: BlockHeader): BlockHeader {
  let candidate = header
  while (!verifyProofOfWork(candidate)) candidate = { ...candidate, nonce: candidate.nonce + 1 }
  return candidate
}
