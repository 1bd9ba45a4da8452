/** Options that the recovery commands share, and what they lead to: a genesis file, a bitcoind. */

import { join } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import type { BitcoinL1 } from '../../../federation/l1/bitcoin-l1.ts'
import { createBitcoindL1 } from '../../../federation/l1/bitcoind.ts'
import { createJsonRpcClient, type JsonRpcClient } from '../../../federation/l1/json-rpc-client.ts'
import type { RecoveryNetwork } from '../../../federation/wallet/recovery-leaf.ts'
import { chainParams, type Genesis, parseGenesis } from '../../../genesis/network.ts'
import { L1_ADDRESS_NETWORKS } from '../../bitcoin/address.ts'
import type { L1Network } from '../../chain/params.ts'
import { createSystemRuntime } from '../../runtime/system-runtime.ts'
import type { CommandContext } from '../command-context.ts'
import { readJsonFile } from '../json-file.ts'
import { exists, homePaths } from '../node/node-home.ts'

/** A look through all unspent outputs of mainnet takes minutes on a slow disk. */
const SCAN_TIMEOUT_MS = 3_600_000

export const l1Options = z.object({
  genesis: z.string().optional(),
  l1: z.url().optional(),
  l1Cookie: z.string().optional(),
})
export type L1Options = z.infer<typeof l1Options>

export function addL1Options(command: Command): Command {
  return command
    .option('--genesis <file>', 'the network; default: the genesis file of this home')
    .option('--l1 <url>', 'JSON-RPC of a bitcoind, http://user:password@host:port')
    .option('--l1-cookie <file>', 'its cookie file')
}

/** What the genesis file says of recovery. */
export interface KnownNetwork extends RecoveryNetwork {
  readonly l1Network: L1Network
  readonly addressPrefix: string
}

export function knownNetwork(genesis: Genesis): KnownNetwork {
  const { chainId, l1Network, addressPrefix, peg } = chainParams(genesis)
  return { chainId, l1Network, addressPrefix, recovery: peg.recovery }
}

export function l1AddressNetwork({
  l1Network,
}: KnownNetwork): (typeof L1_ADDRESS_NETWORKS)[L1Network] {
  return L1_ADDRESS_NETWORKS[l1Network]
}

/** Of the file named, else of this home; undefined where there is neither. */
export async function findNetwork(
  context: CommandContext,
  path: string | undefined,
): Promise<KnownNetwork | undefined> {
  const own = homePaths(join(context.home, 'node')).genesis
  const file = path ?? ((await exists(own)) ? own : undefined)
  return file === undefined ? undefined : knownNetwork(parseGenesis(await readJsonFile(file)))
}

export interface L1Access {
  readonly l1: BitcoinL1
  /** With patience for scans. */
  readonly rpc: JsonRpcClient
}

/** Runs `work` with a bitcoind of the right network; with undefined where none is named. */
export async function withL1<T>(
  network: L1Network,
  { l1: url, l1Cookie }: L1Options,
  work: (access: L1Access | undefined) => Promise<T>,
): Promise<T> {
  if (url === undefined) return await work(undefined)
  const target = { url, ...(l1Cookie === undefined ? {} : { cookiePath: l1Cookie }) }
  const l1 = createBitcoindL1({ network, ...target }, createSystemRuntime({ logLevel: 'silent' }))
  const rpc = createJsonRpcClient({ ...target, timeoutMs: SCAN_TIMEOUT_MS })
  try {
    await l1.checkNetwork()
    return await work({ l1, rpc })
  } finally {
    rpc.close()
    await l1.close()
  }
}
