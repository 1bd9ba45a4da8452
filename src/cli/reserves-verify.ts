/**
 * `causeway chain verify` without a height: the reserves, proved. From a node or from a file that anybody
 * made, checked with nothing but the genesis file; with --l1 a bitcoind says that the coins are there.
 */

import { open } from 'node:fs/promises'
import { z } from 'zod'
import type { BitcoinL1 } from '../../federation/l1/bitcoin-l1.ts'
import { createBitcoindL1 } from '../../federation/l1/bitcoind.ts'
import { chainParams, type Genesis, parseGenesis } from '../../genesis/network.ts'
import { outPointKey } from '../bitcoin/transaction.ts'
import { recoveryOpensAt } from '../chain/peg/recovery-opening.ts'
import type { ReserveCoin } from '../chain/peg/reserves.ts'
import { checkReservesProof, type ProvedReserves } from '../chain/verify-reserves-proof.ts'
import { equalBytes } from '../primitives/bytes.ts'
import { installNativeBackends } from '../runtime/native-backends.ts'
import { createSystemRuntime } from '../runtime/system-runtime.ts'
import { writeFileDurably } from '../storage/durable-file.ts'
import { chainIdentity } from './chain-identity.ts'
import { CliError, usageError } from './cli-error.ts'
import type { CommandCall, CommandContext } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import { readJsonFile } from './json-file.ts'
import { btc, fields, utcTime } from './output.ts'

/** 10,000 coins, each with a long L1 transaction of its own, make less. */
const PROOF_FILE_BYTES_MAX = 1 << 30

export const reservesVerifyOptions = z.object({
  genesis: z.string().optional(),
  node: z.url().optional(),
  out: z.string().optional(),
  l1: z.url().optional(),
  l1Cookie: z.string().optional(),
})
type Options = z.infer<typeof reservesVerifyOptions>

/** `file` undefined: ask the node. @throws CliError exit 9 when anything does not hold. */
export async function verifyReserves(
  { context, options }: CommandCall,
  file: string | undefined,
): Promise<void> {
  const chosen = reservesVerifyOptions.parse(options)
  installNativeBackends(context.io.env)
  const { genesis, bytes } =
    file === undefined ? await fromNode(context, chosen) : await fromFile(chosen, file)
  const params = chainParams(genesis)
  const checked = checkReservesProof(params, bytes)
  if (!checked.ok) throw unproven(checked.error.code, checked.error.detail)
  const proved = checked.value
  if (chosen.out !== undefined) await writeFileDurably(chosen.out, bytes, 0o644)
  const onL1 =
    chosen.l1 === undefined ? undefined : await lookOnL1(params.l1Network, chosen, proved)
  showProved(context, proved, { genesis, onL1 })
}

interface Source {
  readonly genesis: Genesis
  readonly bytes: Uint8Array
}

async function fromNode(context: CommandContext, chosen: Options): Promise<Source> {
  const status = await context.node.status()
  const { genesis } = await chainIdentity(context, status, chosen.genesis)
  if (chosen.genesis === undefined) {
    context.output.progress(
      'the genesis file is the node’s own: to trust nobody, use --genesis FILE',
    )
  }
  return { genesis, bytes: await context.node.reservesProof() }
}

async function fromFile(chosen: Options, file: string): Promise<Source> {
  if (chosen.genesis === undefined) {
    throw usageError('a file is checked against a network: name it with --genesis FILE')
  }
  const genesis = parseGenesis(await readJsonFile(chosen.genesis))
  return { genesis, bytes: await readProofFile(file) }
}

/** @throws CliError when the file cannot be read, or is longer than any proof. */
export async function readProofFile(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path, 'r')
    try {
      const { size } = await file.stat()
      if (size > PROOF_FILE_BYTES_MAX) throw usageError(`${path} is too long for a proof`)
      return new Uint8Array(await file.readFile())
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof CliError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new CliError(EXIT.usage, 'unreadable-file', `cannot read ${path}: ${reason}`, { cause })
  }
}

