/**
 * What a proof of reserves proves, to somebody who trusts a quorum of the network's validators for the
 * state and nobody for L1: that the books of a final block balance, and that each coin of the reserves is
 * an output of a Bitcoin transaction, in a Bitcoin block, that pays the federation's key.
 *
 * That no coin is missing needs no proof of its own: the coins shown are distinct records of the state,
 * every one is worth something, and together they are worth exactly what the books say.
 *
 * Runs wherever JavaScript does. Who builds proofs: `build-reserves-proof.ts`. Leaves out whether the
 * coins are still unspent on L1, which only L1 can say.
 */

import { verifyProofOfWork } from '../bitcoin/header.ts'
import {
  type OutPoint,
  outPointKey,
  type Transaction,
  transactionId,
} from '../bitcoin/transaction.ts'
import { bytesToHex, equalBytes } from '../primitives/bytes.ts'
import { DecodeError } from '../primitives/codec.ts'
import type { BlockHash, Hash32, Txid } from '../primitives/hashes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import type { BlockExtension } from './extension.ts'
import type { GenesisFacts } from './finality.ts'
import type { PegParams } from './params.ts'
import { getPegBooks, isSolvent, type PegBooks } from './peg/books.ts'
import { depositScript } from './peg/deposit-address.ts'
import { findKeyEpoch, type KeyEpoch } from './peg/key-epochs.ts'
import { findL1Header } from './peg/l1-headers.ts'
import { checkL1Proof } from './peg/l1-proof.ts'
import { findReserve, type ReserveCoin } from './peg/reserves.ts'
import {
  decodeReservesGroup,
  decodeReservesHead,
  type ProvedRecord,
  RESERVES_PROOF_COINS_MAX,
  type ReservesProofGroup,
  type ReservesProofHead,
  reservesProofFrames,
} from './reserves-proof.ts'
import {
  NAMESPACE,
  numberStateKey,
  outPointStateKey,
  type StateKey,
  type StateView,
} from './state.ts'
import { verifyStateProof } from './state-proof.ts'
import { checkChainProof, decodeChainProof, type ProvedFacts } from './verify-proof.ts'

/** What a verifier starts from. `ChainParams` has it. */
export interface ReservesTrust extends GenesisFacts {
  readonly peg: Pick<PegParams, 'recovery'>
}

export interface ProvedReserves {
  readonly block: Pick<
    ProvedFacts,
    'height' | 'blockHash' | 'timeMs' | 'totals' | 'signers' | 'validators'
  >
  /** Last L1 header in the state after the block. */
  readonly l1Height: number
  readonly l1Hash: BlockHash
  readonly coins: readonly ReserveCoin[]
  /** The epochs whose addresses hold the coins, and the active one. */
  readonly keyEpochs: readonly KeyEpoch[]
}

/** The file at once. The detail of a refusal names the coin, header or epoch. */
export function checkReservesProof(
  trust: ReservesTrust,
  file: Uint8Array,
): Result<ProvedReserves, Rejection> {
  try {
    const verifier = new ReservesVerifier(trust)
    for (const frame of reservesProofFrames(file)) {
      const checked = verifier.add(frame)
      if (!checked.ok) return checked
    }
    return verifier.finish()
  } catch (thrown) {
    if (!(thrown instanceof DecodeError)) throw thrown
    return reject('proof-format', 'invalid', thrown.message)
  }
}

/** The records that were proved so far, and nothing else. */
class ProvedView implements StateView {
  readonly #root: Hash32
  readonly #records = new Map<StateKey, Uint8Array>()

  constructor(root: Hash32) {
    this.#root = root
  }

