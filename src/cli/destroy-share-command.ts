/**
 * `causeway federation destroy-share`: erases this member's share of an old key, for ever. It works on a
 * stopped node, from the member's own chain and book of deposits, and refuses as long as anything of
 * that key is left. What somebody pays to an address of that key afterwards only the recovery keys can move.
 */

import { join } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import { openDepositBook } from '../../federation/deposits/deposit-book.ts'
import { keyRemains } from '../../federation/key-remains.ts'
import { openKeyStore } from '../../federation/signing/key-store.ts'
import { chainParams } from '../../genesis/network.ts'
import { PLAIN_VERIFICATION } from '../chain/block-scripts.ts'
import type { ChainParams } from '../chain/params.ts'
import { findClaimHeight } from '../chain/peg/deposits.ts'
import type { StateView } from '../chain/state.ts'
import { openChainService } from '../node/chain-service.ts'
import { installNativeBackends } from '../runtime/native-backends.ts'
import { openChainDatabase } from '../storage/chain-database.ts'
import { openDataDirectory } from '../storage/data-directory.ts'
import { openLevelStore } from '../storage/level-store.ts'
import { StorageLockedError } from '../storage/storage-error.ts'
import { parseWhole } from './arguments.ts'
import { CliError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, handle } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import { exists, homePaths, type NodeHome, openNodeHome } from './node/node-home.ts'
import { btc } from './output.ts'
import { confirm } from './spend.ts'

export function addDestroyShareCommand(federation: Command, io: CliIo): void {
  const destroy = federation
    .command('destroy-share')
    .description('erase this stopped member’s share of an old key, when nothing of it is left')
    .requiredOption('--epoch <number>', 'of the key')
    .option('--yes', 'do not ask')
  handle(destroy, io, runDestroy)
}

const destroyOptions = z.object({ epoch: z.string(), yes: z.boolean().default(false) })

async function runDestroy({ context, options }: CommandCall): Promise<void> {
  const chosen = destroyOptions.parse(options)
  const epoch = parseWhole(chosen.epoch, 'the epoch', { min: 0, max: 0xffff_ffff })
  const home = await openNodeHome(join(context.home, 'node'), context.io.env)
  installNativeBackends()
  const directory = await openDataDirectory(home.path).catch((cause: unknown) => {
    if (!(cause instanceof StorageLockedError)) throw cause
    throw new CliError(EXIT.failed, 'node-running', cause.message, {
      cause,
      hint: 'stop the node, then try again',
    })
  })
  try {
    await requireNothingLeft(home, epoch)
    await confirm(
      context,
      `Erase the share of epoch ${epoch}? Later payments to its addresses cannot be signed for.`,
      chosen.yes,
    )
    await destroyShare(home, epoch, (length) => context.io.random.bytes(length))
  } finally {
    await directory.release()
  }
  context.output.result({ destroyed: true, epoch }, () => `the share of epoch ${epoch} is erased`)
}

async function destroyShare(
  home: NodeHome,
  epoch: number,
  random: (length: number) => Uint8Array,
): Promise<void> {
  const { shares, shareKey } = homePaths(home.path)
  const keyStore = await openKeyStore({
    folder: shares,
    secret: { kind: 'key-file', path: shareKey },
    random,
  })
  try {
    if ((await keyStore.findEpoch(epoch)) === undefined) {
      throw new CliError(EXIT.notFound, 'no-share', `there is no share of epoch ${epoch} here`)
    }
    await keyStore.destroy(epoch)
  } finally {
    await keyStore.close()
  }
}

/** @throws CliError exit 6 while the key is in use, or has coins or deposits. */
async function requireNothingLeft(home: NodeHome, epoch: number): Promise<void> {
  const params = chainParams(home.genesis)
  const paths = homePaths(home.path)
  if (!(await exists(paths.chain))) {
    throw new CliError(EXIT.notFound, 'no-chain', `the node in ${home.path} has never run`)
  }
  const store = await openLevelStore(paths.chain)
  try {
    const view = await stateOf(params, store)
    const { isInUse, coins, sats } = keyRemains(view, epoch)
    if (isInUse) throw stillNeeded(epoch, 'it is in use, or about to be')
    if (coins > 0) throw stillNeeded(epoch, `it holds ${coins} coins with ${btc(sats)}`)
    const deposits = await waitingDeposits(home, view, epoch)
    if (deposits > 0) throw stillNeeded(epoch, `${deposits} deposits to it wait to be minted`)
  } finally {
    await store.close()
  }
}

async function stateOf(
  params: ChainParams,
  store: Awaited<ReturnType<typeof openLevelStore>>,
): Promise<StateView> {
  const database = await openChainDatabase(store, { chainId: params.chainId })
  return (await openChainService(params, database, PLAIN_VERIFICATION)).state().view
}

async function waitingDeposits(home: NodeHome, view: StateView, epoch: number): Promise<number> {
  const { federation } = homePaths(home.path)
  if (!(await exists(federation))) return 0
  const store = await openLevelStore(federation)
  try {
    const book = await openDepositBook(store, {
      isMinted: (outPoint) => findClaimHeight(view, outPoint) !== undefined,
    })
    return [...book.waiting.values()].filter(({ keyEpoch }) => keyEpoch === epoch).length
  } finally {
    await store.close()
  }
}

function stillNeeded(epoch: number, reason: string): CliError {
  return new CliError(
    EXIT.rejected,
    'share-needed',
    `the share of epoch ${epoch} stays: ${reason}`,
    {
      hint: 'see what is left: causeway federation epochs',
    },
  )
}
