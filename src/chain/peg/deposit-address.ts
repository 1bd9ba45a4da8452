/**
 * Deposit addresses. The output that pays a recipient of the sidechain in key epoch e is taproot
 * (BIP341), a pure function of public data:
 *
 *     h1   = TH('causeway/deposit/v1', chainId ‖ e as u32be ‖ Y ‖ u16be length ‖ recipient script)
 *     P    = Y + h1·G                                   plain tweak of the epoch's group key
 *     root = TapLeaf hash of the recovery leaf
 *     Q    = even(P) + TH('TapTweak', P.x ‖ root)·G     script: OP_1 <Q.x>
 *
 * The recovery leaf is `<delay> CSV DROP <k1> CHECKSIG <k2> CHECKSIGADD … <k> NUMEQUAL` (BIP68, 112,
 * 342). The empty recipient is reserved for change, so that every output of the reserves carries the
 * leaf. Leaves out the address text (`bitcoin/address.ts`) and every secret.
 */

import { controlBlock, tapLeafHash } from '../../bitcoin/taproot.ts'
import { assert } from '../../primitives/assert.ts'
import { concatBytes, hexToBytes } from '../../primitives/bytes.ts'
import { ByteWriter } from '../../primitives/codec.ts'
import { type Hash32, hashToBytes, type XOnlyKey } from '../../primitives/hashes.ts'
import { checkTweak } from '../../primitives/secp256k1.ts'
import { taggedHash } from '../../primitives/sha256.ts'
import {
  applyPlainTweak,
  applyXOnlyTweak,
  GROUP_ORDER,
  hasOddY,
  identityTweak,
  type KeyTweak,
  xOnly,
} from './key-tweak.ts'

/** Who may spend the reserves when the federation is dead, and after how long. */
export interface RecoveryPolicy {
  /** Blocks of L1 since the output confirmed, 1 … 65,535 (BIP68). */
  readonly delayBlocks: number
  /** Signatures needed. */
  readonly threshold: number
  /** In script order. */
  readonly keys: readonly XOnlyKey[]
}

export interface DepositTerms {
  readonly chainId: Hash32
  /** Key epoch, u32. */
  readonly epoch: number
  /** Y: 33 bytes, compressed. */
  readonly groupKey: Uint8Array
  readonly recovery: RecoveryPolicy
  /** Output script on the sidechain, or `CHANGE_RECIPIENT`. */
  readonly recipient: Uint8Array
}

/** The reserved recipient of change: no output script is empty. */
export const CHANGE_RECIPIENT: Uint8Array = new Uint8Array(0)

/** BIP68's largest relative lock in blocks. Consensus-critical. */
const MAX_RECOVERY_DELAY_BLOCKS = 0xffff
/** Keeps the leaf well under standardness limits. Consensus-critical. */
const MAX_RECOVERY_KEYS = 32

const OP_1 = 0x51
const OP_DROP = 0x75
const OP_NUMEQUAL = 0x9c
const OP_CHECKSIG = 0xac
const OP_CHECKSEQUENCEVERIFY = 0xb2
const OP_CHECKSIGADD = 0xba

/** The script of the recovery leaf. Its terms come from the chain's checked parameters. */
export function recoveryLeafScript(recovery: RecoveryPolicy): Uint8Array {
  const { delayBlocks, threshold, keys } = recovery
  assert(
    Number.isInteger(delayBlocks) && delayBlocks >= 1 && delayBlocks <= MAX_RECOVERY_DELAY_BLOCKS,
    'recovery delay out of range',
  )
  assert(keys.length >= 1 && keys.length <= MAX_RECOVERY_KEYS, 'recovery keys out of range')
  assert(
    Number.isInteger(threshold) && threshold >= 1 && threshold <= keys.length,
    'recovery threshold out of range',
  )
  const writer = new ByteWriter()
    .bytes(pushNumber(delayBlocks))
    .u8(OP_CHECKSEQUENCEVERIFY)
    .u8(OP_DROP)
  for (const [index, key] of keys.entries()) {
    writer.u8(32).bytes(hashToBytes(key))
    writer.u8(index === 0 ? OP_CHECKSIG : OP_CHECKSIGADD)
  }
  return writer.bytes(pushNumber(threshold)).u8(OP_NUMEQUAL).finish()
}

