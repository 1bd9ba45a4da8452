/** Failures of L1 that a member answers by waiting; anything else is a fault of its own. */

import {
  L1ProtocolError,
  L1RpcError,
  L1UnavailableError,
  L1WrongNetworkError,
} from './l1/l1-error.ts'

export function isL1Failure(error: unknown): error is Error {
  return (
    error instanceof L1UnavailableError ||
    error instanceof L1ProtocolError ||
    error instanceof L1RpcError ||
    error instanceof L1WrongNetworkError
  )
}
