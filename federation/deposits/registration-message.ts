/**
 * Gossip between members: "watch this recipient's deposit address". It is not signed, because it
 * claims nothing: whoever sends one can only make members watch an address that anybody may compute.
 */

import { isRecipient } from '../../src/chain/peg/deposits.ts'
import { DecodeError, decodeAll, encodeWith } from '../../src/primitives/codec.ts'

export interface RegistrationMessage {
  readonly keyEpoch: number
  /** Output script on the sidechain. */
  readonly recipient: Uint8Array
}

const KIND = 1
const RECIPIENT_BYTES_MAX = 42

export function encodeRegistrationMessage(message: RegistrationMessage): Uint8Array {
  return encodeWith((writer) => {
    writer.u8(KIND).u32(message.keyEpoch).varBytes(message.recipient)
  })
}

/** @throws DecodeError */
export function decodeRegistrationMessage(bytes: Uint8Array): RegistrationMessage {
  return decodeAll(bytes, (reader) => {
    if (reader.u8() !== KIND) throw new DecodeError('unknown federation announcement')
    const message = { keyEpoch: reader.u32(), recipient: reader.varBytes(RECIPIENT_BYTES_MAX) }
    if (!isRecipient(message.recipient)) throw new DecodeError('not a recipient script')
    return message
  })
}
