/** P2TR keys of a run's people, on either chain, and spends of their coins signed by stand-ins. */

import { p2trScript } from '../../bitcoin/script.ts'
import { taprootSighash } from '../../bitcoin/sighash.ts'
import type { OutPoint, Transaction, TxOutput } from '../../bitcoin/transaction.ts'
import { present } from '../../primitives/assert.ts'
import { utf8 } from '../../primitives/bytes.ts'
import { hashToBytes, type XOnlyKey } from '../../primitives/hashes.ts'
import { xOnlyPublicKey } from '../../primitives/secp256k1.ts'
import { sha256 } from '../../primitives/sha256.ts'
import { sats } from '../../primitives/units.ts'
import { fakeSignature } from '../fake-signatures.ts'

export interface WalletCoin {
  readonly outPoint: OutPoint
  readonly value: bigint
}

const keys = new Map<string, XOnlyKey>()

/** A point on the curve whose secret nobody needs; the same for the same name. */
export function namedKey(name: string): XOnlyKey {
  const known = keys.get(name)
  if (known !== undefined) return known
  const key = xOnlyPublicKey(sha256(utf8(`causeway simulated ${name}`)))
  keys.set(name, key)
  return key
}

export class SimulatedWallet {
  readonly name: string
  readonly key: XOnlyKey
  readonly script: Uint8Array

  constructor(name: string) {
    this.name = name
    this.key = namedKey(name)
    this.script = p2trScript(hashToBytes(this.key))
  }

  /** Spends coins of this wallet; what the outputs leave is the fee. */
  spend(coins: readonly WalletCoin[], outputs: readonly TxOutput[]): Transaction {
    const unsigned: Transaction = {
      version: 2,
      inputs: coins.map(({ outPoint }) => ({
        prevout: outPoint,
        scriptSig: new Uint8Array(),
        sequence: 0xffff_fffd,
        witness: [],
      })),
      outputs,
      lockTime: 0,
    }
    const spent = coins.map(({ value }) => ({ value: sats(value), script: this.script }))
    return {
      ...unsigned,
      inputs: unsigned.inputs.map((input, index) => {
        const digest = present(taprootSighash(unsigned, index, spent, 0), 'sighash')
        return { ...input, witness: [fakeSignature(this.key, digest)] }
      }),
    }
  }
}
