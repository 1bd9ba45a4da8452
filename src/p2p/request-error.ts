/** Why a sync request brought no answer. */

export type RequestFailure =
  /** No connection to the peer, or it was lost on the way. */
  | 'not-connected'
  /** Too many requests to this peer are under way. */
  | 'busy'
  /** The peer declined, or its handler failed. */
  | 'refused'
  | 'timeout'
  /** The answer did not follow the protocol. */
  | 'malformed'
  /** This node is shutting down. */
  | 'stopped'

export class RequestError extends Error {
  override readonly name = 'RequestError'
  readonly failure: RequestFailure

  constructor(failure: RequestFailure, message: string, options?: ErrorOptions) {
    super(message, options)
    this.failure = failure
  }
}
