/**
 * The rules of a regtest block that need no coins: its header against the chain before it, its
 * coinbase, BIP34, BIP141's commitment and the weight. Codes are Bitcoin Core's. Left out: a block
 * may lie any time in the future, since a test's clock may stand still.
 */

import { HEADER_BYTES, verifyProofOfWork } from '../../src/bitcoin/header.ts'
import { isCoinbase, type Transaction, transactionWeight } from '../../src/bitcoin/transaction.ts'
import { equalBytes } from '../../src/primitives/bytes.ts'
import { ok, type Rejection, type Result, reject } from '../../src/primitives/result.ts'
import type { BitcoinBlock } from './block-codec.ts'
import { COMMITMENT_PREFIX, heightPush, REGTEST_BITS, witnessCommitment } from './regtest-block.ts'
import { BLOCK_WEIGHT_MAX } from './regtest-rules.ts'

const COMMITMENT_SCRIPT_BYTES_MIN = 38
/** Bitcoin: a coinbase's scriptSig is 2 to 100 bytes. */
const COINBASE_SCRIPT_BYTES_MIN = 2
const COINBASE_SCRIPT_BYTES_MAX = 100
/** BIP34, BIP66 and BIP65 together leave versions from 4. */
const VERSION_MIN = 4
/** Four weight units for each byte of the header and of a count of up to three bytes. */
const OVERHEAD_WEIGHT = 4 * (HEADER_BYTES + 3)

export interface BlockPlace {
  readonly height: number
  /** Of the blocks before, seconds. */
  readonly medianTimePast: number
}

/** `block` came out of `decodeBitcoinBlock`, or out of `buildRegtestBlock`. */
export function checkRegtestBlock(block: BitcoinBlock, place: BlockPlace): Result<void, Rejection> {
  const { header, transactions } = block
  if (header.bits !== REGTEST_BITS) return reject('bad-diffbits')
  if (!verifyProofOfWork(header)) return reject('high-hash')
  if (header.time <= place.medianTimePast) return reject('time-too-old')
  if (header.version < VERSION_MIN || header.version > 0x7fff_ffff) return reject('bad-version')
  const [coinbase, ...others] = transactions
  if (coinbase === undefined || !isCoinbase(coinbase)) return reject('bad-cb-missing')
  if (others.some(isCoinbase)) return reject('bad-cb-multiple')
  const { scriptSig } = coinbase.inputs[0] ?? { scriptSig: new Uint8Array() }
  const { length } = scriptSig
  if (length < COINBASE_SCRIPT_BYTES_MIN || length > COINBASE_SCRIPT_BYTES_MAX) {
    return reject('bad-cb-length')
  }
  const expected = heightPush(place.height)
  if (!equalBytes(scriptSig.subarray(0, expected.length), expected)) return reject('bad-cb-height')
  const weight = transactions.reduce((sum, each) => sum + transactionWeight(each), OVERHEAD_WEIGHT)
  if (weight > BLOCK_WEIGHT_MAX) return reject('bad-blk-weight')
  return checkCommitment(coinbase, transactions)
}

/** BIP141, "Commitment structure". */
function checkCommitment(
  coinbase: Transaction,
  transactions: readonly Transaction[],
): Result<void, Rejection> {
  // "If there are more than one scriptPubKey matching the pattern, the one with highest output
  // index is assumed to be the commitment."
  const found = coinbase.outputs.findLast(
    ({ script }) =>
      script.length >= COMMITMENT_SCRIPT_BYTES_MIN &&
      equalBytes(script.subarray(0, COMMITMENT_PREFIX.length), COMMITMENT_PREFIX),
  )
  if (found === undefined) {
    // "If all transactions in a block do not have witness data, the commitment is optional."
    const hasWitness = transactions.some((each) =>
      each.inputs.some((input) => input.witness.length > 0),
    )
    return hasWitness ? reject('unexpected-witness') : ok(undefined)
  }
  const [nonce, ...more] = coinbase.inputs[0]?.witness ?? []
  if (nonce?.length !== 32 || more.length > 0) return reject('bad-witness-nonce-size')
  const committed = found.script.subarray(COMMITMENT_PREFIX.length, COMMITMENT_SCRIPT_BYTES_MIN)
  return equalBytes(committed, witnessCommitment(transactions, nonce))
    ? ok(undefined)
    : reject('bad-witness-merkle-match')
}
