/**
 * A network between the validators of a fleet that can be made to fail. Two kinds: a socket proxy for
 * every link, which works everywhere (`proxied-network.ts`), and network namespaces with a bridge,
 * where packets really are lost and which needs Linux and root (`namespaces.ts`).
 */

/** What a fleet has to know of its network to build on it. */
export interface FleetNetwork {
  readonly kind: 'direct' | 'proxies' | 'namespaces'
  /** What validator `index` binds its sockets to. */
  bindHost(index: number): string
  /** Where validator `from` dials validator `to`, which listens on `port`. */
  dialAddress(from: number, to: number, port: number): Promise<SocketAddress>
  /** Where the validators find the JSON-RPC that listens on 127.0.0.1 of this process. */
  l1Address(port: number): Promise<SocketAddress>
  /** Program and arguments that start a validator's program in its place; often none. */
  launcher(index: number): readonly string[]
  close(): Promise<void>
}

export interface SocketAddress {
  readonly host: string
  readonly port: number
}

export interface FaultyNetwork extends FleetNetwork {
  /** Nothing that `from` sends reaches `to` any more. Connections stay open and hang. */
  cut(from: number, to: number): Promise<void>
  /** Only members of the same group reach each other. */
  partition(...groups: readonly (readonly number[])[]): Promise<void>
  /** Everything as it was at first. */
  heal(): Promise<void>
}

/** The two directions of every pair that is in different groups. */
export function* severed(
  groups: readonly (readonly number[])[],
): Iterable<readonly [from: number, to: number]> {
  for (const group of groups) {
    for (const other of groups) {
      if (other === group) continue
      for (const from of group) for (const to of other) yield [from, to]
    }
  }
}

/** Everybody reaches everybody on 127.0.0.1, always. */
export const DIRECT_NETWORK: FleetNetwork = {
  kind: 'direct',
  bindHost: () => '127.0.0.1',
  dialAddress: async (_from, _to, port) => ({ host: '127.0.0.1', port }),
  l1Address: async (port) => ({ host: '127.0.0.1', port }),
  launcher: () => [],
  close: async () => undefined,
}