  admit(key: StateKey, { value, proof }: ProvedRecord): boolean {
    if (!verifyStateProof(this.#root, key, value, proof)) return false
    this.#records.set(key, value)
    return true
  }

  get(key: StateKey): Uint8Array | undefined {
    return this.#records.get(key)
  }

  range(): Iterable<readonly [StateKey, Uint8Array]> {
    return []
  }
}

interface Opened {
  readonly facts: ProvedFacts
  readonly extension: BlockExtension
  readonly view: ProvedView
  readonly keyEpochs: readonly KeyEpoch[]
}

class ReservesVerifier {
  readonly #trust: ReservesTrust
  readonly #coins: ReserveCoin[] = []
  readonly #seen = new Set<Txid>()
  /** Deposit scripts by epoch and recipient; a derivation costs over a millisecond. */
  readonly #scripts = new Map<string, Uint8Array>()
  #opened: Opened | undefined
  #sum = 0n

  constructor(trust: ReservesTrust) {
    this.#trust = trust
  }

  /** @throws DecodeError */
  add(frame: Uint8Array): Result<void, Rejection> {
    if (this.#opened !== undefined) return this.#addGroup(this.#opened, decodeReservesGroup(frame))
    const opened = openHead(this.#trust, decodeReservesHead(frame))
    if (!opened.ok) return opened
    this.#opened = opened.value
    return ok(undefined)
  }

  finish(): Result<ProvedReserves, Rejection> {
    if (this.#opened === undefined) return reject('proof-format', 'invalid', 'it is empty')
    const { facts, extension, keyEpochs } = this.#opened
    const { reserves } = facts.totals
    if (this.#sum !== reserves) {
      return reject(
        'reserves-proof-sum',
        'invalid',
        `the coins shown make ${this.#sum} satoshis, the books say ${reserves}`,
      )
    }
    const { coin: _, ...block } = facts
    const { l1Height, l1Hash } = extension
    return ok({ block, l1Height, l1Hash, coins: this.#coins, keyEpochs })
  }

  /** L1 transaction → its block's header → the coins that are its outputs. */
  #addGroup(opened: Opened, group: ReservesProofGroup): Result<void, Rejection> {
    const header = admitHeader(opened, group)
    if (!header.ok) return header
    const checked = checkL1Proof(opened.view, group)
    if (!checked.ok) {
      return reject(checked.error.code, 'invalid', `a transaction in L1 block ${group.l1Height}`)
    }
    const txid = transactionId(checked.value)
    if (this.#seen.has(txid)) return reject('reserves-proof-twice', 'invalid', txid)
    this.#seen.add(txid)
    let last = -1
    for (const { vout, record } of group.coins) {
      const outPoint = { txid, vout }
      if (vout <= last) return reject('reserves-proof-twice', 'invalid', outPointKey(outPoint))
      last = vout
      const coin = this.#checkCoin(opened, outPoint, record)
      if (!coin.ok) return coin
      const place = checkPlace(coin.value, checked.value, group.l1Height)
      if (!place.ok) return place
      if (this.#coins.length >= RESERVES_PROOF_COINS_MAX) {
        return reject('proof-format', 'invalid', 'too many coins')
      }
      this.#coins.push(coin.value)
      this.#sum += coin.value.value
    }
    return ok(undefined)
  }

  /** State root → record; group key, recipient and recovery leaf → script. */
  #checkCoin(
    { view, keyEpochs }: Opened,
    outPoint: OutPoint,
    record: ProvedRecord,
  ): Result<ReserveCoin, Rejection> {
    const named = outPointKey(outPoint)
    const isThere = view.admit(outPointStateKey(NAMESPACE.reserve, outPoint), record)
    const coin = isThere ? findReserve(view, outPoint) : undefined
    if (coin === undefined) return reject('reserves-proof-coin', 'invalid', named)
    const epoch = keyEpochs.find((each) => each.epoch === coin.keyEpoch)
    if (epoch === undefined) return reject('reserves-proof-key-epoch', 'invalid', named)
    if (!equalBytes(coin.script, this.#scriptOf(epoch, coin.recipient))) {
      return reject('reserves-proof-address', 'invalid', named)
    }
    return ok(coin)
  }

  #scriptOf({ epoch, groupKey }: KeyEpoch, recipient: Uint8Array): Uint8Array {
    const key = `${epoch}:${bytesToHex(recipient)}`
    let script = this.#scripts.get(key)
    if (script === undefined) {
      const { chainId, peg } = this.#trust
      script = depositScript({ chainId, epoch, groupKey, recovery: peg.recovery, recipient })
      this.#scripts.set(key, script)
    }
    return script
  }
}

/** Certificate → extension → books and key epochs. @throws DecodeError */
function openHead(trust: ReservesTrust, head: ReservesProofHead): Result<Opened, Rejection> {
  const facts = checkChainProof(trust, head.chainProof)
  if (!facts.ok) return facts
  const { extension } = decodeChainProof(head.chainProof).block
  const view = new ProvedView(extension.stateRoot)
  if (facts.value.coin !== undefined || !view.admit(NAMESPACE.pegBooks, head.books)) {
    return reject('reserves-proof-books')
  }
  const books = getPegBooks(view)
  if (!areBooksOf(books, extension)) return reject('reserves-proof-books')
  if (!isSolvent(books.totals)) return reject('reserves-proof-insolvent')
  const keyEpochs: KeyEpoch[] = []
  for (const { epoch, record } of head.keyEpochs) {
    const isNext = epoch > (keyEpochs.at(-1)?.epoch ?? -1)
    const isThere = view.admit(numberStateKey(NAMESPACE.keyEpoch, epoch), record)
    const found = isThere && isNext ? findKeyEpoch(view, epoch) : undefined
    if (found === undefined) {
      return reject('reserves-proof-key-epoch', 'invalid', `key epoch ${epoch}`)
    }
    keyEpochs.push(found)
  }
  return ok({ facts: facts.value, extension, view, keyEpochs })
}

function areBooksOf({ totals, l1Height, l1Hash }: PegBooks, extension: BlockExtension): boolean {
  return (
    totals.supply === extension.totals.supply &&
    totals.pendingReleases === extension.totals.pendingReleases &&
    totals.feeReserve === extension.totals.feeReserve &&
    totals.inFlightFees === extension.totals.inFlightFees &&
    totals.reserves === extension.totals.reserves &&
    l1Height === extension.l1Height &&
    l1Hash === extension.l1Hash
  )
}

function admitHeader(
  { view }: Opened,
  { l1Height, header }: ReservesProofGroup,
): Result<void, Rejection> {
  const isThere = view.admit(numberStateKey(NAMESPACE.l1Header, l1Height), header)
  const found = isThere ? findL1Header(view, l1Height) : undefined
  if (found !== undefined && verifyProofOfWork(found)) return ok(undefined)
  return reject('reserves-proof-l1-header', 'invalid', `L1 header ${l1Height}`)
}

/** Is the coin of the state the output of the L1 transaction? */
function checkPlace(
  coin: ReserveCoin,
  transaction: Transaction,
  l1Height: number,
): Result<void, Rejection> {
  const output = transaction.outputs[coin.outPoint.vout]
  const isSame =
    output !== undefined &&
    output.value === coin.value &&
    equalBytes(output.script, coin.script) &&
    coin.l1Height === l1Height
  if (isSame) return ok(undefined)
  return reject('reserves-proof-output', 'invalid', outPointKey(coin.outPoint))
}
