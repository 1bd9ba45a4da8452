/**
 * `causeway chain snapshot`: the state of a stopped node as a file, and a node out of such a file. What
 * is imported is verified against the genesis file of the home directory; who made it does not matter.
 */

import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import { chainParams } from '../../genesis/network.ts'
import type { ChainParams } from '../chain/params.ts'
import type { Rejection, Result } from '../primitives/result.ts'
import { installNativeBackends } from '../runtime/native-backends.ts'
import { openChainDatabase } from '../storage/chain-database.ts'
import { openDataDirectory } from '../storage/data-directory.ts'
import { openLevelStore } from '../storage/level-store.ts'
import { importSnapshotDirectory } from '../storage/snapshot-directory.ts'
import { exportSnapshot } from '../storage/snapshot-export.ts'
import { openSnapshotFile, writeSnapshotFile } from '../storage/snapshot-file.ts'
import {
  type ReadSnapshot,
  readSnapshot,
  type SnapshotProgress,
} from '../storage/snapshot-reader.ts'
import type { ByteSource } from '../storage/snapshot-sections.ts'
import { StorageLockedError } from '../storage/storage-error.ts'
import { CliError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, type CommandContext, handle } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import { exists, homePaths, type NodeHome, openNodeHome, readGenesis } from './node/node-home.ts'
import { fields } from './output.ts'

/** Records between two lines of progress. */
const PROGRESS_EVERY = 250_000

export function addSnapshotCommands(chain: Command, io: CliIo): void {
  const group = chain.command('snapshot').description('the state of a node as a file')
  const exporting = group
    .command('export')
    .description('write the state of this home’s stopped node')
    .requiredOption('--out <file>', 'a new file')
  handle(exporting, io, runExport)
  const importing = group
    .command('import')
    .description('give this home’s new node the state in a file, after verifying it')
    .argument('<file>')
  handle(importing, io, runImport)
  const verifying = group
    .command('verify')
    .description('verify a file against the genesis of this home, or another one')
    .argument('<file>')
    .option('--genesis <file>', 'default: the genesis file of this home')
  handle(verifying, io, runVerify)
}

async function runExport({ context, options }: CommandCall): Promise<void> {
  const { out } = z.object({ out: z.string() }).parse(options)
  const file = resolve(out)
  const home = await openNodeHome(join(context.home, 'node'), context.io.env)
  const params = chainParams(home.genesis)
  await withHome(home, async () => {
    const { chain } = homePaths(home.path)
    if (!(await exists(chain))) throw noChain(home)
    const startedMs = context.io.clock.monotonicMs()
    const store = await openLevelStore(chain)
    try {
      const database = await openChainDatabase(store, { chainId: params.chainId })
      const { head, pieces } = exportSnapshot(params, database)
      let records = 0
      const bytes = await writeSnapshotFile(
        file,
        watched(context, pieces, (n) => (records = n)),
      )
      const blockHash = database.tip()?.hash
      const seconds = secondsSince(context, startedMs)
      showResult(context, { file, height: head.height, blockHash, records, bytes, seconds })
    } finally {
      await store.close()
    }
  })
}

async function* watched<P extends { readonly records: number }>(
  context: CommandContext,
  pieces: AsyncIterable<P>,
  count: (records: number) => void,
): AsyncIterable<P> {
  const report = progressLine(context, 'written')
  for await (const piece of pieces) {
    yield piece
    count(piece.records)
    report(piece.records)
  }
}

async function runImport({ context, args }: CommandCall): Promise<void> {
  const home = await openNodeHome(join(context.home, 'node'), context.io.env)
  const params = chainParams(home.genesis)
  installNativeBackends()
  await withHome(home, async () => {
    await checkImportable(home)
    await readFile(context, args, (source, report) =>
      importSnapshotDirectory(params, source, homePaths(home.path).chain, report),
    )
  })
}

