/**
 * The receiving half of a stream: cuts what arrives into frames. Used for the channels, which are
 * one-way, and for both sides of a sync request.
 */

import type { Stream } from '@libp2p/interface'
import { DecodeError } from '../primitives/codec.ts'
import { FrameParser } from './frame.ts'

export interface FrameReceiver {
  readonly maxFrameBytes: number
  /** Is a frame of this length wanted? One that is not is read past. All are, when absent. */
  readonly admit?: (frameBytes: number) => boolean
  /** An admitted frame of this length is complete, or will never be. */
  readonly release?: (frameBytes: number) => void
  /** Must not throw. */
  readonly onFrame: (frame: Uint8Array) => void
  /** The peer broke the framing; the stream is aborted next. */
  readonly onMalformed: (error: DecodeError) => void
  /** Nothing more will come: the stream ended, was reset, or was malformed. Called once. */
  readonly onEnd?: () => void
}

/** Reads frames until the stream ends. Must be called before the stream's data is wanted. */
export function receiveFrames(stream: Stream, receiver: FrameReceiver): void {
  const parser = new FrameParser(receiver.maxFrameBytes, receiver.admit)
  let malformed = false
  let ended = false
  const end = (): void => {
    if (ended) return
    ended = true
    receiver.release?.(parser.unfinishedBytes)
    receiver.onEnd?.()
  }
  stream.addEventListener('message', ({ data }) => {
    if (malformed || ended) return
    try {
      for (const part of data instanceof Uint8Array ? [data] : data) {
        for (const frame of parser.push(part)) {
          receiver.release?.(frame.length)
          receiver.onFrame(frame)
        }
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      malformed = true
      receiver.onMalformed(error)
      stream.abort(error)
    }
  })
  stream.addEventListener('end', end)
  stream.addEventListener('close', end)
}

/** Closes the writing side; the peer may go on sending. */
export function closeWriting(stream: Stream): void {
  stream.close().catch((cause: unknown) => {
    stream.abort(cause instanceof Error ? cause : new DOMException(String(cause)))
  })
}
