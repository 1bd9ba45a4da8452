/**
 * What coordinator and signers of one ROAST session must see alike: the inputs, the session's hash and
 * the coordinators' ranks.
 *
 *     sessionHash = TH('causeway/roast/session', chainId ‖ epoch ‖ batchId ‖ version ‖ coordinator ‖
 *                      session ‖ participants with handles and nonces ‖ (sighash ‖ Q.x) per input)
 *     rank        = order of TH('causeway/roast/rank', batchId ‖ version ‖ member key)
 */

import type { KeyTweak } from '../../src/chain/peg/key-tweak.ts'
import { compareBytes, concatBytes, equalBytes } from '../../src/primitives/bytes.ts'
import { encodeWith } from '../../src/primitives/codec.ts'
import { hashToBytes, type XOnlyKey } from '../../src/primitives/hashes.ts'
import { taggedHash } from '../../src/primitives/sha256.ts'
import type { FederationContext } from './envelope.ts'
import type { Participant } from './frost.ts'
import { encodeSigningMessage, type SigningTask, type StartMessage } from './signing-messages.ts'

/** One input of a transaction that the member's own final state tells it to sign. */
export interface SigningInput {
  /** BIP341 signature hash, SIGHASH_DEFAULT, 32 bytes. */
  readonly sighash: Uint8Array
  /** From the epoch's group key to the output key (`depositTweaks`). */
  readonly tweak: KeyTweak
}

export interface Authorisation {
  /** 1 … MAX_SESSION_INPUTS, in the transaction's order. */
  readonly inputs: readonly SigningInput[]
}

/**
 * Asks the member's own final state what it should sign for a task; undefined when nothing (any
 * more). Called at every step of a session: it must be a pure look-up of the present state.
 */
export type Authorise = (task: SigningTask) => Authorisation | undefined

export function equalAuthorisations(a: Authorisation, b: Authorisation): boolean {
  return (
    a.inputs.length === b.inputs.length &&
    a.inputs.every((input, i) => {
      const other = b.inputs[i]
      return (
        other !== undefined &&
        equalBytes(input.sighash, other.sighash) &&
        equalBytes(input.tweak.point, other.tweak.point)
      )
    })
  )
}

export function taskKey(task: SigningTask): string {
  return `${task.batchId}:${task.version}`
}

export function sessionHash(
  context: FederationContext,
  coordinator: number,
  start: StartMessage,
  authorisation: Authorisation,
): Uint8Array {
  const header = encodeWith((writer) =>
    writer.bytes(hashToBytes(context.chainId)).u32be(context.epoch).u8(coordinator),
  )
  const inputs = authorisation.inputs.map(({ sighash, tweak }) =>
    concatBytes(sighash, tweak.point.subarray(1)),
  )
  return taggedHash('causeway/roast/session', header, encodeSigningMessage(start), ...inputs)
}

/** The participants as FROST wants them, for one input. */
export function participantsOf(
  participants: StartMessage['participants'],
  input: number,
): Participant[] | undefined {
  const out: Participant[] = []
  for (const { member, offer } of participants) {
    const nonce = offer.nonces[input]
    if (nonce === undefined) return undefined
    out.push({ member, nonce })
  }
  return out
}

/** Members in the order in which they may coordinate this task. */
export function coordinatorOrder(task: SigningTask, members: readonly XOnlyKey[]): number[] {
  const context = encodeWith((writer) =>
    writer.bytes(hashToBytes(task.batchId)).u32be(task.version),
  )
  const ranks = members.map((key) => taggedHash('causeway/roast/rank', context, hashToBytes(key)))
  return [...members.keys()].toSorted((a, b) =>
    compareBytes(ranks[a] ?? new Uint8Array(), ranks[b] ?? new Uint8Array()),
  )
}
