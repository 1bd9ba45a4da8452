/**
 * The demo: the peg's story from deposit to release and a validator's failure, told by a user who has
 * nothing but the command line, and checked step by step.
 */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { decodeAddress, encodeAddress, L1_ADDRESS_NETWORKS } from '../../bitcoin/address.ts'
import { p2wpkhScript } from '../../bitcoin/script.ts'
import { present } from '../../primitives/assert.ts'
import { hash160 } from '../../primitives/sha256.ts'
import { sats } from '../../primitives/units.ts'
import type { CliIo } from '../cli-io.ts'
import { btc } from '../output.ts'
import type { Devnet, Validator } from './devnet.ts'
import { DevnetError } from './devnet-files.ts'
import { until } from './until.ts'

export interface DemoStep {
  readonly name: string
  readonly tookMs: number
  readonly detail: string
}

/** The `causeway` program: arguments and terminal in, exit code out. */
export type RunCommand = (argv: readonly string[], io: CliIo) => Promise<number>

export interface DemoStory {
  readonly steps: readonly DemoStep[]
  readonly failure: string | null
}

const DEPOSIT_SATS = 100_000_000
const PAYMENT_SATS = 25_000_000
const RELEASE_SATS = 20_000_000
const STEP_TIMEOUT_MS = 300_000

interface Stage {
  readonly devnet: Devnet
  /** Runs a command as the user would, and returns its JSON. */
  readonly command: (...argv: string[]) => Promise<unknown>
  readonly report: (line: string) => void
}

/** Ends at the first step that does not hold. */
export async function runDemo(
  devnet: Devnet,
  io: CliIo,
  program: RunCommand,
  report: (line: string) => void,
): Promise<DemoStory> {
  const home = join(devnet.folder, 'user')
  await mkdir(home, { recursive: true, mode: 0o700 })
  const stage: Stage = {
    devnet,
    report,
    command: (...argv) =>
      runCommand(program, io, home, ['--api', devnet.validators[0]?.apiUrl ?? '', ...argv]),
  }
  const steps: DemoStep[] = []
  const step = async (name: string, run: () => Promise<string>): Promise<void> => {
    const startedMs = io.clock.monotonicMs()
    report(`${name} …`)
    const detail = await run()
    steps.push({ name, tookMs: Math.round(io.clock.monotonicMs() - startedMs), detail })
    report(`${name}: ${detail}`)
  }
  try {
    await tell(stage, step)
    return { steps, failure: null }
  } catch (error) {
    return { steps, failure: error instanceof Error ? error.message : String(error) }
  }
}

type Step = (name: string, run: () => Promise<string>) => Promise<void>

const depositAnswer = z.object({ address: z.string(), recipient: z.string() })
const sentAnswer = z.object({ txid: z.string() })

async function tell(stage: Stage, step: Step): Promise<void> {
  const { devnet, command } = stage
  const run = Date.now().toString(36)
  const alice = `alice-${run}`
  const bob = `bob-${run}`
  let bobAddress = ''
  await step('two wallets', async () => {
    await command('wallet', 'create', '--wallet', alice, '--no-passphrase')
    await command('wallet', 'create', '--wallet', bob, '--no-passphrase')
    const answer = await command('wallet', 'address', '--wallet', bob)
    bobAddress = z.object({ address: z.string() }).parse(answer).address
    return `alice and bob, ${bobAddress}`
  })
  let recipient = ''
  await step('deposit on L1', async () => {
    const answer = depositAnswer.parse(await command('peg', 'deposit-address', '--wallet', alice))
    recipient = answer.recipient
    const script = decodeAddress(answer.address, L1_ADDRESS_NETWORKS.regtest)
    if (!script.ok) throw new DevnetError(`not an L1 address: ${answer.address}`)
    const txid = await devnet.faucet.pay(script.value, sats(DEPOSIT_SATS))
    return `${btc(DEPOSIT_SATS)} in ${txid}`
  })
  await step('confirmations counted, minted', () => waitForMint(stage, recipient))
  await step('paid on', () => payOn(stage, alice, bob, bobAddress))
  await step('released to L1', () => release(stage, bob))
  await step('reserves equal supply', () => checkBooks(stage))
  await step('a validator killed, the chain goes on', () => surviveFailure(stage, bob, bobAddress))
  await step('it returns and catches up', () => returnAndCatchUp(stage))
}

async function waitForMint({ devnet, report }: Stage, recipient: string): Promise<string> {
  const client = present(devnet.validators[0], 'first validator').client
  let shown = ''
  const deposit = await until(
    async () => {
      const [found] = (await client.deposits(recipient)).deposits
      if (found?.status === 'minted') return found
      const line =
        found === undefined
          ? 'waiting for L1 to confirm it'
          : `L1 ${found.confirmations}/${found.requiredConfirmations}`
      if (line !== shown) report(line)
      shown = line
      if (found === undefined || found.confirmations < found.requiredConfirmations) {
        await devnet.faucet.mine(1)
      }
      return false
    },
    { timeoutMs: STEP_TIMEOUT_MS, what: 'the mint', intervalMs: 300 },
  )
  return `${btc(deposit.valueSats)} in ${deposit.mintTxid}, block ${deposit.mintHeight}`
}

