/** What every route of the API has at hand, and what a request carries. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock, Logger } from '../runtime/runtime.ts'
import type { ApiLimits } from './limits.ts'
import type { ChainQueries, NodeFacade } from './ports.ts'
import type { PrevoutReader } from './prevouts.ts'
import type { ScanGate } from './scan-gate.ts'

/** Node's own request and response; absent when the application is called without a socket. */
export interface ApiBindings {
  readonly incoming?: IncomingMessage
  readonly outgoing?: ServerResponse
}

/** Tells long work that nobody waits for its result any more. */
export interface RequestBudget {
  /** Lets the rest of the node work. @throws HttpError when the time is up or the client has gone. */
  breathe(): Promise<void>
}

export interface ApiEnv {
  readonly Bindings: ApiBindings
  readonly Variables: {
    readonly budget: RequestBudget
    /** A script failed though the answer is no error. */
    readonly hasFailedScript: boolean | undefined
  }
}

export interface ApiDependencies {
  readonly queries: ChainQueries
  readonly node: NodeFacade
  readonly log: Logger
  readonly clock: Clock
}

export interface ApiContext extends ApiDependencies {
  readonly limits: ApiLimits
  readonly prevouts: PrevoutReader
  readonly scans: ScanGate
}

const LOOPBACK = /^(?:::1|(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3})$/

/** The client's address; "local" without a socket. */
export function remoteAddress(bindings: ApiBindings | undefined): string {
  return bindings?.incoming?.socket.remoteAddress ?? 'local'
}

/** Ends the client's connection; nothing without a socket. */
export function disconnect(bindings: ApiBindings | undefined): void {
  bindings?.outgoing?.destroy()
}

export function isLoopback(address: string): boolean {
  return address === 'local' || LOOPBACK.test(address)
}

/**
 * Whom a limit counts: an IPv4 address, or the /64 network of an IPv6 address, which one customer
 * usually has to himself.
 */
export function limitKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)
  if (mapped?.[1] !== undefined) return mapped[1]
  if (!address.includes(':')) return address
  const [head = '', tail = ''] = address.split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === '' ? [] : tail.split(':')
  const missing = address.includes('::') ? Math.max(0, 8 - front.length - back.length) : 0
  const zeros = Array.from({ length: missing }, () => '0')
  return `${[...front, ...zeros, ...back].slice(0, 4).join(':')}::/64`
}