async function runVerify({ context, args, options }: CommandCall): Promise<void> {
  const { genesis } = z.object({ genesis: z.string().optional() }).parse(options)
  const params: ChainParams = chainParams(
    await readGenesis(genesis ?? homePaths(join(context.home, 'node')).genesis),
  )
  installNativeBackends()
  await readFile(context, args, (source, report) =>
    readSnapshot(params, source, {
      async records(_records, progress) {
        report(progress)
      },
    }),
  )
}

type ReadFile = (
  source: ByteSource,
  report: (progress: SnapshotProgress) => void,
) => Promise<Result<ReadSnapshot, Rejection>>

/** @throws CliError exit 9 when the file is refused. */
async function readFile(
  context: CommandContext,
  args: readonly string[],
  read: ReadFile,
): Promise<void> {
  const path = resolve(args[0] ?? '')
  const startedMs = context.io.clock.monotonicMs()
  const line = progressLine(context, 'verified')
  const file = await openSnapshotFile(path)
  try {
    const outcome = await read(file, ({ records }) => line(records))
    if (!outcome.ok) throw refused(path, outcome.error)
    const { head, block, records, bytes } = outcome.value
    const { stateRoot } = block.extension
    const seconds = secondsSince(context, startedMs)
    showResult(context, { file: path, height: head.height, stateRoot, records, bytes, seconds })
  } finally {
    await file.close()
  }
}

/** Holds the home's lock. @throws CliError while a node runs there. */
async function withHome(home: NodeHome, run: () => Promise<void>): Promise<void> {
  const directory = await openDataDirectory(home.path).catch((cause: unknown) => {
    if (!(cause instanceof StorageLockedError)) throw cause
    throw new CliError(EXIT.failed, 'node-running', cause.message, {
      cause,
      hint: 'a snapshot needs a stopped node: stop it, then try again',
    })
  })
  try {
    await run()
  } finally {
    await directory.release()
  }
}

async function checkImportable(home: NodeHome): Promise<void> {
  const { chain, journal } = homePaths(home.path)
  if (await exists(chain)) {
    throw new CliError(EXIT.failed, 'chain-exists', `there is a chain already: ${chain}`, {
      hint: 'import into a home that has never run, or move its chain directory away',
    })
  }
  // The node would not start: without its journal a validator could vote a second time.
  if (home.validatorSecret !== undefined && !(await exists(join(journal, 'consensus.log')))) {
    throw new CliError(
      EXIT.failed,
      'no-journal',
      'a validator without its journal needs all blocks',
      {
        hint: 'restore journal/consensus.log, or let the node synchronise; an observer can import',
      },
    )
  }
}

function noChain(home: NodeHome): CliError {
  return new CliError(EXIT.notFound, 'no-chain', `the node in ${home.path} has never run`)
}

function refused(path: string, { code, detail }: Rejection): CliError {
  const reason = detail === undefined ? code : `${code}, ${detail}`
  return new CliError(EXIT.verificationFailed, code, `${path} is refused: ${reason}`, {
    hint: 'nothing was imported; get the file again, or another one',
  })
}

/** Also where an interruption ends the work: between two sections. */
function progressLine(context: CommandContext, what: string): (records: number) => void {
  let next = PROGRESS_EVERY
  return (records) => {
    context.io.interrupted.throwIfAborted()
    if (records < next) return
    next = records + PROGRESS_EVERY
    context.output.progress(`${records} records ${what}`)
  }
}

function secondsSince(context: CommandContext, startedMs: number): number {
  return Math.round(context.io.clock.monotonicMs() - startedMs) / 1_000
}

interface SnapshotResult {
  readonly file: string
  readonly height: number
  readonly blockHash?: string | undefined
  readonly stateRoot?: string
  readonly records: number
  readonly bytes: number
  readonly seconds: number
}

function showResult(context: CommandContext, result: SnapshotResult): void {
  context.output.result(result, () =>
    fields([
      ['file', result.file],
      ['height', String(result.height)],
      ['block', result.blockHash],
      ['state root', result.stateRoot],
      ['records', String(result.records)],
      ['size', `${result.bytes} bytes`],
      ['time', `${result.seconds} s`],
    ]),
  )
}
