/** @scure/btc-signer 2 as a wallet author uses it. */

import {
  p2ms,
  p2tr,
  p2tr_ms,
  p2wpkh,
  p2wsh,
  Script,
  ScriptNum,
  Transaction,
} from '@scure/btc-signer'
import { pubECDSA, pubSchnorr } from '@scure/btc-signer/utils.js'
import { type ClientLibrary, REPLACEABLE, type SpendKind, testSecret } from './spend-kind.ts'

export const SCURE_REGTEST = { bech32: 'bcrt', pubKeyHash: 0x6f, scriptHash: 0xc4, wif: 0xef }

const alice = testSecret(0x5a)
const bob = testSecret(0x5b)
const carol = testSecret(0x5c)

type InputDetails = Parameters<Transaction['addInput']>[0]

/** What the library's payments return: an input's details, some of them undefined. */
interface ScurePayment {
  readonly script: Uint8Array
}

function scureKind(name: string, payment: ScurePayment, secrets: readonly Uint8Array[]): SpendKind {
  const { script } = payment
  return {
    name,
    script,
    spend(coin, outputs, locks = REPLACEABLE) {
      const transaction = new Transaction({
        lockTime: locks.lockTime,
        // Time-locked leaves, OP_RETURN and withdraw outputs are nothing that it has a name for.
        allowUnknownInputs: true,
        allowUnknownOutputs: true,
      })
      transaction.addInput({
        ...(payment as InputDetails),
        txid: coin.txid,
        index: coin.vout,
        sequence: locks.sequence,
        witnessUtxo: { script, amount: coin.value },
      })
      for (const output of outputs) {
        transaction.addOutput({ script: output.script, amount: output.value })
      }
      for (const secret of secrets) transaction.sign(secret)
      transaction.finalize()
      return transaction.hex
    },
  }
}

function keyHash(): SpendKind {
  return scureKind('P2WPKH', p2wpkh(pubECDSA(alice, true), SCURE_REGTEST), [alice])
}

function taprootKey(): SpendKind {
  return scureKind('P2TR by key', p2tr(pubSchnorr(bob), undefined, SCURE_REGTEST), [bob])
}

function twoOfThree(): SpendKind {
  const keys = [alice, bob, carol].map((secret) => pubECDSA(secret, true))
  return scureKind('P2WSH, 2 of 3', p2wsh(p2ms(2, keys), SCURE_REGTEST), [bob, carol])
}

/** OP_CHECKSIGADD, under a key that nobody has. */
function taprootMultisig(): SpendKind {
  const keys: Uint8Array[] = [alice, bob, carol].map((secret) => pubSchnorr(secret))
  const payment = p2tr(undefined, { script: p2tr_ms(2, keys).script }, SCURE_REGTEST)
  return scureKind('P2TR by script, 2 of 3', payment, [alice, carol])
}

function lockedLeaf(
  name: string,
  operation: 'CHECKSEQUENCEVERIFY' | 'CHECKLOCKTIMEVERIFY',
  operand: number,
): SpendKind {
  const number = operand <= 16 ? operand : ScriptNum().encode(BigInt(operand))
  const script = Script.encode([number, operation, 'DROP', pubSchnorr(carol), 'CHECKSIG'])
  const payment = p2tr(undefined, { script }, SCURE_REGTEST, true)
  return scureKind(name, payment, [carol])
}

export const SCURE: ClientLibrary = {
  name: '@scure/btc-signer',
  kinds: [keyHash(), taprootKey(), twoOfThree(), taprootMultisig()],
  relativelyLocked: (blocks) => lockedLeaf('P2TR with CSV', 'CHECKSEQUENCEVERIFY', blocks),
  absolutelyLocked: (lockTime) => lockedLeaf('P2TR with CLTV', 'CHECKLOCKTIMEVERIFY', lockTime),
  dataScript: (data) => Script.encode(['RETURN', data]),
}
