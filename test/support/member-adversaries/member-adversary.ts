/** A member that runs the real code and does as it likes with what goes out: its words are sealed by its own key. */

import { decodeEnvelope, sealMessage } from '../../../federation/signing/envelope.ts'
import {
  decodeSigningMessage,
  encodeSigningMessage,
  type SigningMessage,
} from '../../../federation/signing/signing-messages.ts'
import { CHAIN_ID, hostSigner } from '../../federation/signing/test-federation.ts'

export interface Frame {
  readonly to: number
  readonly sealed: Uint8Array
}

export interface MemberAdversary {
  readonly name: string
  /** Where it does its harm. */
  readonly role: 'signer' | 'coordinator'
  /** What honest members name it for; undefined when nothing it does can be proved, or harms. */
  readonly fault: string | undefined
  /** In place of a frame that the real code sends. */
  send(frame: Frame): readonly Frame[]
  /** Besides, when a frame comes in. */
  hear?(sealed: Uint8Array): readonly Frame[]
  /** Besides, once a second. */
  tick?(): readonly Frame[]
}

export interface AdversaryTools {
  readonly self: number
  readonly memberCount: number
  readonly random: (length: number) => Uint8Array
}

export type CreateAdversary = (tools: AdversaryTools) => MemberAdversary

export function messageIn(sealed: Uint8Array): SigningMessage {
  return decodeSigningMessage(decodeEnvelope(sealed).body)
}

export function sealAs(
  sender: number,
  recipient: number | undefined,
  body: Uint8Array,
): Uint8Array {
  const envelope = { protocol: 'signing', epoch: 0, sender, recipient, body } as const
  return sealMessage(envelope, CHAIN_ID, hostSigner(sender))
}

/** The frame with another message of the same member. */
export function reworded({ to, sealed }: Frame, message: SigningMessage): Frame {
  const { sender, recipient } = decodeEnvelope(sealed)
  return { to, sealed: sealAs(sender, recipient, encodeSigningMessage(message)) }
}

/** Everybody but the adversary itself. */
export function othersOf({ self, memberCount }: AdversaryTools): number[] {
  return Array.from({ length: memberCount }, (_, member) => member).filter((m) => m !== self)
}

export function decodeSender(sealed: Uint8Array): number {
  return decodeEnvelope(sealed).sender
}

/** A START of that member's, for whoever gets it. */
export function encodeStart(self: number, start: SigningMessage): Uint8Array {
  return sealAs(self, undefined, encodeSigningMessage(start))
}
