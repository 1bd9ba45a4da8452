/** What the network port throws for reasons of the network. */

export class NetworkError extends Error {
  override readonly name = 'NetworkError'
}
