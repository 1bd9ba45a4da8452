/** How members reach each other: direct streams by member index. The assembly maps it to peers. */

export interface MemberNetwork {
  /** Best effort; losing a frame is allowed. */
  send(member: number, frame: Uint8Array): void
  /** To all other members. */
  broadcast(frame: Uint8Array): void
  onFrame(handler: (frame: Uint8Array) => void): void
  /** Members with a live link. */
  connected(): readonly number[]
}
