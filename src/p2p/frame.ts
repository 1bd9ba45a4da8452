/**
 * Frames on a byte stream: a u32 length, little-endian, then that many bytes. An empty frame and
 * one above the stream's cap are malformed. Chunks arrive cut anywhere; memory in use is at most
 * about twice what the peer has really sent, whatever length it announced, and nothing for a frame
 * that is not wanted.
 */

import { DecodeError } from '../primitives/codec.ts'

export const FRAME_HEADER_BYTES = 4

/** Room set aside for a frame before its bytes have come. */
const FIRST_ALLOCATION_BYTES = 64 * 1024

/** Encodes several frames into one byte string, ready to be sent. */
export function encodeFrames(frames: readonly Uint8Array[]): Uint8Array {
  let length = 0
  for (const frame of frames) length += FRAME_HEADER_BYTES + frame.length
  const out = new Uint8Array(length)
  const view = new DataView(out.buffer)
  let offset = 0
  for (const frame of frames) {
    view.setUint32(offset, frame.length, true)
    out.set(frame, offset + FRAME_HEADER_BYTES)
    offset += FRAME_HEADER_BYTES + frame.length
  }
  return out
}

/** Cuts a byte stream into frames. */
export class FrameParser {
  readonly #maxFrameBytes: number
  readonly #admit: (frameBytes: number) => boolean
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES)
  #headerFilled = 0
  /** Announced length of the frame under way; undefined while the header is incomplete. */
  #frameBytes: number | undefined
  #body = new Uint8Array(0)
  #bodyFilled = 0
  #isSkipping = false

  /** `admit` is asked once for each frame, with its length; without it all frames are wanted. */
  constructor(maxFrameBytes: number, admit: (frameBytes: number) => boolean = () => true) {
    this.#maxFrameBytes = maxFrameBytes
    this.#admit = admit
  }

  /** Announced length of the frame under way that was admitted; 0 when there is none. */
  get unfinishedBytes(): number {
    return this.#isSkipping ? 0 : (this.#frameBytes ?? 0)
  }

  /**
   * Takes the next chunk and returns the frames it completes, as copies.
   * @throws DecodeError on a malformed length; the parser must not be used afterwards.
   */
  push(chunk: Uint8Array): readonly Uint8Array[] {
    const frames: Uint8Array[] = []
    let offset = 0
    while (offset < chunk.length) {
      if (this.#frameBytes === undefined) {
        offset += this.#takeHeader(chunk.subarray(offset))
      } else {
        offset += this.#takeBody(chunk.subarray(offset), this.#frameBytes, frames)
      }
    }
    return frames
  }

  #takeHeader(chunk: Uint8Array): number {
    const taken = Math.min(FRAME_HEADER_BYTES - this.#headerFilled, chunk.length)
    this.#header.set(chunk.subarray(0, taken), this.#headerFilled)
    this.#headerFilled += taken
    if (this.#headerFilled === FRAME_HEADER_BYTES) {
      const length = new DataView(this.#header.buffer).getUint32(0, true)
      if (length === 0) throw new DecodeError('empty frame')
      if (length > this.#maxFrameBytes) {
        throw new DecodeError(`frame of ${length} bytes above the limit ${this.#maxFrameBytes}`)
      }
      this.#frameBytes = length
      this.#isSkipping = !this.#admit(length)
    }
    return taken
  }

  #takeBody(chunk: Uint8Array, frameBytes: number, frames: Uint8Array[]): number {
    const taken = Math.min(frameBytes - this.#bodyFilled, chunk.length)
    if (this.#isSkipping) {
      this.#bodyFilled += taken
      if (this.#bodyFilled === frameBytes) this.#reset()
      return taken
    }
    const part = chunk.subarray(0, taken)
    if (taken === frameBytes) {
      // Not slice(): the chunk may be a Buffer, whose slice is a view.
      frames.push(new Uint8Array(part))
      this.#reset()
      return taken
    }
    this.#reserve(this.#bodyFilled + taken, frameBytes)
    this.#body.set(part, this.#bodyFilled)
    this.#bodyFilled += taken
    if (this.#bodyFilled === frameBytes) {
      frames.push(this.#body.length === frameBytes ? this.#body : this.#body.slice(0, frameBytes))
      this.#reset()
    }
    return taken
  }

  /** Grows the body's buffer geometrically, but never above the frame. */
  #reserve(neededBytes: number, frameBytes: number): void {
    if (neededBytes <= this.#body.length) return
    const doubled = Math.max(neededBytes, this.#body.length * 2, FIRST_ALLOCATION_BYTES)
    const grown = new Uint8Array(Math.min(doubled, frameBytes))
    grown.set(this.#body.subarray(0, this.#bodyFilled))
    this.#body = grown
  }

  #reset(): void {
    this.#headerFilled = 0
    this.#frameBytes = undefined
    this.#body = new Uint8Array(0)
    this.#bodyFilled = 0
    this.#isSkipping = false
  }
}
