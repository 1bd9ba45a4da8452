/**
 * `causeway devnet`: a whole network on this machine, until Ctrl-C; with --demo the story of the peg
 * from deposit to release, ending by itself.
 */

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Command } from 'commander'
import { z } from 'zod'
import { decodeAddress, L1_ADDRESS_NETWORKS } from '../bitcoin/address.ts'
import { parseBtc } from '../primitives/units.ts'
import { installNativeBackends } from '../runtime/native-backends.ts'
import { createSystemRuntime } from '../runtime/system-runtime.ts'
import { CliError, usageError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, type CommandContext, handle } from './command-context.ts'
import { type RunCommand, runDemo } from './devnet/demo.ts'
import { type Devnet, type L1Choice, startDevnet } from './devnet/devnet.ts'
import { DevnetError, findDevnet } from './devnet/devnet-files.ts'
import { createL1Faucet, type L1Faucet } from './devnet/l1-faucet.ts'
import { openDevnetL1 } from './devnet/l1-node.ts'
import { EXIT } from './exit-codes.ts'
import { fields, table } from './output.ts'

const DEFAULT_FOLDER = '.devnet'

/** `run` is the whole program: the demo uses it as its user would. */
export function addDevnetCommand(program: Command, io: CliIo, run: RunCommand): void {
  const devnet = program
    .command('devnet')
    .description('run an L1, four validators and the peg on this machine')
    .option('--data <folder>', 'where everything is kept', DEFAULT_FOLDER)
    .option('--bitcoind <auto|PATH|URL>', 'use a real bitcoind instead of the embedded L1')
    .option('--validators <n>', 'how many, 4 to 16', '4')
    .option('--api-port <port>', "the first validator's HTTP API, if free", '3080')
    .option('--l1-block-seconds <n>', 'mine an L1 block this often; 0 = only when told to', '5')
    .option('--demo', 'play deposit, payment, release and a failure, then end')
  handle(devnet, io, (call) => runDevnet(call, run))

  const pay = devnet
    .command('pay')
    .description('pay an L1 address from the miner of a running devnet')
    .argument('<amount>', 'bitcoin, e.g. 0.5')
    .argument('<l1-address>')
    .option('--data <folder>', 'the devnet', DEFAULT_FOLDER)
  // Wherever --data stands, commander takes it for the option of the command above.
  handle(pay, io, (call) => runPay({ ...call, options: devnet.opts() }))

  const mine = devnet
    .command('mine')
    .description('mine L1 blocks in a running devnet')
    .argument('[count]', 'how many', '1')
    .option('--data <folder>', 'the devnet', DEFAULT_FOLDER)
  handle(mine, io, (call) => runMine({ ...call, options: devnet.opts() }))
}

const integer = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,6}$/)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `${min} to ${max}`)

const devnetOptions = z.object({
  data: z.string().min(1),
  bitcoind: z.string().optional(),
  validators: integer(4, 16),
  apiPort: integer(0, 65_535),
  l1BlockSeconds: integer(0, 86_400),
  demo: z.boolean().default(false),
})

async function runDevnet({ context, options }: CommandCall, run: RunCommand): Promise<void> {
  const parsed = devnetOptions.safeParse(options)
  if (!parsed.success) throw usageError(z.prettifyError(parsed.error))
  const chosen = parsed.data
  installNativeBackends()
  const startedMs = context.io.clock.monotonicMs()
  const seconds = (): string =>
    ((context.io.clock.monotonicMs() - startedMs) / 1000).toFixed(1).padStart(6)
  const report = (line: string): void => context.output.progress(`${seconds()} s  ${line}`)
  const devnet = await startDevnet({
    folder: chosen.data,
    l1: await chooseL1(chosen.bitcoind),
    validators: chosen.validators,
    apiPort: chosen.apiPort,
    runtime: createSystemRuntime({ logLevel: 'silent' }),
    signal: context.io.interrupted,
    report,
  })
  const openMs = context.io.clock.monotonicMs() - startedMs
  try {
    if (chosen.demo) await playDemo(context, devnet, run, { report, startedMs, openMs })
    else await serve(context, devnet, chosen.l1BlockSeconds)
  } finally {
    report('stopping')
    await devnet.stop()
    context.output.progress(`data kept in ${devnet.folder}`)
  }
}