/**
 * The tweak from the group key to the output key Q, with Q's true parity. Everything is derived
 * with JavaScript arithmetic and checked with the installed secp256k1 backend: an address that one
 * of two implementations got wrong would be money nobody can move.
 */
export function depositTweaks(terms: DepositTerms): KeyTweak {
  return derive(terms).output
}

/** The output script that pays `terms.recipient`: 34 bytes, `5120‖Q.x`. */
export function depositScript(terms: DepositTerms): Uint8Array {
  return concatBytes(Uint8Array.of(OP_1, 32), xOnly(depositTweaks(terms).point))
}

/** BIP341 control block of the recovery leaf, 33 bytes: it is the only leaf of the tree. */
export function depositControlBlock(terms: DepositTerms): Uint8Array {
  const { internal, output } = derive(terms)
  return controlBlock(xOnly(internal.point), hasOddY(output.point) ? 1 : 0)
}

interface Derivation {
  /** P, the internal key. */
  readonly internal: KeyTweak
  /** Q, the output key. */
  readonly output: KeyTweak
}

function derive(terms: DepositTerms): Derivation {
  const h1 = recipientHash(terms)
  const internal = applyPlainTweak(identityTweak(terms.groupKey), h1)
  const root = tapLeafHash(recoveryLeafScript(terms.recovery))
  const h2 = taggedHash('TapTweak', xOnly(internal.point), root)
  const output = applyXOnlyTweak(internal, h2)
  assert(
    agreesOnPlainTweak(terms.groupKey, h1, internal.point) &&
      checkTweak(xOnly(internal.point), h2, xOnly(output.point), hasOddY(output.point) ? 1 : 0),
    'two derivations of a deposit address differ',
  )
  return { internal, output }
}

function recipientHash({ chainId, epoch, groupKey, recipient }: DepositTerms): Uint8Array {
  assert(Number.isInteger(epoch) && epoch >= 0 && epoch <= 0xffffffff, 'epoch out of range')
  assert(groupKey.length === 33, 'a group key is 33 bytes')
  assert(recipient.length <= 0xffff, 'recipient script too long')
  const length = Uint8Array.of(recipient.length >> 8, recipient.length & 0xff)
  const context = new ByteWriter().bytes(hashToBytes(chainId)).u32be(epoch).finish()
  return taggedHash('causeway/deposit/v1', context, groupKey, length, recipient)
}

/**
 * The backend knows only x-only tweaks, lift_x(Y) + t·G. For an odd Y, P = Y + h·G is the negation
 * of lift_x(Y) + (n - h)·G.
 */
function agreesOnPlainTweak(base: Uint8Array, hash: Uint8Array, tweaked: Uint8Array): boolean {
  const parity = hasOddY(tweaked) ? 1 : 0
  if (!hasOddY(base)) return checkTweak(xOnly(base), hash, xOnly(tweaked), parity)
  let value = 0n
  for (const byte of hash) value = (value << 8n) | BigInt(byte)
  const opposite = hexToBytes((GROUP_ORDER - value).toString(16).padStart(64, '0'))
  return checkTweak(xOnly(base), opposite, xOnly(tweaked), parity === 0 ? 1 : 0)
}

/** Shortest push of a positive number: OP_1 … OP_16, else little-endian with a clear sign bit. */
function pushNumber(value: number): Uint8Array {
  if (value <= 16) return Uint8Array.of(OP_1 + value - 1)
  const bytes: number[] = []
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.push(rest % 256)
  if ((bytes.at(-1) ?? 0) >= 0x80) bytes.push(0)
  return Uint8Array.of(bytes.length, ...bytes)
}