export function unproven(code: string, detail: string | undefined): CliError {
  const reason = detail === undefined ? code : `${code}, ${detail}`
  return new CliError(EXIT.verificationFailed, code, `the reserves are not proved: ${reason}`, {
    hint: 'do not trust where it came from; ask another node',
  })
}

interface OnL1 {
  readonly height: number
  readonly unspent: number
  /** Coins of open batches that L1 has seen spent. */
  readonly onTheWay: number
}

/** @throws CliError when a coin that nothing spends is not on L1 as it should be. */
async function lookOnL1(
  network: BitcoinL1['network'],
  { l1: url = '', l1Cookie }: Options,
  proved: ProvedReserves,
): Promise<OnL1> {
  const cookie = l1Cookie === undefined ? {} : { cookiePath: l1Cookie }
  const l1 = createBitcoindL1(
    { network, url, ...cookie },
    createSystemRuntime({ logLevel: 'silent' }),
  )
  try {
    await l1.checkNetwork()
    if ((await l1.header(proved.l1Hash))?.inBestChain !== true) {
      throw unproven('l1-header', `L1 does not have block ${proved.l1Height} ${proved.l1Hash}`)
    }
    let unspent = 0
    let onTheWay = 0
    for (const coin of proved.coins) {
      if (await isOnL1(l1, coin)) unspent++
      else if (coin.batchId !== undefined) onTheWay++
      else throw missing(coin)
    }
    return { height: (await l1.tip()).height, unspent, onTheWay }
  } finally {
    await l1.close()
  }
}

async function isOnL1(l1: BitcoinL1, coin: ReserveCoin): Promise<boolean> {
  const found = await l1.findUnspent(coin.outPoint)
  return found !== undefined && found.value === coin.value && equalBytes(found.script, coin.script)
}

function missing(coin: ReserveCoin): CliError {
  return new CliError(
    EXIT.verificationFailed,
    'not-on-l1',
    `${outPointKey(coin.outPoint)}, ${btc(coin.value)}, is not among the unspent outputs of L1`,
    { hint: 'a release may have spent it since: take a new proof; if it stays so, it is gone' },
  )
}

function showProved(
  context: CommandContext,
  { block, l1Height, l1Hash, coins, keyEpochs }: ProvedReserves,
  more: { readonly genesis: Genesis; readonly onL1: OnL1 | undefined },
): void {
  const { totals, signers, validators, ...place } = block
  const { peg } = more.genesis
  const result = {
    verified: true,
    ...place,
    signers,
    validators,
    totals,
    l1Height,
    l1Hash,
    keyEpochs: keyEpochs.map(({ epoch }) => epoch),
    coins: coins.map((coin) => ({
      outPoint: outPointKey(coin.outPoint),
      valueSats: coin.value,
      keyEpoch: coin.keyEpoch,
      l1Height: coin.l1Height,
      inBatch: coin.batchId ?? null,
      opensAtL1Height: recoveryOpensAt(coin, peg.recovery),
    })),
    onL1: more.onL1 ?? null,
  }
  context.output.result(result, () =>
    fields([
      ['height', String(block.height)],
      ['block', block.blockHash],
      ['time', utcTime(Math.floor(block.timeMs / 1_000))],
      ['signed by', `${signers.length} of ${validators} validators`],
      ['final', context.output.paint('green', 'yes')],
      ['supply', btc(totals.supply)],
      ['+ pending releases', btc(totals.pendingReleases)],
      ['+ fee reserve', btc(totals.feeReserve)],
      ['= reserves', btc(totals.reserves)],
      ['- in-flight fees', btc(totals.inFlightFees)],
      ['proved on L1', `${coins.length} coins, in blocks up to ${l1Height}`],
      ['unspent on L1', onL1Text(more.onL1)],
    ]),
  )
}

function onL1Text(onL1: OnL1 | undefined): string | undefined {
  if (onL1 === undefined) return undefined
  const { unspent, onTheWay, height } = onL1
  const spent = onTheWay === 0 ? '' : `, ${onTheWay} spent by releases under way`
  return `${unspent} coins at L1 height ${height}${spent}`
}