/** What `--bitcoind` means. @throws DevnetError when `auto` finds none. */
export async function chooseL1(wanted: string | undefined): Promise<L1Choice> {
  if (wanted === undefined) return { kind: 'embedded' }
  if (/^https?:\/\//.test(wanted)) return { kind: 'url', url: wanted }
  if (wanted !== 'auto') return { kind: 'bitcoind', program: wanted }
  const finder = new URL('../../scripts/bitcoind', import.meta.url).pathname
  try {
    const { stdout } = await promisify(execFile)(finder, ['--print'])
    return { kind: 'bitcoind', program: stdout.trim() }
  } catch (cause) {
    throw new DevnetError('no bitcoind found: name one with --bitcoind PATH', { cause })
  }
}

interface DemoTimes {
  readonly report: (line: string) => void
  readonly startedMs: number
  readonly openMs: number
}

async function playDemo(
  context: CommandContext,
  devnet: Devnet,
  run: RunCommand,
  times: DemoTimes,
): Promise<void> {
  const { io, output } = context
  const story = await runDemo(devnet, io, run, times.report)
  const result = {
    ok: story.failure === null,
    l1: devnet.l1.description,
    pegOpenMs: Math.round(times.openMs),
    totalMs: Math.round(io.clock.monotonicMs() - times.startedMs),
    ...story,
  }
  output.result(result, () =>
    [
      table(
        ['step', 'took', 'what'],
        story.steps.map(({ name, tookMs, detail }) => [
          name,
          `${(tookMs / 1000).toFixed(1)} s`,
          detail,
        ]),
      ),
      '',
      result.ok ? 'every step held' : `FAILED: ${story.failure}`,
    ].join('\n'),
  )
  if (story.failure !== null) {
    throw new CliError(EXIT.failed, 'demo-failed', story.failure, { isTold: true })
  }
}

async function serve(
  context: CommandContext,
  devnet: Devnet,
  l1BlockSeconds: number,
): Promise<void> {
  const { output } = context
  const [first] = devnet.validators
  const api = first?.apiUrl ?? ''
  const env = `export CAUSEWAY_API=${api} CAUSEWAY_HOME=${join(devnet.folder, 'user')}`
  const result = {
    folder: devnet.folder,
    l1: devnet.l1.description,
    page: `${api}/`,
    esplora: `${api}/api`,
    validators: devnet.validators.map((validator) => ({
      index: validator.index,
      apiUrl: validator.apiUrl,
      pid: validator.process().pid ?? null,
      log: validator.process().logFile,
    })),
  }
  output.result(result, () =>
    [
      fields([
        ['page', result.page],
        ['Esplora API', result.esplora],
        ['L1', result.l1],
        ['data', result.folder],
      ]),
      '',
      table(
        ['validator', 'API', 'process', 'log'],
        result.validators.map(({ index, apiUrl, pid, log }) => [
          String(index),
          apiUrl,
          String(pid),
          log,
        ]),
      ),
      '',
      'In another terminal:',
      `  ${env}`,
      '  scripts/causeway wallet create --no-passphrase && scripts/causeway peg deposit-address',
      `  scripts/causeway devnet pay 0.5 L1-ADDRESS --data ${devnet.folder}`,
      '  scripts/causeway wallet balance; scripts/causeway peg release 0.1 L1-ADDRESS --wait',
      '',
      'Ctrl-C ends everything.',
    ].join('\n'),
  )
  await mineUntilStopped(context, devnet.faucet, l1BlockSeconds)
}

/** An L1 that is away for a while is no reason to end. */
async function mineUntilStopped(
  { io, output }: CommandContext,
  faucet: L1Faucet,
  everySeconds: number,
): Promise<void> {
  await new Promise<void>((resolve) => {
    const stop = (): void => resolve()
    io.interrupted.addEventListener('abort', stop)
    if (io.interrupted.aborted) stop()
    if (everySeconds === 0) return
    const tell = (error: unknown): void => {
      if (io.interrupted.aborted) return
      output.progress(`no L1 block: ${error instanceof Error ? error.message : String(error)}`)
    }
    const later = (): void => {
      io.timers.after(everySeconds * 1000, () => {
        if (!io.interrupted.aborted) void faucet.mine(1).catch(tell).then(later)
      })
    }
    later()
  })
}

const dataOption = z.object({ data: z.string().min(1) })

async function withFaucet<T>(options: unknown, use: (faucet: L1Faucet) => Promise<T>): Promise<T> {
  const { data } = dataOption.parse(options)
  const files = await findDevnet(data)
  if (files === undefined) {
    throw new CliError(EXIT.notFound, 'no-devnet', `no devnet in ${data}`, {
      hint: 'start one with: scripts/devnet',
    })
  }
  const opened = openDevnetL1(data, files.l1, createSystemRuntime({ logLevel: 'silent' }))
  try {
    return await use(createL1Faucet(opened.l1, opened.rpc, files.faucetSecret))
  } finally {
    await opened.close()
  }
}

async function runPay({ context, args, options }: CommandCall): Promise<void> {
  const [amount = '', address = ''] = args
  const script = decodeAddress(address, L1_ADDRESS_NETWORKS.regtest)
  if (!script.ok) throw usageError(`not a regtest address: ${address}`)
  const value = parseAmount(amount)
  const txid = await withFaucet(options, (faucet) => faucet.pay(script.value, value))
  context.output.result({ txid, valueSats: value, address }, () => `paid in L1 transaction ${txid}`)
}

function parseAmount(text: string): ReturnType<typeof parseBtc> {
  try {
    return parseBtc(text)
  } catch (cause) {
    if (cause instanceof RangeError) throw usageError(cause.message)
    throw cause
  }
}

async function runMine({ context, args, options }: CommandCall): Promise<void> {
  const count = integer(1, 1000).safeParse(args[0] ?? '1')
  if (!count.success) throw usageError('the number of blocks is 1 to 1000')
  await withFaucet(options, (faucet) => faucet.mine(count.data))
  context.output.result({ mined: count.data }, () => `mined ${count.data}`)
}