async function payOn(
  { command }: Stage,
  from: string,
  to: string,
  address: string,
): Promise<string> {
  const sent = await command(
    'wallet',
    'send',
    String(PAYMENT_SATS),
    address,
    '--sats',
    '--yes',
    '--wallet',
    from,
  )
  const { txid } = sentAnswer.parse(sent)
  const startedMs = Date.now()
  await waitForFinal(command, txid)
  const finalMs = Date.now() - startedMs
  const balance = z
    .object({ confirmedSats: z.number() })
    .loose()
    .parse(await command('wallet', 'balance', '--wallet', to))
  if (balance.confirmedSats < PAYMENT_SATS) throw new DevnetError('the payment did not arrive')
  return `${btc(PAYMENT_SATS)} in ${txid}, seen final after ${finalMs} ms`
}

async function waitForFinal(command: Stage['command'], txid: string): Promise<void> {
  const answer = z.object({ status: z.object({ confirmed: z.boolean() }).loose() }).loose()
  await until(async () => answer.parse(await command('chain', 'tx', txid)).status.confirmed, {
    timeoutMs: STEP_TIMEOUT_MS,
    what: `${txid} to be final`,
    intervalMs: 50,
  })
}

async function release({ devnet, command, report }: Stage, from: string): Promise<string> {
  const script = p2wpkhScript(hash160(new TextEncoder().encode(`demo ${Date.now()}`)))
  const l1Address = present(encodeAddress(script, L1_ADDRESS_NETWORKS.regtest), 'L1 address')
  const answer = await command(
    'peg',
    'release',
    String(RELEASE_SATS),
    l1Address,
    '--sats',
    '--yes',
    '--wallet',
    from,
  )
  const { txid } = sentAnswer.parse(answer)
  await waitForFinal(command, txid)
  const client = present(devnet.validators[0], 'first validator').client
  let shown = ''
  const paid = await until(
    async () => {
      const found = (await client.releases(10)).releases.find((each) => each.burnTxid === txid)
      if (found?.status === 'paid') return found
      const line =
        found === undefined
          ? 'waiting'
          : `release ${found.status} ${found.confirmations}/${found.requiredConfirmations}`
      if (line !== shown) report(line)
      shown = line
      if (found?.status === 'broadcast' || found?.status === 'confirming') {
        await devnet.faucet.mine(1)
      }
      return false
    },
    { timeoutMs: STEP_TIMEOUT_MS, what: 'the release', intervalMs: 300 },
  )
  const l1Txid = present(paid.l1Txid, 'L1 txid of a paid release')
  const output = await findL1Payment(devnet, l1Txid, script)
  if (output === undefined) throw new DevnetError(`L1 shows no payment in ${l1Txid}`)
  return `${btc(output)} in L1 transaction ${l1Txid}, fee ${paid.feeSats} sat`
}

/** What L1 itself says of the payment. */
async function findL1Payment(
  devnet: Devnet,
  txid: string,
  script: Uint8Array,
): Promise<bigint | undefined> {
  const scriptHex = Array.from(script, (byte) => byte.toString(16).padStart(2, '0')).join('')
  const answer = z
    .object({
      value: z.number(),
      confirmations: z.number().min(1),
      scriptPubKey: z.object({ hex: z.string() }),
    })
    .nullable()
  for (let vout = 0; vout < 4; vout++) {
    const found = answer.parse(await devnet.l1.rpc.call('gettxout', [txid, vout, false]))
    if (found?.scriptPubKey.hex === scriptHex) return BigInt(Math.round(found.value * 1e8))
  }
  return undefined
}

async function checkBooks({ devnet }: Stage): Promise<string> {
  const { client } = present(devnet.validators[1], 'second validator')
  const { equation } = await client.reserves()
  const { supply, pendingReleases, feeReserve, inFlightFees, reserves } = equation
  const holds = supply + pendingReleases + feeReserve === reserves - inFlightFees
  if (!holds || !equation.holds) throw new DevnetError('the books do not agree')
  return `supply ${btc(supply)} + fee reserve ${feeReserve} sat = reserves ${btc(reserves)}`
}

const victimOf = (devnet: Devnet): Validator => present(devnet.validators.at(-1), 'last validator')

async function surviveFailure(
  { devnet, command }: Stage,
  from: string,
  to: string,
): Promise<string> {
  const victim = victimOf(devnet)
  await victim.kill()
  const { height } = await devnet.status()
  const sent = await command('wallet', 'send', '1000000', to, '--sats', '--yes', '--wallet', from)
  await waitForFinal(command, sentAnswer.parse(sent).txid)
  const after = (await devnet.status()).height
  if (after <= height) throw new DevnetError('no block was made')
  return `validator ${victim.index} dead, height ${height} to ${after}`
}

async function returnAndCatchUp({ devnet }: Stage): Promise<string> {
  const victim = victimOf(devnet)
  victim.start()
  const target = await devnet.status()
  const status = await until(
    async () => {
      const now = await victim.client.status()
      return now.synced && now.height >= target.height ? now : false
    },
    { timeoutMs: STEP_TIMEOUT_MS, what: 'the validator to catch up' },
  )
  return `validator ${victim.index} at height ${status.height} again`
}

/** Runs a command in this process, as `scripts/causeway … --json` would. */
async function runCommand(
  run: RunCommand,
  io: CliIo,
  home: string,
  argv: readonly string[],
): Promise<unknown> {
  let out = ''
  const quiet: CliIo = {
    ...io,
    stdinIsTerminal: false,
    stdoutIsTerminal: false,
    out: (text) => {
      out += text
    },
    err: () => undefined,
  }
  const code = await run([...argv, '--json', '--quiet', '--home', home], quiet)
  const answer: unknown = JSON.parse(out)
  if (code === 0) return answer
  const failure = z.object({ error: z.object({ message: z.string() }) }).safeParse(answer)
  const why = failure.success ? failure.data.error.message : `exit code ${code}`
  throw new DevnetError(`causeway ${argv.join(' ')}: ${why}`)
}
