/**
 * How members reach each other: direct streams to whoever holds a validator key, since a position means
 * something in one member list only. The assembly maps keys to peers.
 */

import type { XOnlyKey } from '../src/primitives/hashes.ts'

export interface MemberNetwork {
  /** Best effort; losing a frame is allowed. */
  send(to: XOnlyKey, frame: Uint8Array): void
  onFrame(handler: (frame: Uint8Array) => void): void
}

/** The members of one key epoch, by position. */
export interface EpochNetwork {
  send(member: number, frame: Uint8Array): void
  /** To all other members. */
  broadcast(frame: Uint8Array): void
}

export function networkOfEpoch(
  network: Pick<MemberNetwork, 'send'>,
  members: readonly XOnlyKey[],
  self: number,
): EpochNetwork {
  return {
    send(member, frame) {
      const key = members[member]
      if (key !== undefined && member !== self) network.send(key, frame)
    },
    broadcast(frame) {
      for (const [member, key] of members.entries()) {
        if (member !== self) network.send(key, frame)
      }
    },
  }
}
