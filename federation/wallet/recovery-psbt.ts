/**
 * Recovery transactions as PSBT (BIP174, taproot fields of BIP371), so that people who hold the keys in
 * different places sign one after the other, with this program or with any signer that knows tapscript.
 * The codec is bitcoinjs-lib's; digests, signatures and their checks are this project's own. Nothing is
 * believed of a file: leaf, commitment and every signature are checked whenever it is read.
 */

import { Psbt } from 'bitcoinjs-lib'
import { CONSENSUS_FLAGS } from '../../src/bitcoin/script-flags.ts'
import { SighashType, taprootSighash } from '../../src/bitcoin/sighash.ts'
import {
  parseControlBlock,
  TAPSCRIPT_LEAF_VERSION,
  tapLeafHash,
  verifyTaprootCommitment,
} from '../../src/bitcoin/taproot.ts'
import {
  decodeTransaction,
  encodeTransactionWithoutWitness,
  type Transaction,
  type TxOutput,
} from '../../src/bitcoin/transaction.ts'
import { verifyInput } from '../../src/bitcoin/verify-input.ts'
import { type RecoveryPolicy, recoveryLeafScript } from '../../src/chain/peg/deposit-address.ts'
import { assert, present } from '../../src/primitives/assert.ts'
import { equalBytes } from '../../src/primitives/bytes.ts'
import { hashToBytes, type XOnlyKey, xOnlyKeyFromBytes } from '../../src/primitives/hashes.ts'
import { signSchnorr, verifySchnorr, xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { type Sats, sats } from '../../src/primitives/units.ts'
import type { Random } from '../../src/runtime/runtime.ts'
import { RecoveryError } from './recovery-error.ts'
import { leafSpendOf, outputOf, parseRecoveryLeaf, type RecoveryNetwork } from './recovery-leaf.ts'
import type { RecoveryTransaction } from './recovery-plan.ts'

/** As base64; 900 inputs with three signatures each have below two. */
const PSBT_LENGTH_MAX = 8_000_000
const NO_CODE_SEPARATOR = 0xffff_ffff
const P2TR_BYTES = 34

/** An unsigned PSBT, base64. */
export function encodeRecoveryPsbt(network: RecoveryNetwork, planned: RecoveryTransaction): string {
  const { transaction, coins } = planned
  const psbt = new Psbt()
  psbt.setVersion(transaction.version)
  psbt.setLocktime(transaction.lockTime)
  for (const [i, { prevout, sequence }] of transaction.inputs.entries()) {
    const coin = present(coins[i], 'coin of an input')
    const { leaf, controlBlock, internalKey } = leafSpendOf(network, coin)
    psbt.addInput({
      hash: prevout.txid,
      index: prevout.vout,
      sequence,
      witnessUtxo: outputOf(coin),
      tapInternalKey: internalKey,
      tapMerkleRoot: tapLeafHash(leaf),
      tapLeafScript: [{ leafVersion: TAPSCRIPT_LEAF_VERSION, script: leaf, controlBlock }],
    })
  }
  for (const { script, value } of transaction.outputs) psbt.addOutput({ script, value })
  return psbt.toBase64()
}

export interface RecoveryPsbt {
  readonly transaction: Transaction
  /** In input order. */
  readonly spent: readonly TxOutput[]
  readonly policy: RecoveryPolicy
  readonly fee: Sats
  /** Good signatures of each input, by key. */
  readonly signatures: readonly ReadonlyMap<XOnlyKey, Uint8Array>[]
  /** Keys whose signatures are good on every input, in script order. */
  readonly signers: readonly XOnlyKey[]
}

interface ReadPsbt extends RecoveryPsbt {
  readonly psbt: Psbt
  readonly controlBlocks: readonly Uint8Array[]
}

/**
 * What the file would do, and who has signed it. With `expected`, it must be of that network.
 * @throws RecoveryError `bad-psbt`, `other-network`, `wrong-signature`.
 */
export function readRecoveryPsbt(base64: string, expected?: RecoveryPolicy): RecoveryPsbt {
  return read(base64, expected)
}

function read(base64: string, expected: RecoveryPolicy | undefined): ReadPsbt {
  const psbt = parsePsbt(base64)
  const transaction = unsignedTransaction(psbt)
  const spends = psbt.data.inputs.map(readInput)
  const policy = present(spends[0], 'first input').policy
  const leaf = recoveryLeafScript(policy)
  if (expected !== undefined && !equalBytes(leaf, recoveryLeafScript(expected))) {
    throw new RecoveryError('other-network', 'it spends the reserves of another network')
  }
  if (spends.some((spend) => !equalBytes(recoveryLeafScript(spend.policy), leaf))) {
    throw bad('its inputs have different recovery terms')
  }
  const isTimed = transaction.inputs.every(({ sequence }) => sequence === policy.delayBlocks)
  if (transaction.version !== 2 || !isTimed)
    throw bad('its version or sequences are not a recovery’s')
  const spent = spends.map(({ output }) => output)
  const paidIn = spent.reduce((sum, { value }) => sum + value, 0n)
  const paidOut = transaction.outputs.reduce((sum, { value }) => sum + value, 0n)
  if (paidOut > paidIn) throw bad('it pays out more than it spends')
  const signatures = psbt.data.inputs.map((input, i) =>
    goodSignatures(transaction, i, spent, { policy, leaf, given: input.tapScriptSig ?? [] }),
  )
  const signers = policy.keys.filter((key) => signatures.every((signed) => signed.has(key)))
  const controlBlocks = spends.map(({ controlBlock }) => controlBlock)
  const fee = sats(paidIn - paidOut)
  return { psbt, transaction, spent, policy, fee, signatures, signers, controlBlocks }
}

type PsbtInput = Psbt['data']['inputs'][number]

interface ReadInput {
  readonly output: TxOutput
  readonly policy: RecoveryPolicy
  readonly controlBlock: Uint8Array
}

/** The leaf must be a recovery leaf, and the output must commit to it. */
function readInput({ witnessUtxo, tapLeafScript }: PsbtInput, index: number): ReadInput {
  const [only, ...others] = tapLeafScript ?? []
  if (witnessUtxo === undefined || only === undefined || others.length > 0) {
    throw bad(`input ${index} is not a recovery`)
  }
  const policy = parseRecoveryLeaf(only.script)
  const control = parseControlBlock(only.controlBlock)
  const { script } = witnessUtxo
  const isCommitted =
    control !== undefined &&
    control.leafVersion === TAPSCRIPT_LEAF_VERSION &&
    script.length === P2TR_BYTES &&
    verifyTaprootCommitment(control, tapLeafHash(only.script), script.subarray(2))
  if (policy === undefined || !isCommitted) throw bad(`input ${index} is not a recovery`)
  try {
    const output = { script, value: sats(witnessUtxo.value) }
    return { output, policy, controlBlock: only.controlBlock }
  } catch (cause) {
    throw bad(`the amount of input ${index} is out of range`, cause)
  }
}

interface InputToSign {
  readonly transaction: Transaction
  readonly index: number
  readonly spent: readonly TxOutput[]
  readonly leaf: Uint8Array
}

function digestOf({ transaction, index, spent, leaf }: InputToSign, hashType: number): Uint8Array {
  const tapscript = { leafHash: tapLeafHash(leaf), codeSeparator: NO_CODE_SEPARATOR }
  const digest = taprootSighash(transaction, index, spent, hashType, { tapscript })
  return present(digest, 'digest of a known type')
}

/** SIGHASH_DEFAULT, or SIGHASH_ALL with its byte, as some signers have it: they commit to the same. */
function isGoodSignature(
  signature: Uint8Array,
  input: InputToSign & { readonly pubkey: Uint8Array },
): boolean {
  const hashType = signature[64] ?? SighashType.DEFAULT
  const isKnown =
    signature.length === 64 || (signature.length === 65 && hashType === SighashType.ALL)
  if (!isKnown) return false
  return verifySchnorr(signature.subarray(0, 64), digestOf(input, hashType), input.pubkey)
}

/** @throws RecoveryError `wrong-signature` for one that is not good: its owner should know. */
function goodSignatures(
  transaction: Transaction,
  index: number,
  spent: readonly TxOutput[],
  told: {
    readonly policy: RecoveryPolicy
    readonly leaf: Uint8Array
    readonly given: NonNullable<PsbtInput['tapScriptSig']>
  },
): ReadonlyMap<XOnlyKey, Uint8Array> {
  const { policy, leaf, given } = told
  const good = new Map<XOnlyKey, Uint8Array>()
  if (given.length === 0) return good
  for (const { pubkey, signature, leafHash } of given) {
    const key = xOnlyKeyFromBytes(pubkey)
    const isGood =
      policy.keys.includes(key) &&
      equalBytes(leafHash, tapLeafHash(leaf)) &&
      isGoodSignature(signature, { transaction, index, spent, leaf, pubkey })
    if (!isGood) {
      throw new RecoveryError('wrong-signature', `input ${index}: the signature of ${key} is wrong`)
    }
    good.set(key, signature)
  }
  return good
}

/**
 * The same file with the key's signature on every input.
 * @throws RecoveryError `wrong-key` when the key is none of the recovery keys, and as `readRecoveryPsbt`.
 */
export function signRecoveryPsbt(
  base64: string,
  signer: { readonly secret: Uint8Array; readonly random: Random },
  expected?: RecoveryPolicy,
): string {
  const { psbt, transaction, spent, policy, signatures } = read(base64, expected)
  const key = xOnlyPublicKey(signer.secret)
  if (!policy.keys.includes(key)) {
    throw new RecoveryError('wrong-key', `${key} is not one of the recovery keys`)
  }
  const leaf = recoveryLeafScript(policy)
  for (const index of transaction.inputs.keys()) {
    if (signatures[index]?.has(key) === true) continue
    const digest = digestOf({ transaction, index, spent, leaf }, SighashType.DEFAULT)
    const signature = signSchnorr(digest, signer.secret, signer.random.bytes(32))
    // A fault while signing could reveal the key (BIP340).
    assert(verifySchnorr(signature, digest, hashToBytes(key)), 'own signature must be good')
    const leafHash = tapLeafHash(leaf)
    psbt.updateInput(index, { tapScriptSig: [{ pubkey: hashToBytes(key), signature, leafHash }] })
  }
  return psbt.toBase64()
}

/**
 * One file with the signatures of all.
 * @throws RecoveryError `different-transactions`, and as `readRecoveryPsbt`.
 */
export function combineRecoveryPsbts(files: readonly string[], expected?: RecoveryPolicy): string {
  const [first, ...others] = files.map((file) => read(file, expected))
  if (first === undefined) throw bad('there is no file')
  const bytes = encodeTransactionWithoutWitness(first.transaction)
  const signed = first.signatures.map((own) => new Set(own.keys()))
  const leafHash = tapLeafHash(recoveryLeafScript(first.policy))
  for (const other of others) {
    if (!equalBytes(encodeTransactionWithoutWitness(other.transaction), bytes)) {
      throw new RecoveryError('different-transactions', 'the files are of different transactions')
    }
    for (const [index, theirs] of other.signatures.entries()) {
      for (const [key, signature] of theirs) {
        if (signed[index]?.has(key) === true) continue
        signed[index]?.add(key)
        const pubkey = hashToBytes(key)
        first.psbt.updateInput(index, { tapScriptSig: [{ pubkey, signature, leafHash }] })
      }
    }
  }
  return first.psbt.toBase64()
}

/**
 * The transaction for L1, every input verified.
 * @throws RecoveryError `too-few-signatures`, and as `readRecoveryPsbt`.
 */
export function finishRecovery(base64: string, expected?: RecoveryPolicy): Transaction {
  const { transaction, spent, policy, signatures, controlBlocks } = read(base64, expected)
  const leaf = recoveryLeafScript(policy)
  const inputs = transaction.inputs.map((input, index) => {
    const signed = present(signatures[index], 'signatures of an input')
    if (signed.size < policy.threshold) {
      throw new RecoveryError(
        'too-few-signatures',
        `input ${index} has ${signed.size} of the ${policy.threshold} signatures that it needs`,
      )
    }
    // Exactly as many as the leaf asks for: it compares the count with NUMEQUAL.
    const used = new Set(policy.keys.filter((key) => signed.has(key)).slice(0, policy.threshold))
    const empty = new Uint8Array()
    // The first key's signature is taken from the top of the stack.
    const stack = policy.keys
      .map((key) => (used.has(key) ? (signed.get(key) ?? empty) : empty))
      .toReversed()
    const controlBlock = present(controlBlocks[index], 'control block of an input')
    return { ...input, witness: [...stack, leaf, controlBlock] }
  })
  const finished = { ...transaction, inputs }
  for (const index of inputs.keys()) {
    const verified = verifyInput(finished, index, spent, CONSENSUS_FLAGS)
    assert(verified.ok, 'an input with enough good signatures must verify')
  }
  return finished
}

function parsePsbt(base64: string): Psbt {
  if (base64.length > PSBT_LENGTH_MAX) throw bad('it is too long')
  try {
    const psbt = Psbt.fromBase64(base64.trim())
    if (psbt.data.inputs.length > 0) return psbt
  } catch (cause) {
    throw bad('it is not a PSBT in base64', cause)
  }
  throw bad('it spends nothing')
}

function unsignedTransaction(psbt: Psbt): Transaction {
  try {
    return decodeTransaction(psbt.data.globalMap.unsignedTx.toBuffer())
  } catch (cause) {
    throw bad('its transaction is malformed', cause)
  }
}

function bad(what: string, cause?: unknown): RecoveryError {
  return new RecoveryError('bad-psbt', what, cause === undefined ? {} : { cause })
}
