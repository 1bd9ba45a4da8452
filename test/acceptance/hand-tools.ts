/**
 * Making witnesses by hand, with one library's own keys, trees, signature hashes and serialisation.
 * Each library gets every kind of spend from the same recipes (`witness-recipes.ts`).
 */

import {
  Transaction as ScureTransaction,
  p2tr as scureP2tr,
  p2wpkh as scureP2wpkh,
  p2wsh as scureP2wsh,
  TaprootControlBlock,
} from '@scure/btc-signer'
import { pubECDSA, signECDSA, signSchnorr, taprootTweakPrivKey } from '@scure/btc-signer/utils.js'
import * as bitcoin from 'bitcoinjs-lib'
import * as ecc from 'tiny-secp256k1'
import { present } from '../../src/primitives/assert.ts'
import { concatBytes, hexToBytes, reverseBytes } from '../../src/primitives/bytes.ts'
import { SCURE_REGTEST } from './scure-client.ts'
import type { ClientCoin, ClientOutput, SpendLocks } from './spend-kind.ts'

/** Leaves two by two; one leaf is a tree. */
export type Tree = Uint8Array | readonly [Tree, Tree]

export interface TaprootOutput {
  readonly script: Uint8Array
  /** What a spend of this leaf shows behind it. */
  control(leaf: Uint8Array): Uint8Array
  /** The secret that spends by key, from the internal key's. */
  tweaked(secret: Uint8Array): Uint8Array
}

/** A transaction with one input, on its way. */
export interface Draft {
  /** BIP143; the spent value is the coin's. */
  v0Digest(scriptCode: Uint8Array, hashType: number): Uint8Array
  /** BIP341, of a spend by key or of this leaf. */
  v1Digest(script: Uint8Array, hashType: number, leaf?: Uint8Array): Uint8Array
  /** The transaction as hex. */
  finish(witness: readonly Uint8Array[]): string
}

export interface HandTools {
  readonly name: string
  /** 33 bytes. */
  publicKey(secret: Uint8Array): Uint8Array
  /** DER. */
  ecdsa(digest: Uint8Array, secret: Uint8Array): Uint8Array
  schnorr(digest: Uint8Array, secret: Uint8Array): Uint8Array
  keyHash(publicKey: Uint8Array): Uint8Array
  scriptHash(script: Uint8Array): Uint8Array
  taproot(internal: Uint8Array, tree?: Tree): TaprootOutput
  draft(coin: ClientCoin, outputs: readonly ClientOutput[], locks: SpendLocks): Draft
}

const TAPSCRIPT = 0xc0

// --- bitcoinjs-lib ----------------------------------------------------------------------------

bitcoin.initEccLib(ecc)
const network = bitcoin.networks.regtest
const { payments } = bitcoin

type BitcoinJsTree = NonNullable<bitcoin.Payment['scriptTree']>

function bitcoinJsTree(tree: Tree): BitcoinJsTree {
  if (tree instanceof Uint8Array) return { output: tree, version: TAPSCRIPT }
  return [bitcoinJsTree(tree[0]), bitcoinJsTree(tree[1])]
}

function bitcoinJsLeafHash(leaf: Uint8Array): Uint8Array {
  const length = leaf.length < 0xfd ? [leaf.length] : [0xfd, leaf.length & 0xff, leaf.length >> 8]
  return bitcoin.crypto.taggedHash(
    'TapLeaf',
    concatBytes(Uint8Array.of(TAPSCRIPT, ...length), leaf),
  )
}

function bitcoinJsTaproot(internal: Uint8Array, tree?: Tree): TaprootOutput {
  const common = {
    internalPubkey: internal,
    network,
    ...(tree === undefined ? {} : { scriptTree: bitcoinJsTree(tree) }),
  }
  const payment = payments.p2tr(common)
  return {
    script: present(payment.output, 'output script'),
    control(leaf) {
      const redeem = { output: leaf, redeemVersion: TAPSCRIPT }
      return present(payments.p2tr({ ...common, redeem }).witness?.at(-1), 'control block')
    },
    tweaked(secret) {
      const isOdd = ecc.pointFromScalar(secret, true)?.[0] === 3
      const root = tree === undefined ? [] : [present(payment.hash, 'Merkle root')]
      const tweak = bitcoin.crypto.taggedHash('TapTweak', concatBytes(internal, ...root))
      const even = isOdd ? ecc.privateNegate(secret) : secret
      return present(ecc.privateAdd(even, tweak), 'tweaked secret')
    },
  }
}

