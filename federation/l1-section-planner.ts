/**
 * What a proposal of this member says about L1: the headers that its own L1 has buried, the key
 * epoch that waits to be announced, batches proved confirmed, deposits proved mature. Reading from
 * L1 is here; what may be said is decided by `chooseDeposits`, which is pure.
 */

import { decodeHeader, headerHash } from '../src/bitcoin/header.ts'
import { transactionId } from '../src/bitcoin/transaction.ts'
import type { DepositProof, L1Section, L1TransactionProof } from '../src/chain/l1-section.ts'
import {
  type ChainParams,
  MAX_CONFIRMATIONS_PER_BLOCK,
  MAX_L1_SECTION_BYTES,
} from '../src/chain/params.ts'
import { openBatches } from '../src/chain/peg/batches.ts'
import { getPegBooks } from '../src/chain/peg/books.ts'
import { extraHeadersFor, findClaimHeight } from '../src/chain/peg/deposits.ts'
import type { KeyEpochAnnouncement } from '../src/chain/peg/key-epoch-announcement.ts'
import { findL1Header } from '../src/chain/peg/l1-headers.ts'
import type { StateView } from '../src/chain/state.ts'
import { bytesToHex } from '../src/primitives/bytes.ts'
import type { BlockHash, Txid } from '../src/primitives/hashes.ts'
import type { DepositBook, SeenDeposit } from './deposits/deposit-book.ts'
import type { BitcoinL1, L1Block } from './l1/bitcoin-l1.ts'
import { findL1TransactionProof } from './l1/proofs.ts'
import type { ConfirmationFinder } from './releases/confirmation-finder.ts'

/** A catch-up after days offline takes a few blocks; each stays quick to check. */
const HEADERS_PER_BLOCK = 500
/** Deposits per block by proposers; the rule allows more. */
const DEPOSITS_PER_BLOCK = 200
/** Proofs are small beside their transactions; this leaves room for headers and the rest. */
const PROOF_BYTES_MAX = MAX_L1_SECTION_BYTES - 200_000

export interface PlannerParts {
  readonly params: ChainParams
  readonly l1: BitcoinL1
  readonly book: DepositBook
  readonly finder: ConfirmationFinder
  /** A finished key generation that the chain does not know yet. */
  readonly announcement: () => KeyEpochAnnouncement | undefined
}

/** Last L1 height that this member may propose: one deeper than validators demand. */
export function proposableHeight(params: ChainParams, l1TipHeight: number): number {
  return l1TipHeight - params.peg.l1Depth
}

/** Deposits that a block may mint once the chain knows L1 up to `l1Height`, oldest first. */
export function chooseDeposits(
  view: StateView,
  params: ChainParams,
  seen: Iterable<SeenDeposit>,
  l1Height: number,
): readonly SeenDeposit[] {
  const mature = [...seen].filter(
    (deposit) =>
      deposit.l1Height + extraHeadersFor(params, deposit.value, deposit.position) <= l1Height &&
      deposit.l1Height > params.l1Checkpoint.height &&
      findClaimHeight(view, deposit.outPoint) === undefined,
  )
  return aboveMinimum(mature, params.peg.minDepositSats).toSorted(
    (a, b) =>
      a.l1Height - b.l1Height || a.position - b.position || a.outPoint.vout - b.outPoint.vout,
  )
}

/** True when a block would have more to say than headers. Cheap; asks nobody. */
export function hasL1Work(view: StateView, parts: PlannerParts, l1TipHeight: number): boolean {
  const { params, book, finder } = parts
  if (getPegBooks(view).keyEpochCount === 0) return parts.announcement() !== undefined
  const l1Height = Math.max(proposableHeight(params, l1TipHeight), getPegBooks(view).l1Height)
  for (const batch of openBatches(view)) {
    const height = finder.heightOf(transactionId(batch.transaction))
    if (height !== undefined && height <= l1Height) return true
  }
  return chooseDeposits(view, params, book.deposits.values(), l1Height).length > 0
}

/** Throws what the L1 client throws. */
export async function planL1Section(
  view: StateView,
  parts: PlannerParts,
  l1TipHeight: number,
): Promise<L1Section> {
  const headers = await planHeaders(view, parts, l1TipHeight)
  const known = createHeaderLookup(view, headers)
  const announcement = parts.announcement()
  const keyEpochs =
    getPegBooks(view).keyEpochCount === 0 && announcement !== undefined ? [announcement] : []
  const blocks = createBlockReader(parts.l1, known)
  return {
    headers,
    keyEpochs,
    confirmations: await planConfirmations(view, parts, known.height, blocks),
    deposits: await planDeposits(view, parts, known.height, blocks),
  }
}

