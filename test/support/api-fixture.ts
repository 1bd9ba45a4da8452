/** The API's application over a chain in memory, asked without a socket. */

import type { ApiBindings } from '../../src/api/api-context.ts'
import { type ApiLimits, DEFAULT_API_LIMITS } from '../../src/api/limits.ts'
import { type ApiApplication, createApiApplication } from '../../src/api/server.ts'
import type { ChainFixture } from './chain-fixture.ts'
import { nodeFacade } from './node-facade-fixture.ts'

export interface ApiFixture extends ApiApplication {
  get(path: string, headers?: Record<string, string>): Promise<Response>
  text(path: string): Promise<string>
  json(path: string): Promise<unknown>
  post(path: string, body: string, type?: string): Promise<Response>
}

export function apiFixture(chain: ChainFixture, limits: Partial<ApiLimits> = {}): ApiFixture {
  const application = createApiApplication(
    { queries: chain.queries(), node: nodeFacade(chain), log: chain.log(), clock: chain.clock() },
    { ...DEFAULT_API_LIMITS, ...limits },
  )
  const { app } = application
  const get = async (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    app.request(path, { headers })
  return {
    ...application,
    get,
    text: async (path) => (await get(path)).text(),
    json: async (path) => (await get(path)).json(),
    post: async (path, body, type = 'text/plain') =>
      app.request(path, { method: 'POST', body, headers: { 'Content-Type': type } }),
  }
}

/** What a connection from an address looks like to the application. */
export function connectionFrom(remoteAddress: string): ApiBindings {
  return { incoming: { socket: { remoteAddress } } } as unknown as ApiBindings
}
