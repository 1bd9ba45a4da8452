/**
 * What the recovery keys spend: an output of the federation through its recovery leaf (BIP341, BIP342).
 * Coins come with what their address was derived from, and the address is derived again here: a coin that
 * does not fit could not be spent, and would make every signature over it worthless.
 */

import { outPointKey, type TxOutput } from '../../src/bitcoin/transaction.ts'
import {
  type DepositTerms,
  depositControlBlock,
  depositScript,
  type RecoveryPolicy,
  recoveryLeafScript,
} from '../../src/chain/peg/deposit-address.ts'
import { recoveryOpensAt } from '../../src/chain/peg/recovery-opening.ts'
import type { ReserveCoin } from '../../src/chain/peg/reserves.ts'
import { equalBytes } from '../../src/primitives/bytes.ts'
import { DecodeError, decodeAll } from '../../src/primitives/codec.ts'
import type { Hash32, XOnlyKey } from '../../src/primitives/hashes.ts'
import { xOnlyKeyFromBytes } from '../../src/primitives/hashes.ts'
import { RecoveryError } from './recovery-error.ts'

/** Fixed by the genesis file. */
export interface RecoveryNetwork {
  readonly chainId: Hash32
  readonly recovery: RecoveryPolicy
}

/** An output of the federation on L1. */
export interface RecoveryCoin
  extends Pick<ReserveCoin, 'outPoint' | 'value' | 'script' | 'keyEpoch' | 'recipient'> {
  /** Of the key epoch: 33 bytes. */
  readonly groupKey: Uint8Array
  /** Of the L1 block that has it. */
  readonly l1Height: number
}

/** How an input reveals the leaf. */
export interface LeafSpend {
  readonly leaf: Uint8Array
  /** 33 bytes. */
  readonly controlBlock: Uint8Array
  /** x-only, 32 bytes. */
  readonly internalKey: Uint8Array
}

export function depositTermsOf(
  { chainId, recovery }: RecoveryNetwork,
  coin: Pick<RecoveryCoin, 'keyEpoch' | 'groupKey' | 'recipient'>,
): DepositTerms {
  const { keyEpoch, groupKey, recipient } = coin
  return { chainId, epoch: keyEpoch, groupKey, recovery, recipient }
}

/** @throws RecoveryError `address-mismatch` when the coin's script is not the one derived here. */
export function leafSpendOf(network: RecoveryNetwork, coin: RecoveryCoin): LeafSpend {
  const terms = depositTermsOf(network, coin)
  if (!equalBytes(depositScript(terms), coin.script)) {
    throw new RecoveryError(
      'address-mismatch',
      `${outPointKey(coin.outPoint)} does not pay an address of this federation`,
    )
  }
  const controlBlock = depositControlBlock(terms)
  return {
    leaf: recoveryLeafScript(network.recovery),
    controlBlock,
    internalKey: controlBlock.slice(1),
  }
}

/** Height of the first L1 block in which the coin may be spent this way. */
export function opensAt({ recovery }: RecoveryNetwork, coin: RecoveryCoin): number {
  return recoveryOpensAt(coin, recovery)
}

export function outputOf({ value, script }: RecoveryCoin): TxOutput {
  return { value, script }
}

const OP_1 = 0x51
const OP_16 = 0x60
const NUMBER_BYTES_MAX = 3
const KEYS_MAX = 32

/** The terms of a leaf that `recoveryLeafScript` made; undefined for any other script. */
export function parseRecoveryLeaf(script: Uint8Array): RecoveryPolicy | undefined {
  try {
    const policy = decodeAll(script, (reader) => {
      const readNumber = (): number => {
        const first = reader.u8()
        if (first >= OP_1 && first <= OP_16) return first - OP_1 + 1
        if (first === 0 || first > NUMBER_BYTES_MAX) throw new DecodeError('not a number')
        let value = 0
        for (const [i, byte] of reader.bytes(first).entries()) value += byte * 256 ** i
        return value
      }
      const delayBlocks = readNumber()
      reader.bytes(2)
      const keys: XOnlyKey[] = []
      while (reader.remaining > 34 && keys.length < KEYS_MAX) {
        reader.u8()
        keys.push(xOnlyKeyFromBytes(reader.bytes(32)))
        reader.u8()
      }
      const threshold = readNumber()
      reader.u8()
      return { delayBlocks, threshold, keys }
    })
    return isPolicy(policy) && equalBytes(recoveryLeafScript(policy), script) ? policy : undefined
  } catch (thrown) {
    if (thrown instanceof DecodeError) return undefined
    throw thrown
  }
}

function isPolicy({ delayBlocks, threshold, keys }: RecoveryPolicy): boolean {
  return delayBlocks >= 1 && delayBlocks <= 0xffff && threshold >= 1 && threshold <= keys.length
}
