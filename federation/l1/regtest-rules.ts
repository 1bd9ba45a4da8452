/**
 * Bitcoin's rules as the embedded regtest L1 checks them: transactions, and standardness as Bitcoin
 * Core's default policy has it. Scripts, amounts and time locks are those of `src/chain`, which are
 * Bitcoin's with all standard flags on.
 *
 * What is stricter than Bitcoin: standard script flags also hold inside blocks, and the script
 * engine knows native segwit and taproot only, so outputs of other types can be paid but not spent
 * (code `unsupported-script`). Left out: the block's limit of signature operations.
 */

import { classifyOutput, findWitnessProgram } from '../../src/bitcoin/script.ts'
import {
  isCoinbase,
  outPointKey,
  type Transaction,
  type TxOutput,
  transactionSizes,
  transactionWeight,
} from '../../src/bitcoin/transaction.ts'
import type { CoinView } from '../../src/chain/coin.ts'
import {
  type ConnectedTransaction,
  connectTransaction,
  type ScriptCache,
  type SpendContext,
} from '../../src/chain/connect-transaction.ts'
import { unreachable } from '../../src/primitives/assert.ts'
import { ok, type Rejection, type Result, reject } from '../../src/primitives/result.ts'
import { MAX_SATS } from '../../src/primitives/units.ts'

/** Consensus-critical on Bitcoin. */
const COINBASE_MATURITY = 100
/** Consensus-critical on Bitcoin, BIP141. */
export const BLOCK_WEIGHT_MAX = 4_000_000
/** Policy: Core's default -minrelaytxfee before 30, satoshis per 1,000 virtual bytes. */
export const MIN_RELAY_FEE_SATS_PER_KVB = 1_000
/** Policy: Core's MAX_STANDARD_TX_WEIGHT. */
const STANDARD_WEIGHT_MAX = 400_000
/** Policy: Core's MIN_STANDARD_TX_NONWITNESS_SIZE; 64 bytes could pass for a Merkle node. */
const STRIPPED_BYTES_MIN = 65
/** Policy: OP_RETURN, push, 80 bytes. */
const DATA_SCRIPT_BYTES_MAX = 83
const STANDARD_VERSION_MAX = 3

/** Rules that need no state. A coinbase is refused: blocks check theirs themselves. */
export function checkLooseTransaction(transaction: Transaction): Result<void, Rejection> {
  const { inputs, outputs } = transaction
  if (inputs.length === 0) return reject('bad-txns-vin-empty')
  if (outputs.length === 0) return reject('bad-txns-vout-empty')
  if (transactionSizes(transaction).strippedBytes * 4 > BLOCK_WEIGHT_MAX) {
    return reject('bad-txns-oversize')
  }
  const total = outputs.reduce((sum, output) => sum + output.value, 0n)
  if (total > MAX_SATS) return reject('bad-txns-txouttotal-toolarge')
  const keys = new Set(inputs.map((input) => outPointKey(input.prevout)))
  if (keys.size !== inputs.length) return reject('bad-txns-inputs-duplicate')
  if (isCoinbase(transaction)) return reject('coinbase')
  return ok(undefined)
}

/** Core's IsStandardTx, as far as it concerns transactions without legacy inputs. */
export function checkStandard(transaction: Transaction): Result<void, Rejection> {
  const { version, inputs, outputs } = transaction
  if (version < 1 || version > STANDARD_VERSION_MAX) return reject('version', 'policy')
  if (transactionWeight(transaction) > STANDARD_WEIGHT_MAX) return reject('tx-size', 'policy')
  if (transactionSizes(transaction).strippedBytes < STRIPPED_BYTES_MIN) {
    return reject('tx-size-small', 'policy')
  }
  if (inputs.some((input) => input.scriptSig.length > 0))
    return reject('unsupported-script', 'policy')
  let dataOutputs = 0
  for (const output of outputs) {
    const code = nonStandardOutput(output)
    if (code !== undefined) return reject(code, 'policy')
    if (classifyOutput(output.script).kind === 'op_return') dataOutputs += 1
  }
  return dataOutputs > 1 ? reject('multi-op-return', 'policy') : ok(undefined)
}

function nonStandardOutput(output: TxOutput): string | undefined {
  const { kind } = classifyOutput(output.script)
  const limit = dustLimitSats(output.script)
  if (kind === 'unknown' && findWitnessProgram(output.script) === undefined) return 'scriptpubkey'
  if (kind === 'op_return') {
    return output.script.length > DATA_SCRIPT_BYTES_MAX ? 'scriptpubkey' : undefined
  }
  return output.value < limit ? 'dust' : undefined
}

/** Least value worth spending at 3 sat/vB (Core's GetDustThreshold), satoshis. */
function dustLimitSats(script: Uint8Array): bigint {
  const { kind } = classifyOutput(script)
  switch (kind) {
    case 'p2wpkh':
      return 294n
    case 'p2wsh':
    case 'p2tr':
      return 330n
    case 'p2a':
      return 240n
    case 'p2pkh':
      return 546n
    case 'p2sh':
      return 540n
    case 'withdraw':
    case 'unknown':
      // (8 value + 1 length + script + 67 to spend a witness program) × 3
      return BigInt(3 * (8 + 1 + script.length + 67))
    case 'op_return':
      return 0n
    default:
      return unreachable(kind)
  }
}

/** Inputs, amounts, maturity, locks and scripts against `coins`. */
export function checkSpend(
  transaction: Transaction,
  coins: CoinView,
  context: SpendContext,
  cache: ScriptCache,
): Result<ConnectedTransaction, Rejection> {
  for (const { prevout } of transaction.inputs) {
    const coin = coins.findCoin(prevout)
    if (coin === undefined) return reject('bad-txns-inputs-missingorspent', 'missing')
    if (coin.origin === 'coinbase' && context.height - coin.height < COINBASE_MATURITY) {
      return reject('bad-txns-premature-spend-of-coinbase', 'premature')
    }
    if (findWitnessProgram(coin.script) === undefined) return reject('unsupported-script', 'policy')
  }
  return connectTransaction(transaction, coins, context, cache)
}

/** The fee at a rate, rounded up to whole satoshis. */
export function feeAtRate(rateSatsPerKvb: number, vsize: number): bigint {
  return BigInt(Math.ceil((rateSatsPerKvb * vsize) / 1_000))
}
