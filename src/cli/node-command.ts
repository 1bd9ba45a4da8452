/** `causeway node`: make a node's home, run it, ask it how it is. */

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import type { Node } from '../node/node.ts'
import { peerIdOfSeed } from '../p2p/identity.ts'
import { hexToBytes, isHex } from '../primitives/bytes.ts'
import { xOnlyPublicKey } from '../primitives/secp256k1.ts'
import { CliError, usageError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, type CommandContext, handle } from './command-context.ts'
import { addDoctorCommand } from './doctor-command.ts'
import { EXIT } from './exit-codes.ts'
import { startNode } from './node/node-assembly.ts'
import { createNodeHome, homePaths, openNodeHome, readGenesis } from './node/node-home.ts'
import type { NodeStatus } from './node-answers.ts'
import { btc, fields } from './output.ts'
import { recoveryText } from './peg-state.ts'

export function addNodeCommands(program: Command, io: CliIo): void {
  const node = program.command('node').description('run a node')

  const init = node
    .command('init')
    .description('make a home directory with keys and a commented config.toml')
    .requiredOption('--genesis <file>', 'the network, as a genesis file')
    .option('--validator', 'make a validator key as well')
    .option('--validator-secret <hex>', 'use this validator key')
    .option('--listen <multiaddr...>', 'addresses to listen on', ['/ip4/0.0.0.0/tcp/9735'])
    .option('--peer <multiaddr...>', 'nodes to stay connected to', [])
    .option('--api-port <port>', 'port of the HTTP API', '3080')
    .option('--l1-url <url>', 'JSON-RPC of your own bitcoind')
    .option('--l1-cookie <file>', 'its cookie file')
    .option('--l1-user <name>')
    .option('--l1-password <password>')
  handle(init, io, runInit)

  const start = node
    .command('start')
    .description('run the node until Ctrl-C')
    .option('--api-port <port>', 'overrides config.toml')
    .option('--log-level <level>', 'debug, info, warn, error or silent')
    .option('--stop-with-parent', 'stop when standard input ends')
  handle(start, io, runStart)

  const status = node.command('status').description('how a running node is')
  handle(status, io, runStatus)

  addDoctorCommand(node, io)
}

const port = z
  .string()
  .regex(/^\d{1,5}$/)
  .transform(Number)
  .refine((value) => value <= 65_535, 'not a port')

const initOptions = z.object({
  genesis: z.string(),
  validator: z.boolean().default(false),
  validatorSecret: z
    .string()
    .refine((text) => isHex(text, 32), '32 bytes of hex')
    .optional(),
  listen: z.array(z.string()),
  peer: z.array(z.string()),
  apiPort: port,
  l1Url: z.url().optional(),
  l1Cookie: z.string().optional(),
  l1User: z.string().optional(),
  l1Password: z.string().optional(),
})

function parse<T>(schema: z.ZodType<T>, options: unknown): T {
  const parsed = schema.safeParse(options)
  if (!parsed.success) throw usageError(z.prettifyError(parsed.error))
  return parsed.data
}

/** Where a node lives; wallets live beside it. */
function nodeHomePath(context: CommandContext): string {
  return join(context.home, 'node')
}

async function runInit({ context, options }: CommandCall): Promise<void> {
  const chosen = parse(initOptions, options)
  const path = nodeHomePath(context)
  const nodeSecret = new Uint8Array(randomBytes(32))
  const validatorSecret = validatorSecretOf(chosen)
  const { l1Url, l1Cookie, l1User, l1Password } = chosen
  await createNodeHome(path, {
    genesis: await readGenesis(chosen.genesis),
    nodeSecret,
    validatorSecret,
    config: {
      listen: chosen.listen,
      peers: chosen.peer,
      apiPort: chosen.apiPort,
      logLevel: 'info',
      l1:
        l1Url === undefined
          ? undefined
          : { url: l1Url, cookie_file: l1Cookie, user: l1User, password: l1Password },
    },
  })
  const result = {
    home: path,
    config: homePaths(path).config,
    peerId: await peerIdOfSeed(nodeSecret),
    validatorKey: validatorSecret === undefined ? null : xOnlyPublicKey(validatorSecret),
  }
  context.output.result(result, () =>
    fields([
      ['home', result.home],
      ['peer id', result.peerId],
      ['validator key', result.validatorKey ?? undefined],
      ['next', `look through ${result.config}, then: causeway node start --home ${context.home}`],
    ]),
  )
}

