/**
 * The sending half of one channel to one peer: a bounded queue in front of one long-lived stream.
 *
 * libp2p buffers whatever it is given without limit, so frames wait here and enter the stream
 * only while its buffer is empty. A frame that replaces an earlier one takes it out of the queue. Upon
 * a full queue the *newest* frame is refused: what the receiver lacks it asks for again. Upon a stream that takes no byte for the drain timeout, abort
 * it and open another. Frames inside an aborted stream are lost; the network is lossy.
 */

import type { Stream } from '@libp2p/interface'
import type { CancelTimer, Logger, Random, Timers } from '../runtime/runtime.ts'
import { backoffDelayMs } from './backoff.ts'
import { startDeadline } from './deadline.ts'
import { encodeFrames, FRAME_HEADER_BYTES } from './frame.ts'
import type { QueueLimit } from './limits.ts'

/** Small frames that wait together are sent together, up to about this many bytes. */
const BATCH_BYTES = 64 * 1024

export class ChannelError extends Error {
  override readonly name = 'ChannelError'
}

export interface OutboundChannelOptions {
  readonly maxFrameBytes: number
  readonly queue: QueueLimit
  readonly drainTimeoutMs: number
  readonly openTimeoutMs: number
}

export interface OutboundChannelDependencies {
  /** Opens a stream on the peer's newest connection. */
  readonly open: (signal: AbortSignal) => Promise<Stream>
  readonly timers: Timers
  readonly random: Random
  readonly log: Logger
}

interface QueuedFrame {
  readonly bytes: Uint8Array
  readonly replaces: string | undefined
}

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'opening'; readonly abort: (reason: Error) => void }
  | { readonly kind: 'open'; readonly stream: Stream }
  | { readonly kind: 'waiting'; readonly cancel: CancelTimer }
  | { readonly kind: 'closed' }

export class OutboundChannel {
  readonly #options: OutboundChannelOptions
  readonly #dependencies: OutboundChannelDependencies
  #queue: QueuedFrame[] = []
  #queuedBytes = 0
  #state: State = { kind: 'idle' }
  #failures = 0
  #pumpScheduled = false
  #cancelStall: CancelTimer | undefined

  constructor(options: OutboundChannelOptions, dependencies: OutboundChannelDependencies) {
    this.#options = options
    this.#dependencies = dependencies
  }

