/**
 * What a member may sign for a batch: derived from its own final state, from nothing else. No
 * message, no amount and no tweak comes from the wire. Pure.
 */

import { taprootSighash } from '../../src/bitcoin/sighash.ts'
import { type Transaction, type TxOutput, transactionId } from '../../src/bitcoin/transaction.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import { type Batch, currentVersion } from '../../src/chain/peg/batches.ts'
import { depositTweaks } from '../../src/chain/peg/deposit-address.ts'
import { depositScriptOf, findKeyEpoch } from '../../src/chain/peg/key-epochs.ts'
import { findReserve, type ReserveCoin } from '../../src/chain/peg/reserves.ts'
import type { StateView } from '../../src/chain/state.ts'
import { assert, present } from '../../src/primitives/assert.ts'
import { equalBytes } from '../../src/primitives/bytes.ts'
import { encodeWith } from '../../src/primitives/codec.ts'
import {
  type Hash32,
  hash32FromBytes,
  hashToBytes,
  reversedToBytes,
} from '../../src/primitives/hashes.ts'
import { taggedHash } from '../../src/primitives/sha256.ts'
import type { Authorisation, SigningInput } from '../signing/roast-session.ts'
import type { SigningTask } from '../signing/signing-messages.ts'

const SIGHASH_DEFAULT = 0

/** Names the transaction of a batch's current version in the signing protocol. */
export function signingTaskOf(params: ChainParams, batch: Batch): SigningTask {
  const fields = encodeWith((writer) => {
    writer.bytes(hashToBytes(params.chainId)).u32be(batch.id)
    writer.bytes(reversedToBytes(transactionId(currentVersion(batch).transaction)))
  })
  const batchId: Hash32 = hash32FromBytes(taggedHash('causeway/batch', fields))
  return { batchId, version: batch.versions.length - 1 }
}

/** The inputs to sign, if the batch is open and its coins belong to `keyEpoch`. */
export function authoriseBatch(
  view: StateView,
  params: ChainParams,
  batch: Batch,
  keyEpoch: number,
): Authorisation | undefined {
  if (batch.status.kind !== 'open' || batch.keyEpoch !== keyEpoch) return undefined
  const { transaction } = currentVersion(batch)
  const coins = transaction.inputs.map((input) =>
    present(findReserve(view, input.prevout), 'reserve coin of an open batch'),
  )
  assert(
    coins.every((coin) => coin.keyEpoch === keyEpoch),
    'coins of one batch belong to one key epoch',
  )
  const spent: readonly TxOutput[] = coins
  return {
    inputs: coins.map((coin, index) => signingInput(view, params, transaction, coin, index, spent)),
  }
}

function signingInput(
  view: StateView,
  params: ChainParams,
  transaction: Transaction,
  coin: ReserveCoin,
  index: number,
  spent: readonly TxOutput[],
): SigningInput {
  const epoch = present(findKeyEpoch(view, coin.keyEpoch), 'key epoch of a reserve coin')
  // The coin's script must be the one that its recipient gives under the epoch's key.
  assert(
    equalBytes(coin.script, depositScriptOf(params, epoch, coin.recipient)),
    'a reserve coin pays another address',
  )
  const sighash = taprootSighash(transaction, index, spent, SIGHASH_DEFAULT)
  return {
    sighash: present(sighash, 'BIP341 digest'),
    tweak: depositTweaks({
      chainId: params.chainId,
      epoch: epoch.epoch,
      groupKey: epoch.groupKey,
      recovery: params.peg.recovery,
      recipient: coin.recipient,
    }),
  }
}