async function planHeaders(
  view: StateView,
  parts: PlannerParts,
  l1TipHeight: number,
): Promise<readonly Uint8Array[]> {
  const books = getPegBooks(view)
  const until = Math.min(
    proposableHeight(parts.params, l1TipHeight),
    books.l1Height + HEADERS_PER_BLOCK,
  )
  const headers: Uint8Array[] = []
  let previous: BlockHash = books.l1Hash
  for (let height = books.l1Height + 1; height <= until; height++) {
    const hash = await parts.l1.blockHashAt(height)
    const found = hash === undefined ? undefined : await parts.l1.header(hash)
    // L1 moved while we read, or is on another branch than the chain: say what is sure.
    if (found === undefined || decodeHeader(found.header).previousHash !== previous) break
    headers.push(found.header)
    previous = headerHash(decodeHeader(found.header))
  }
  return headers
}

interface HeaderLookup {
  /** Last height known once the proposed headers are in. */
  readonly height: number
  hashAt(height: number): BlockHash | undefined
}

function createHeaderLookup(view: StateView, headers: readonly Uint8Array[]): HeaderLookup {
  const { l1Height } = getPegBooks(view)
  return {
    height: l1Height + headers.length,
    hashAt(height) {
      const added = headers[height - l1Height - 1]
      const header = added === undefined ? findL1Header(view, height) : decodeHeader(added)
      return header === undefined ? undefined : headerHash(header)
    },
  }
}

type BlockReader = (height: number) => Promise<L1Block | undefined>

/** L1 blocks under headers that the chain will know, each read once. */
function createBlockReader(l1: BitcoinL1, known: HeaderLookup): BlockReader {
  const read = new Map<number, L1Block | undefined>()
  return async (height) => {
    if (read.has(height)) return read.get(height)
    const hash = known.hashAt(height)
    const block = hash === undefined ? undefined : await l1.block(hash)
    read.set(height, block)
    return block
  }
}

async function planConfirmations(
  view: StateView,
  parts: PlannerParts,
  l1Height: number,
  blockAt: BlockReader,
): Promise<readonly L1TransactionProof[]> {
  const proofs: L1TransactionProof[] = []
  for (const batch of openBatches(view)) {
    if (proofs.length >= MAX_CONFIRMATIONS_PER_BLOCK) break
    const txid = transactionId(batch.transaction)
    const height = parts.finder.heightOf(txid)
    if (height === undefined || height > l1Height) continue
    const proof = await proofOf(txid, height, blockAt)
    if (proof !== undefined) proofs.push(proof)
  }
  return proofs
}

async function planDeposits(
  view: StateView,
  parts: PlannerParts,
  l1Height: number,
  blockAt: BlockReader,
): Promise<readonly DepositProof[]> {
  if (getPegBooks(view).keyEpochCount === 0) return []
  const { params, book } = parts
  const candidates = chooseDeposits(view, params, book.deposits.values(), l1Height)
  const proved: SeenDeposit[] = []
  const proofs = new Map<Txid, L1TransactionProof>()
  let bytes = 0
  for (const deposit of candidates.slice(0, DEPOSITS_PER_BLOCK)) {
    const { txid } = deposit.outPoint
    const proof = proofs.get(txid) ?? (await proofOf(txid, deposit.l1Height, blockAt))
    // The block it was seen in is not the chain's: the watcher will see it again elsewhere.
    if (proof === undefined) continue
    if (!proofs.has(txid)) bytes += proof.transaction.length
    if (bytes > PROOF_BYTES_MAX) break
    proofs.set(txid, proof)
    proved.push(deposit)
  }
  return joinClaims(aboveMinimum(proved, params.peg.minDepositSats), proofs)
}

/** Deposits to one address count together towards the minimum. */
function aboveMinimum(deposits: readonly SeenDeposit[], minimum: bigint): readonly SeenDeposit[] {
  const sums = new Map<string, bigint>()
  for (const { script, value } of deposits) {
    const address = bytesToHex(script)
    sums.set(address, (sums.get(address) ?? 0n) + value)
  }
  return deposits.filter(({ script }) => (sums.get(bytesToHex(script)) ?? 0n) >= minimum)
}

/** One proof per L1 transaction, claiming each of its deposits. */
function joinClaims(
  deposits: readonly SeenDeposit[],
  proofs: ReadonlyMap<Txid, L1TransactionProof>,
): readonly DepositProof[] {
  const claims = new Map<Txid, DepositProof['claims'][number][]>()
  for (const { outPoint, keyEpoch, recipient } of deposits) {
    const list = claims.get(outPoint.txid) ?? []
    list.push({ vout: outPoint.vout, keyEpoch, recipient })
    claims.set(outPoint.txid, list)
  }
  return [...claims].flatMap(([txid, list]) => {
    const proof = proofs.get(txid)
    return proof === undefined ? [] : [{ ...proof, claims: list }]
  })
}

async function proofOf(
  txid: Txid,
  height: number,
  blockAt: BlockReader,
): Promise<L1TransactionProof | undefined> {
  const block = await blockAt(height)
  return block === undefined ? undefined : findL1TransactionProof(block, txid)
}
