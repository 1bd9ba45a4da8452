/** `/v1/peg` and `/v1/freeze-votes`: the limits on releases, and the validators' power to stop them. */

import { Hono } from 'hono'
import { decodeFreezeVote } from '../chain/peg/freeze-vote.ts'
import { hexToBytes } from '../primitives/bytes.ts'
import { DecodeError } from '../primitives/codec.ts'
import type { ApiContext, ApiEnv } from './api-context.ts'
import { freezeVoteRequest } from './peg-schemas.ts'
import { HttpError, rejectionError } from './problem.ts'
import { parseBody } from './request-input.ts'

export function pegRoutes({ node }: ApiContext): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>()
  routes.get('/peg', async (c) => c.json(await node.peg()))
  routes.post('/freeze-votes', async (c) => {
    const { vote } = await parseBody(c, freezeVoteRequest)
    const submitted = await node.submitFreezeVote(freezeVoteOf(vote))
    if (!submitted.ok) throw rejectionError(submitted.error)
    return c.json({ accepted: true }, 202)
  })
  return routes
}

/** @throws HttpError 400 */
function freezeVoteOf(hex: string): ReturnType<typeof decodeFreezeVote> {
  try {
    return decodeFreezeVote(hexToBytes(hex))
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
    throw new HttpError(400, `not a freeze vote: ${cause.message}`, {
      code: 'invalid-request',
      cause,
    })
  }
}
