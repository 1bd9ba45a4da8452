/**
 * What the client knows of the chain without trusting the node: the genesis file. With --genesis
 * it comes from the user's disk; else from the node, which then at least must be consistent.
 */

import { chainId, type Genesis, parseGenesis } from '../../genesis/network.ts'
import type { Hash32 } from '../primitives/hashes.ts'
import { CliError } from './cli-error.ts'
import type { CommandContext } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import { readJsonFile } from './json-file.ts'
import type { NodeStatus } from './node-answers.ts'

export interface ChainIdentity {
  readonly genesis: Genesis
  readonly chainId: Hash32
}

/** @throws CliError exit 9 when the node's chain id is not that of the genesis file. */
export async function chainIdentity(
  context: CommandContext,
  status: NodeStatus,
  genesisPath: string | undefined,
): Promise<ChainIdentity> {
  const genesis = parseGenesis(
    genesisPath === undefined ? await context.node.genesis() : await readJsonFile(genesisPath),
  )
  const id = chainId(genesis)
  if (id === status.chainId && genesis.addressPrefix === status.addressPrefix) {
    return { genesis, chainId: id }
  }
  throw new CliError(
    EXIT.verificationFailed,
    'wrong-chain',
    `the node says its chain is ${status.chainId}, but the genesis file makes ${id}`,
    { hint: 'do not trust this node; try another with --api URL' },
  )
}
