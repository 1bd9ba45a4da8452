/** bitcoinjs-lib 7 as a wallet author uses it: payments, PSBT, and hand-made witness scripts. */

import * as bitcoin from 'bitcoinjs-lib'
import * as ecc from 'tiny-secp256k1'
import { present } from '../../src/primitives/assert.ts'
import { hexToBytes, reverseBytes } from '../../src/primitives/bytes.ts'
import { type ClientLibrary, REPLACEABLE, type SpendKind, testSecret } from './spend-kind.ts'

bitcoin.initEccLib(ecc)

const network = bitcoin.networks.regtest
const { payments, opcodes } = bitcoin

interface BitcoinJsKey extends bitcoin.Signer {
  readonly publicKey: Uint8Array
  readonly xOnly: Uint8Array
  signSchnorr(hash: Uint8Array): Uint8Array
  /** BIP341: the key that spends a taproot output without a script tree by key. */
  tweaked(): BitcoinJsKey
}

function keyOf(secret: Uint8Array): BitcoinJsKey {
  const publicKey = present(ecc.pointFromScalar(secret, true), 'public key')
  const xOnly = bitcoin.toXOnly(publicKey)
  return {
    publicKey,
    xOnly,
    sign: (hash) => ecc.sign(hash, secret),
    signSchnorr: (hash) => ecc.signSchnorr(hash, secret),
    tweaked() {
      const even = publicKey[0] === 3 ? ecc.privateNegate(secret) : secret
      const tweak = bitcoin.crypto.taggedHash('TapTweak', xOnly)
      return keyOf(present(ecc.privateAdd(even, tweak), 'tweaked secret'))
    },
  }
}

type InputDetails = Partial<Parameters<bitcoin.Psbt['addInput']>[0]>

/** Signs with PSBT; `details` are what the kind of output needs beside the coin. */
function psbtKind(
  name: string,
  script: Uint8Array,
  signers: readonly bitcoin.Signer[],
  details: InputDetails = {},
): SpendKind {
  return {
    name,
    script,
    spend(coin, outputs, locks = REPLACEABLE) {
      const psbt = new bitcoin.Psbt({ network }).setLocktime(locks.lockTime)
      psbt.addInput({
        hash: coin.txid,
        index: coin.vout,
        sequence: locks.sequence,
        witnessUtxo: { script, value: coin.value },
        ...details,
      })
      psbt.addOutputs([...outputs])
      for (const signer of signers) psbt.signInput(0, signer)
      return psbt.finalizeAllInputs().extractTransaction(true).toHex()
    },
  }
}

/** A witness script that ends in a signature check of `key`, signed without PSBT. */
function witnessScriptKind(name: string, witnessScript: Uint8Array, key: BitcoinJsKey): SpendKind {
  const redeem = { output: witnessScript, network }
  const script = scriptOf(payments.p2wsh({ redeem, network }))
  return {
    name,
    script,
    spend(coin, outputs, locks = REPLACEABLE) {
      const transaction = new bitcoin.Transaction()
      transaction.version = 2
      transaction.locktime = locks.lockTime
      transaction.addInput(reverseBytes(hexToBytes(coin.txid)), coin.vout, locks.sequence)
      for (const output of outputs) transaction.addOutput(output.script, output.value)
      const all = bitcoin.Transaction.SIGHASH_ALL
      const hash = transaction.hashForWitnessV0(0, witnessScript, coin.value, all)
      const signature = bitcoin.script.signature.encode(key.sign(hash), all)
      const input = bitcoin.script.compile([signature])
      const { witness } = payments.p2wsh({ redeem: { ...redeem, input }, network })
      transaction.setWitness(0, present(witness, 'witness'))
      return transaction.toHex()
    },
  }
}

function scriptOf(payment: bitcoin.Payment): Uint8Array {
  return present(payment.output, 'output script')
}

const alice = keyOf(testSecret(0xa1))
const bob = keyOf(testSecret(0xb0))
const carol = keyOf(testSecret(0xca))

function keyHash(): SpendKind {
  const payment = payments.p2wpkh({ pubkey: alice.publicKey, network })
  return psbtKind('P2WPKH', scriptOf(payment), [alice])
}

function taprootKey(): SpendKind {
  const payment = payments.p2tr({ internalPubkey: bob.xOnly, network })
  return psbtKind('P2TR by key', scriptOf(payment), [bob.tweaked()], { tapInternalKey: bob.xOnly })
}

function twoOfThree(): SpendKind {
  const pubkeys = [alice, bob, carol].map((key) => key.publicKey)
  const redeem = payments.p2ms({ m: 2, pubkeys, network })
  const payment = payments.p2wsh({ redeem, network })
  return psbtKind('P2WSH, 2 of 3', scriptOf(payment), [alice, carol], {
    witnessScript: scriptOf(redeem),
  })
}

/** One of two leaves. */
function taprootScript(): SpendKind {
  const leaf = bitcoin.script.compile([bob.xOnly, opcodes.OP_CHECKSIG])
  const other = bitcoin.script.compile([carol.xOnly, opcodes.OP_CHECKSIG])
  const payment = payments.p2tr({
    internalPubkey: alice.xOnly,
    scriptTree: [{ output: leaf }, { output: other }],
    redeem: { output: leaf, redeemVersion: 0xc0 },
    network,
  })
  const controlBlock = present(payment.witness?.at(-1), 'control block')
  return psbtKind('P2TR by script', scriptOf(payment), [bob], {
    tapLeafScript: [{ leafVersion: 0xc0, script: leaf, controlBlock }],
  })
}

function locked(name: string, operation: number, operand: number): SpendKind {
  const script = bitcoin.script.compile([
    bitcoin.script.number.encode(operand),
    operation,
    present(opcodes['OP_DROP'], 'OP_DROP'),
    carol.publicKey,
    present(opcodes['OP_CHECKSIG'], 'OP_CHECKSIG'),
  ])
  return witnessScriptKind(name, script, carol)
}

export const BITCOINJS: ClientLibrary = {
  name: 'bitcoinjs-lib',
  kinds: [keyHash(), taprootKey(), twoOfThree(), taprootScript()],
  relativelyLocked: (blocks) =>
    locked('P2WSH with CSV', present(opcodes['OP_CHECKSEQUENCEVERIFY'], 'CSV'), blocks),
  absolutelyLocked: (lockTime) =>
    locked('P2WSH with CLTV', present(opcodes['OP_CHECKLOCKTIMEVERIFY'], 'CLTV'), lockTime),
  dataScript: (data) => scriptOf(payments.embed({ data: [data], network })),
}

/** A P2WPKH output of this client's, for money that tests pay each other with. */
export function bitcoinjsKeyHash(secret: Uint8Array): SpendKind {
  const key = keyOf(secret)
  return psbtKind('P2WPKH', scriptOf(payments.p2wpkh({ pubkey: key.publicKey, network })), [key])
}

/** What bitcoinjs-lib makes of an address. */
export function bitcoinjsScript(address: string): Uint8Array {
  return bitcoin.address.toOutputScript(address, network)
}

export function bitcoinjsAddress(script: Uint8Array): string {
  return bitcoin.address.fromOutputScript(script, network)
}
