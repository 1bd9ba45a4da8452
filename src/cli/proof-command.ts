/** `causeway chain verify-proof`: what a proof says, verified without any node. */

import type { Command } from 'commander'
import { z } from 'zod'
import { chainParams, parseGenesis } from '../../genesis/network.ts'
import { outPointKey } from '../bitcoin/transaction.ts'
import { checkChainProof, type ProvedCoin, type ProvedFacts } from '../chain/verify-proof.ts'
import { bytesToHex, hexToBytes, isHex } from '../primitives/bytes.ts'
import type { Rejection } from '../primitives/result.ts'
import { findOutPoint } from './arguments.ts'
import { CliError, usageError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, handle } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import { readJsonFile } from './json-file.ts'
import { btc, fields, utcTime } from './output.ts'

export function addProofCommand(chain: Command, io: CliIo): void {
  const command = chain
    .command('verify-proof')
    .description('verify what /v1/proofs/… answered, offline')
    .argument('<file>', 'the answer, as JSON')
    .requiredOption('--genesis <file>', 'the network')
    .option('--coin <txid:vout>', 'it must be about this coin')
  handle(command, io, verifyProof)
}

const proofOptions = z.object({ genesis: z.string(), coin: z.string().optional() })
const proofFile = z.object({ proof: z.string().refine((text) => isHex(text), 'not hex') })

async function verifyProof({ context, args, options }: CommandCall): Promise<void> {
  const { genesis, coin } = proofOptions.parse(options)
  const params = chainParams(parseGenesis(await readJsonFile(genesis)))
  const answer = proofFile.safeParse(await readJsonFile(args[0] ?? ''))
  if (!answer.success) throw unproven({ code: 'proof-format', class: 'invalid' })
  const checked = checkChainProof(params, hexToBytes(answer.data.proof))
  if (!checked.ok) throw unproven(checked.error)
  const facts = checked.value
  checkSubject(facts, coin)
  const { totals, coin: proved, signers, ...place } = facts
  const shown = proved === undefined ? null : coinFields(proved)
  context.output.result({ verified: true, ...place, signers, totals, coin: shown }, () =>
    fields([
      ['height', String(facts.height)],
      ['block', facts.blockHash],
      ['time', utcTime(Math.floor(facts.timeMs / 1_000))],
      ['signed by', `${signers.length} of ${facts.validators} validators`],
      ['supply', btc(totals.supply)],
      ['reserves', btc(totals.reserves)],
      ['coin', shown?.outPoint],
      ['it is', shown?.state],
      ['value', shown === null || shown.valueSats === undefined ? undefined : btc(shown.valueSats)],
    ]),
  )
}

/** @throws CliError when the proof is about something else than what was asked. */
function checkSubject(facts: ProvedFacts, coin: string | undefined): void {
  if (coin === undefined) return
  const asked = findOutPoint(coin)
  if (asked === undefined) throw usageError(`not a coin: ${coin}`, 'txid:vout')
  const proved = facts.coin?.outPoint
  if (proved?.txid === asked.txid && proved.vout === asked.vout) return
  throw unproven({ code: 'proof-subject', class: 'invalid', detail: 'it is about another coin' })
}

interface CoinFields {
  readonly outPoint: string
  readonly state: ProvedCoin['kind']
  readonly valueSats?: bigint
  readonly script?: string
}

function coinFields(proved: ProvedCoin): CoinFields {
  const named = { outPoint: outPointKey(proved.outPoint), state: proved.kind }
  if (proved.kind === 'absent') return named
  const { value, script } = proved.kind === 'unspent' ? proved.coin : proved.output
  return { ...named, valueSats: value, script: bytesToHex(script) }
}

function unproven({ code, detail }: Rejection): CliError {
  const reason = detail === undefined ? code : `${code}, ${detail}`
  return new CliError(EXIT.verificationFailed, code, `it proves nothing: ${reason}`, {
    hint: 'do not trust where it came from; ask another node',
  })
}