function validatorSecretOf(chosen: z.infer<typeof initOptions>): Uint8Array | undefined {
  if (chosen.validatorSecret !== undefined) return hexToBytes(chosen.validatorSecret)
  return chosen.validator ? new Uint8Array(randomBytes(32)) : undefined
}

const startOptions = z.object({
  apiPort: port.optional(),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']).optional(),
  stopWithParent: z.boolean().default(false),
})

async function runStart({ context, options }: CommandCall): Promise<void> {
  const chosen = parse(startOptions, options)
  const home = await openNodeHome(nodeHomePath(context), context.io.env)
  const running = await startNode(home, {
    ...(chosen.apiPort === undefined ? {} : { apiPort: chosen.apiPort }),
    ...(chosen.logLevel === undefined ? {} : { logLevel: chosen.logLevel }),
  })
  const api = running.apiPort === undefined ? null : `http://127.0.0.1:${running.apiPort}`
  context.output.progress(`node running${api === null ? '' : `, API on ${api}`}; Ctrl-C stops it`)
  const failure = await untilStopped(context.io, running.node, chosen.stopWithParent)
  try {
    await running.stop()
  } catch (cause) {
    // What could not be stored could not be closed either.
    if (failure === undefined) throw cause
  } finally {
    // An open standard input would keep the process alive.
    process.stdin.destroy()
  }
  if (failure !== undefined) throw failure
}

/**
 * Resolves with an error when the disk has failed: then whoever supervises the process may start it
 * again. A node that halted for any other reason stays, for its operator to look at.
 */
async function untilStopped(
  io: CliIo,
  node: Node,
  withParent: boolean,
): Promise<CliError | undefined> {
  return await new Promise((resolve) => {
    const stop = (): void => resolve(undefined)
    node.events.subscribe((event) => {
      if (event.kind === 'halted' && event.isStorage) resolve(diskFailed(event.reason))
    })
    io.interrupted.addEventListener('abort', stop)
    if (io.interrupted.aborted) stop()
    if (!withParent) return
    process.stdin.once('end', stop)
    process.stdin.once('error', stop)
    process.stdin.resume()
  })
}

function diskFailed(reason: string): CliError {
  return new CliError(EXIT.failed, 'disk-failed', reason, {
    hint: 'make space on the disk, or mend it, and start the node again: it goes on where it was',
  })
}

/** Undefined while the chain convicts nobody. */
function offendersOf({ validators }: NodeStatus): string | undefined {
  const offenders = validators.filter(({ offences }) => offences > 0)
  if (offenders.length === 0) return undefined
  const named = offenders.map(
    ({ index, offences }) =>
      `validator ${index} at ${offences} ${offences === 1 ? 'height' : 'heights'}`,
  )
  return `${named.join(', ')}; see: causeway chain evidence`
}

async function runStatus({ context }: CommandCall): Promise<void> {
  const status = await context.node.status()
  const { peg, l1 } = status
  context.output.result(status, () =>
    fields([
      ['network', `${status.network} (${status.chainId.slice(0, 8)})`],
      ['height', String(status.height)],
      ['synced', status.synced ? 'yes' : 'no'],
      ['halted', status.halted ?? undefined],
      ['peers', String(status.peers)],
      ['double votes', offendersOf(status)],
      ['L1', l1.message === null ? `${l1.network} at ${l1.height}` : `${l1.state}: ${l1.message}`],
      ['peg', peg.state],
      ['supply', btc(peg.supply)],
      ['recovery keys', recoveryText(peg.recovery)],
      ['reserves', `${btc(peg.reserves)}${peg.solvent ? '' : ' — THE BOOKS DO NOT AGREE'}`],
    ]),
  )
  if (status.halted !== null) throw new CliError(EXIT.failed, 'halted', status.halted)
}
