/**
 * What every command starts from: the global options (flags, then environment, then defaults),
 * the output and a client of the node.
 */

import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import { usageError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { NodeClient } from './node-client.ts'
import { Output } from './output.ts'

const DEFAULT_API_URL = 'http://127.0.0.1:3080'

export interface CommandContext {
  readonly io: CliIo
  readonly output: Output
  readonly node: NodeClient
  /** Without trailing slash. */
  readonly apiUrl: string
  /** Where wallets and node data are. */
  readonly home: string
}

/** One call of a command: its positional arguments and its own options, unchecked. */
export interface CommandCall {
  readonly context: CommandContext
  readonly args: readonly string[]
  readonly options: unknown
}

const globalOptions = z.object({
  json: z.boolean().default(false),
  quiet: z.boolean().default(false),
  api: z.string().optional(),
  home: z.string().optional(),
})

/** Adds the options that every command understands, before or after the command's name. */
export function addGlobalOptions(program: Command): void {
  program
    .option('--json', 'one JSON document on standard output')
    .option('--quiet', 'no progress on standard error')
    .option('--api <url>', `the node's HTTP API (CAUSEWAY_API, ${DEFAULT_API_URL})`)
    .option('--home <directory>', 'wallets and node data (CAUSEWAY_HOME, ~/.causeway)')
}

/** @throws CliError for an --api that is not an http(s) URL. */
function createContext(io: CliIo, command: Command): CommandContext {
  const options = globalOptions.parse(command.optsWithGlobals())
  const apiUrl = parseApiUrl(options.api ?? nonEmpty(io.env['CAUSEWAY_API']) ?? DEFAULT_API_URL)
  const home = options.home ?? nonEmpty(io.env['CAUSEWAY_HOME']) ?? join(io.userHome, '.causeway')
  return {
    io,
    output: new Output(io, options),
    node: new NodeClient({ apiUrl, signal: io.interrupted }),
    apiUrl,
    home: resolve(home),
  }
}

/** The same context, speaking to another node. @throws CliError for what is not an http(s) URL. */
export function contextAt(context: CommandContext, url: string): CommandContext {
  const apiUrl = parseApiUrl(url)
  return { ...context, apiUrl, node: new NodeClient({ apiUrl, signal: context.io.interrupted }) }
}

/** Runs `run` as the command's action. */
export function handle(
  command: Command,
  io: CliIo,
  run: (call: CommandCall) => Promise<void>,
): void {
  command.action(async () => {
    const context = createContext(io, command)
    await run({ context, args: command.args, options: command.opts() })
  })
}

function parseApiUrl(text: string): string {
  if (!URL.canParse(text)) throw usageError(`not a URL: ${text}`)
  const { protocol } = new URL(text)
  if (protocol !== 'http:' && protocol !== 'https:') throw usageError(`not an http URL: ${text}`)
  return text.replace(/\/+$/, '')
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
