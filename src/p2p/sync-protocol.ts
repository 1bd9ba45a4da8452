/**
 * One question, one answer: each request is a stream of its own. The asker sends one frame and
 * closes its side; the answerer sends one frame, `status (u8) ‖ answer`, and closes. Status 0 is
 * an answer, 1 a refusal with nothing behind it. Both sides bound the number under way; of those that
 * are served some are kept free for trusted peers, and whoever asks for much waits for its answers.
 */

import type { Stream } from '@libp2p/interface'
import { concatBytes } from '../primitives/bytes.ts'
import type { Clock, Logger, PeerId, Timers } from '../runtime/runtime.ts'
import { type Deadline, DeadlineError, startDeadline } from './deadline.ts'
import { encodeFrames } from './frame.ts'
import { closeWriting, receiveFrames } from './inbound-stream.ts'
import { MAX_ANSWER_BYTES, MAX_QUESTION_BYTES } from './limits.ts'
import type { NetworkCounters } from './network-counters.ts'
import { RequestError } from './request-error.ts'
import type { TokenBucket } from './token-bucket.ts'

const ANSWERED = 0
const REFUSED = 1
const REFUSAL = Uint8Array.of(REFUSED)

/** So many bytes of an answer cost as much as a question. */
const BYTES_PER_TOKEN = 64 * 1024

type RequestHandler = (from: PeerId, question: Uint8Array) => Promise<Uint8Array>

export interface SyncProtocolOptions {
  readonly requestsPerPeer: number
  readonly requestsPerObserver: number
  readonly requestsServed: number
  readonly requestsServedToObservers: number
  readonly serveTimeoutMs: number
}

export interface SyncProtocolDependencies {
  /** Opens a stream to the peer; undefined when it is not connected. */
  readonly open: (peer: PeerId, signal: AbortSignal) => Promise<Stream> | undefined
  /** The peer broke the protocol. */
  readonly punish: (peer: PeerId, reason: string) => void
  /** Is it a peer for which answers are kept free? */
  readonly isTrusted: (peer: PeerId) => boolean
  /** What limits the answers to a peer; undefined when it has gone. */
  readonly answersOf: (peer: PeerId) => TokenBucket | undefined
  readonly counters: NetworkCounters
  readonly clock: Clock
  readonly timers: Timers
  readonly log: Logger
}

export class SyncProtocol {
  readonly #options: SyncProtocolOptions
  readonly #dependencies: SyncProtocolDependencies
  readonly #asking = new PeerCounter()
  readonly #serving = new PeerCounter()
  readonly #deadlines = new Set<Deadline>()
  #servingObservers = 0
  #handler: RequestHandler | undefined
  #stopped = false

  constructor(options: SyncProtocolOptions, dependencies: SyncProtocolDependencies) {
    this.#options = options
    this.#dependencies = dependencies
  }

  setHandler(handler: RequestHandler): void {
    this.#handler = handler
  }

  stop(): void {
    this.#stopped = true
    for (const deadline of this.#deadlines) {
      deadline.abort(new RequestError('stopped', 'the node is stopping'))
    }
  }

  /** Asks a peer. @throws RequestError when there is no answer, for whatever reason. */
  async ask(peer: PeerId, question: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (this.#stopped) throw new RequestError('stopped', 'the node is stopping')
    if (question.length === 0 || question.length > MAX_QUESTION_BYTES) {
      throw new RequestError('refused', `a question of ${question.length} bytes is never sent`)
    }
    if (this.#asking.of(peer) >= this.#options.requestsPerPeer) {
      throw new RequestError('busy', 'too many requests to this peer under way')
    }
    const deadline = this.#startDeadline(timeoutMs)
    this.#asking.add(peer, 1)
    try {
      const opening = this.#dependencies.open(peer, deadline.signal)
      if (opening === undefined) throw new RequestError('not-connected', 'peer not connected')
      const stream = await opening
      return await this.#exchange(peer, stream, question, deadline.signal)
    } catch (cause) {
      throw asRequestError(cause, deadline.signal)
    } finally {
      this.#asking.add(peer, -1)
      this.#endDeadline(deadline)
    }
  }

  #exchange(
    peer: PeerId,
    stream: Stream,
    question: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    return new Promise<Uint8Array>((resolve, reject) => {
      const fail = (error: Error): void => {
        reject(error)
        stream.abort(error)
      }
      const giveUp = (): void => fail(abortReason(signal))
      signal.addEventListener('abort', giveUp, { once: true })
      let answer: Uint8Array | undefined
      receiveFrames(stream, {
        maxFrameBytes: MAX_ANSWER_BYTES + 1,
        onFrame: (frame) => {
          const [status] = frame
          if (answer === undefined && status === ANSWERED) answer = frame.subarray(1)
          else if (status === REFUSED) fail(new RequestError('refused', 'the peer declined'))
          else fail(new RequestError('malformed', 'answer of an unknown kind'))
        },
        onMalformed: (error) => {
          reject(new RequestError('malformed', error.message, { cause: error }))
          this.#dependencies.punish(peer, 'malformed sync answer')
        },
        // Only the end completes the answer, so that no stream outlives its request.
        onEnd: () => {
          signal.removeEventListener('abort', giveUp)
          if (answer !== undefined) resolve(answer)
          else reject(new RequestError('refused', 'the stream ended without an answer'))
        },
      })
      if (signal.aborted) {
        giveUp()
        return
      }
      stream.send(encodeFrames([question]))
      closeWriting(stream)
    })
  }

