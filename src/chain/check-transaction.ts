/**
 * Rules that a transaction keeps or breaks by itself (design: Bitcoin's context-free rules, and this
 * chain's narrower set of forms). Codes are Bitcoin Core's words where Core has one.
 */

import { outputKind } from '../bitcoin/script.ts'
import {
  isCoinbase,
  outPointKey,
  type Transaction,
  transactionSizes,
  transactionWeight,
} from '../bitcoin/transaction.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { MAX_SATS } from '../primitives/units.ts'
import { MAX_BLOCK_WEIGHT } from './params.ts'

/** A 64-byte transaction could pass for an inner node of a Merkle tree (BIP54). */
const FORBIDDEN_STRIPPED_BYTES = 64

export function checkTransaction(transaction: Transaction): Result<void, Rejection> {
  if (transaction.inputs.length === 0) return reject('bad-txns-vin-empty')
  if (transaction.outputs.length === 0) return reject('bad-txns-vout-empty')
  if (transactionWeight(transaction) > MAX_BLOCK_WEIGHT) return reject('bad-txns-oversize')
  if (transactionSizes(transaction).strippedBytes === FORBIDDEN_STRIPPED_BYTES) {
    return reject('tx-size-small')
  }
  // BIP431 allows version 3; anything else waits for a meaning.
  if (transaction.version < 1 || transaction.version > 3) return reject('version')
  const outputs = checkOutputs(transaction)
  if (!outputs.ok) return outputs
  return checkInputs(transaction)
}

function checkOutputs(transaction: Transaction): Result<void, Rejection> {
  let total = 0n
  for (const [index, output] of transaction.outputs.entries()) {
    total += output.value
    if (total > MAX_SATS) return reject('bad-txns-txouttotal-toolarge')
    switch (outputKind(output.script)) {
      case 'p2wpkh':
      case 'p2wsh':
      case 'p2tr':
      case 'p2a':
      case 'withdraw':
        if (output.value === 0n) return reject('bad-txns-vout-zero', 'invalid', `output ${index}`)
        break
      case 'op_return':
        // Value in an output that nobody can spend would leave the supply without leaving the books.
        if (output.value !== 0n)
          return reject('bad-txns-op-return-value', 'invalid', `output ${index}`)
        break
      case 'p2pkh':
      case 'p2sh':
      case 'unknown':
        return reject('bad-output-type', 'invalid', `output ${index}`)
    }
  }
  return ok(undefined)
}

function checkInputs(transaction: Transaction): Result<void, Rejection> {
  if (isCoinbase(transaction)) {
    const length = transaction.inputs[0]?.scriptSig.length ?? 0
    return length < 2 || length > 100 ? reject('bad-cb-length') : ok(undefined)
  }
  // An input alone, as most are, has no double.
  const seen = transaction.inputs.length === 1 ? undefined : new Set<string>()
  for (const input of transaction.inputs) {
    if (seen !== undefined) {
      const key = outPointKey(input.prevout)
      if (seen.has(key)) return reject('bad-txns-inputs-duplicate')
      seen.add(key)
    }
    if (isNullOutPoint(input.prevout.vout, input.prevout.txid))
      return reject('bad-txns-prevout-null')
    // BIP141: native witness programs only, so no input has anything to say here.
    if (input.scriptSig.length !== 0) return reject('scriptsig-not-empty')
  }
  return ok(undefined)
}

function isNullOutPoint(vout: number, txid: string): boolean {
  return vout === 0xffff_ffff && /^0+$/.test(txid)
}