  /**
   * Queues a frame; false when it is empty, above the cap, or does not fit the queue. With `replaces`
   * an earlier frame of the same name that still waits is dropped: it is out of date.
   */
  send(bytes: Uint8Array, replaces?: string): boolean {
    if (this.#state.kind === 'closed') return false
    if (bytes.length === 0 || bytes.length > this.#options.maxFrameBytes) {
      this.#dependencies.log.error({ bytes: bytes.length }, 'frame of a forbidden size not sent')
      return false
    }
    if (replaces !== undefined) this.#dropReplaced(replaces)
    const { queue } = this.#options
    if (this.#queue.length >= queue.frames) return false
    if (this.#queuedBytes + bytes.length > queue.bytes) return false
    this.#queue.push({ bytes, replaces })
    this.#queuedBytes += bytes.length
    this.#schedulePump()
    return true
  }

  #dropReplaced(name: string): void {
    const at = this.#queue.findIndex(({ replaces }) => replaces === name)
    const [old] = at < 0 ? [] : this.#queue.splice(at, 1)
    if (old !== undefined) this.#queuedBytes -= old.bytes.length
  }

  /** Drops everything. */
  close(): void {
    const state = this.#state
    this.#state = { kind: 'closed' }
    this.#queue = []
    this.#queuedBytes = 0
    this.#disarmStall()
    const reason = new ChannelError('channel closed')
    if (state.kind === 'opening') state.abort(reason)
    if (state.kind === 'waiting') state.cancel()
    if (state.kind === 'open') state.stream.abort(reason)
  }

  /** In a microtask, so that frames sent in one turn travel together. */
  #schedulePump(): void {
    if (this.#pumpScheduled) return
    this.#pumpScheduled = true
    queueMicrotask(() => {
      this.#pumpScheduled = false
      this.#pump()
    })
  }

  #pump(): void {
    if (this.#state.kind === 'idle' && this.#queue.length > 0) void this.#open()
    if (this.#state.kind !== 'open') return
    const { stream } = this.#state
    while (this.#queue.length > 0 && isFlushed(stream)) {
      try {
        stream.send(encodeFrames(this.#takeBatch()))
      } catch (cause) {
        this.#lost(stream, new ChannelError('send failed', { cause }))
        return
      }
    }
    if (isFlushed(stream)) this.#disarmStall()
    else this.#armStall(stream)
  }

  #takeBatch(): readonly Uint8Array[] {
    const batch: Uint8Array[] = []
    let length = 0
    for (const { bytes } of this.#queue) {
      if (batch.length > 0 && length + bytes.length > BATCH_BYTES) break
      batch.push(bytes)
      length += bytes.length + FRAME_HEADER_BYTES
      this.#queuedBytes -= bytes.length
    }
    this.#queue.splice(0, batch.length)
    return batch
  }

  async #open(): Promise<void> {
    const deadline = startDeadline(this.#dependencies.timers, this.#options.openTimeoutMs)
    const opening: State = { kind: 'opening', abort: (reason) => deadline.abort(reason) }
    this.#state = opening
    try {
      const stream = await this.#dependencies.open(deadline.signal)
      if (this.#state === opening) this.#opened(stream)
      else stream.abort(new ChannelError('channel closed'))
    } catch (cause) {
      if (this.#state !== opening) return
      this.#dependencies.log.debug({ error: String(cause) }, 'stream not opened')
      this.#retryLater()
    } finally {
      deadline.clear()
    }
  }

  #opened(stream: Stream): void {
    this.#state = { kind: 'open', stream }
    // The peer took bytes: it is alive.
    stream.addEventListener('drain', () => {
      this.#failures = 0
      this.#disarmStall()
      this.#schedulePump()
    })
    stream.addEventListener('idle', () => {
      this.#failures = 0
      this.#schedulePump()
    })
    stream.addEventListener('close', () => {
      this.#lost(stream, new ChannelError('stream closed by the peer'))
    })
    // The stream is one-way: a peer that talks back would fill a buffer nobody reads.
    stream.addEventListener('message', () => {
      this.#lost(stream, new ChannelError('data on a one-way stream'))
    })
    if (stream.status === 'open') this.#schedulePump()
    else this.#lost(stream, new ChannelError('stream closed at once'))
  }

  #lost(stream: Stream, reason: ChannelError): void {
    if (this.#state.kind !== 'open' || this.#state.stream !== stream) return
    this.#dependencies.log.debug({ reason: reason.message }, 'stream lost')
    this.#retryLater()
    stream.abort(reason)
  }

  #retryLater(): void {
    this.#disarmStall()
    const delayMs = backoffDelayMs(this.#failures, this.#dependencies.random)
    this.#failures += 1
    const cancel = this.#dependencies.timers.after(delayMs, () => {
      this.#state = { kind: 'idle' }
      this.#pump()
    })
    this.#state = { kind: 'waiting', cancel }
  }

  #armStall(stream: Stream): void {
    this.#cancelStall ??= this.#dependencies.timers.after(this.#options.drainTimeoutMs, () => {
      this.#cancelStall = undefined
      this.#dependencies.log.info({ queued: this.#queue.length }, 'peer does not read')
      this.#lost(stream, new ChannelError('peer does not read'))
    })
  }

  #disarmStall(): void {
    this.#cancelStall?.()
    this.#cancelStall = undefined
  }
}

function isFlushed(stream: Stream): boolean {
  return !stream.writableNeedsDrain && stream.writeBufferLength === 0
}
