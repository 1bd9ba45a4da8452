/**
 * `/v1/proofs/reserves`: the file in pieces, as fast as the client reads. A proof holds a copy of what the
 * state said about every coin, so only a few are under way at one time, and none for longer than it may.
 */

import { setImmediate } from 'node:timers/promises'
import type { Context } from 'hono'
import { type ApiEnv, disconnect } from './api-context.ts'
import type { ApiLimits } from './limits.ts'
import type { NodeFacade } from './ports.ts'
import { HttpError, rejectionError } from './problem.ts'

export class ReservesProofStreams {
  readonly #node: Pick<NodeFacade, 'reservesProof'>
  readonly #limits: Pick<ApiLimits, 'reservesProofsMax' | 'reservesProofMs'>
  #running = 0

  constructor(
    node: Pick<NodeFacade, 'reservesProof'>,
    limits: Pick<ApiLimits, 'reservesProofsMax' | 'reservesProofMs'>,
  ) {
    this.#node = node
    this.#limits = limits
  }

  /** @throws HttpError 503 when there are too many, or the node has no proof to give. */
  async open(c: Context<ApiEnv>): Promise<Response> {
    if (this.#running >= this.#limits.reservesProofsMax) {
      throw new HttpError(503, 'others are getting this now', {
        code: 'busy',
        retryAfterSeconds: 5,
      })
    }
    this.#running++
    let isOver = false
    const leave = (): void => {
      if (!isOver) this.#running--
      isOver = true
    }
    try {
      const proof = await this.#node.reservesProof()
      if (!proof.ok) throw rejectionError(proof.error)
      const { height, pieces } = proof.value
      const body = this.#stream(pieces, { leave, cut: () => disconnect(c.env) })
      return c.body(body, 200, {
        'Content-Type': 'application/octet-stream',
        'Content-Disposition': `attachment; filename="reserves-${height}.proof"`,
        'Cache-Control': 'no-store',
      })
    } catch (thrown) {
      leave()
      throw thrown
    }
  }

  #stream(
    pieces: Iterable<Uint8Array>,
    end: { readonly leave: () => void; readonly cut: () => void },
  ): ReadableStream<Uint8Array> {
    const iterator = pieces[Symbol.iterator]()
    let deadline: NodeJS.Timeout | undefined
    const finish = (): void => {
      clearTimeout(deadline)
      end.leave()
    }
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          deadline = setTimeout(() => {
            finish()
            controller.error(new HttpError(504, 'Request timed out', { code: 'timeout' }))
            end.cut()
          }, this.#limits.reservesProofMs)
          deadline.unref()
        },
        async pull(controller) {
          // A piece may cost a block's decoding: the rest of the node works in between.
          await setImmediate()
          try {
            const next = iterator.next()
            if (next.done === true) {
              finish()
              controller.close()
            } else controller.enqueue(next.value)
          } catch (thrown) {
            finish()
            throw thrown
          }
        },
        cancel: finish,
      },
      { highWaterMark: 0 },
    )
  }
}