export const BITCOINJS_TOOLS: HandTools = {
  name: 'bitcoinjs-lib',
  publicKey: (secret) => present(ecc.pointFromScalar(secret, true), 'public key'),
  // Its encoder adds a hash type, which the recipes choose.
  ecdsa: (digest, secret) =>
    bitcoin.script.signature.encode(ecc.sign(digest, secret), 1).subarray(0, -1),
  schnorr: (digest, secret) => ecc.signSchnorr(digest, secret),
  keyHash: (pubkey) => present(payments.p2wpkh({ pubkey, network }).output, 'output script'),
  scriptHash: (output) =>
    present(payments.p2wsh({ redeem: { output, network }, network }).output, 'output script'),
  taproot: bitcoinJsTaproot,
  draft(coin, outputs, locks) {
    const transaction = new bitcoin.Transaction()
    transaction.version = 2
    transaction.locktime = locks.lockTime
    transaction.addInput(reverseBytes(hexToBytes(coin.txid)), coin.vout, locks.sequence)
    for (const output of outputs) transaction.addOutput(output.script, output.value)
    return {
      v0Digest: (code, hashType) => transaction.hashForWitnessV0(0, code, coin.value, hashType),
      v1Digest(script, hashType, leaf) {
        const leafHash = leaf === undefined ? undefined : bitcoinJsLeafHash(leaf)
        return transaction.hashForWitnessV1(0, [script], [coin.value], hashType, leafHash)
      },
      finish(witness) {
        transaction.setWitness(0, [...witness])
        return transaction.toHex()
      },
    }
  },
}

// --- @scure/btc-signer ------------------------------------------------------------------------

type ScureTree = Parameters<typeof scureP2tr>[1]

function scureTree(tree: Tree): NonNullable<ScureTree> {
  if (tree instanceof Uint8Array) return { script: tree, leafVersion: TAPSCRIPT }
  return [scureTree(tree[0]), scureTree(tree[1])]
}

function scureTaproot(internal: Uint8Array, tree?: Tree): TaprootOutput {
  if (tree === undefined) {
    return {
      script: scureP2tr(internal, undefined, SCURE_REGTEST).script,
      control: () => {
        throw new TypeError('no script tree')
      },
      tweaked: (secret) => taprootTweakPrivKey(secret),
    }
  }
  const payment = scureP2tr(internal, scureTree(tree), SCURE_REGTEST, true)
  return {
    script: payment.script,
    control(leaf) {
      // Each script has its leaf version behind it.
      const wanted = concatBytes(leaf, Uint8Array.of(TAPSCRIPT)).join()
      const found = payment.tapLeafScript?.find(([, script]) => script.join() === wanted)
      return TaprootControlBlock.encode(present(found, 'leaf')[0])
    },
    tweaked: (secret) => taprootTweakPrivKey(secret, payment.tapMerkleRoot),
  }
}

export const SCURE_TOOLS: HandTools = {
  name: '@scure/btc-signer',
  publicKey: (secret) => pubECDSA(secret, true),
  ecdsa: (digest, secret) => signECDSA(digest, secret, true),
  schnorr: (digest, secret) => signSchnorr(digest, secret),
  keyHash: (publicKey) => scureP2wpkh(publicKey, SCURE_REGTEST).script,
  scriptHash: (script) => scureP2wsh({ type: 'unknown', script }, SCURE_REGTEST).script,
  taproot: scureTaproot,
  draft(coin, outputs, locks) {
    const transaction = new ScureTransaction({
      lockTime: locks.lockTime,
      allowUnknownInputs: true,
      allowUnknownOutputs: true,
    })
    transaction.addInput({ txid: coin.txid, index: coin.vout, sequence: locks.sequence })
    for (const output of outputs) {
      transaction.addOutput({ script: output.script, amount: output.value })
    }
    return {
      v0Digest: (code, hashType) => transaction.preimageWitnessV0(0, code, hashType, coin.value),
      v1Digest: (script, hashType, leaf) =>
        transaction.preimageWitnessV1(
          0,
          [script],
          hashType,
          [coin.value],
          undefined,
          leaf,
          TAPSCRIPT,
        ),
      finish(witness) {
        transaction.updateInput(0, { finalScriptWitness: [...witness] }, true)
        return transaction.hex
      },
    }
  },
}