  /** Answers one request of a peer. Never throws. */
  serve(peer: PeerId, stream: Stream): void {
    // Its close event has passed already.
    if (stream.status !== 'open') return
    if (this.#stopped || this.#isBusyFor(peer)) {
      this.#dependencies.counters.count('requestsDeclined')
      stream.abort(new RequestError('busy', 'too many requests under way'))
      return
    }
    const deadline = this.#startDeadline(this.#options.serveTimeoutMs)
    this.#serving.add(peer, 1)
    const isTrusted = this.#dependencies.isTrusted(peer)
    if (!isTrusted) this.#servingObservers += 1
    const onAbort = (): void => stream.abort(abortReason(deadline.signal))
    deadline.signal.addEventListener('abort', onAbort, { once: true })
    let isAsked = false
    receiveFrames(stream, {
      maxFrameBytes: MAX_QUESTION_BYTES,
      onFrame: (question) => {
        // A second question on the stream is not looked at.
        if (isAsked) return
        isAsked = true
        void this.#answer(peer, stream, question, deadline.signal)
      },
      onMalformed: () => this.#dependencies.punish(peer, 'malformed sync question'),
      onEnd: () => {
        if (!isAsked) stream.abort(new RequestError('malformed', 'no question'))
      },
    })
    stream.addEventListener('close', () => {
      this.#serving.add(peer, -1)
      if (!isTrusted) this.#servingObservers -= 1
      this.#endDeadline(deadline)
    })
  }

  #isBusyFor(peer: PeerId): boolean {
    const options = this.#options
    if (this.#serving.total >= options.requestsServed) return true
    const underWay = this.#serving.of(peer)
    if (this.#dependencies.isTrusted(peer)) return underWay >= options.requestsPerPeer
    return (
      underWay >= options.requestsPerObserver ||
      this.#servingObservers >= options.requestsServedToObservers
    )
  }

  async #answer(
    peer: PeerId,
    stream: Stream,
    question: Uint8Array,
    signal: AbortSignal,
  ): Promise<void> {
    const { answersOf, clock, counters, log } = this.#dependencies
    let answer: Uint8Array = REFUSAL
    try {
      await this.#waitForTurn(peer, signal)
      // It may have given up waiting.
      if (stream.status !== 'open') return
      if (this.#handler !== undefined) {
        const body = await this.#handler(peer, question)
        if (body.length <= MAX_ANSWER_BYTES) answer = concatBytes(Uint8Array.of(ANSWERED), body)
        else log.error({ bytes: body.length }, 'sync answer too long, not sent')
        counters.count('requestsServed')
        answersOf(peer)?.charge(clock.monotonicMs(), answer.length / BYTES_PER_TOKEN)
      }
    } catch (cause) {
      log.debug({ peer, error: String(cause) }, 'request declined')
    }
    try {
      if (stream.status !== 'open') return
      stream.send(encodeFrames([answer]))
      await stream.close({ signal })
    } catch (cause) {
      log.debug({ peer, error: String(cause) }, 'answer not sent')
      stream.abort(new RequestError('not-connected', 'answer not sent', { cause }))
    }
  }

  /** Resolves when the peer has used up what it was owed, or when its time is over. */
  async #waitForTurn(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { answersOf, clock, counters, timers } = this.#dependencies
    const answers = answersOf(peer)
    const waitMs = answers?.waitMs(clock.monotonicMs()) ?? 0
    answers?.charge(clock.monotonicMs(), 1)
    if (waitMs === 0) return
    counters.count('requestsDelayed')
    await new Promise<void>((resolve) => {
      const cancel = timers.after(waitMs, resolve)
      signal.addEventListener(
        'abort',
        () => {
          cancel()
          resolve()
        },
        { once: true },
      )
    })
  }

  #startDeadline(delayMs: number): Deadline {
    const deadline = startDeadline(this.#dependencies.timers, delayMs)
    this.#deadlines.add(deadline)
    return deadline
  }

  #endDeadline(deadline: Deadline): void {
    deadline.clear()
    this.#deadlines.delete(deadline)
  }
}

/** How many of something are under way, for each peer and in all. */
class PeerCounter {
  readonly #counts = new Map<PeerId, number>()
  total = 0

  of(peer: PeerId): number {
    return this.#counts.get(peer) ?? 0
  }

  add(peer: PeerId, difference: 1 | -1): void {
    const count = this.of(peer) + difference
    if (count === 0) this.#counts.delete(peer)
    else this.#counts.set(peer, count)
    this.total += difference
  }
}

function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new DOMException('aborted', 'AbortError')
}

/** Whatever went wrong while asking, in the words of RequestError. */
function asRequestError(cause: unknown, signal: AbortSignal): RequestError {
  const error = signal.aborted ? abortReason(signal) : cause
  if (error instanceof RequestError) return error
  if (error instanceof DeadlineError) {
    return new RequestError('timeout', 'no answer in time', { cause: error })
  }
  return new RequestError('not-connected', 'the connection failed', { cause: error })
}
