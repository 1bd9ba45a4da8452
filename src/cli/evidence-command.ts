/** `causeway chain evidence`: validators' double votes, each verified against the validators of its height. */

import type { Command } from 'commander'
import { z } from 'zod'
import { validatorsOfHeight } from '../chain/handover.ts'
import { findContradiction, readEvidence, verifyEvidence } from '../consensus/evidence.ts'
import type { VoteContext } from '../consensus/votes.ts'
import { concatBytes, hexToBytes } from '../primitives/bytes.ts'
import { DecodeError, decodeAll } from '../primitives/codec.ts'
import { parseWhole } from './arguments.ts'
import { chainIdentity } from './chain-identity.ts'
import { CliError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, handle } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import type { ShownEvidence } from './node-answers.ts'
import { table } from './output.ts'
import { validatorHistory } from './validator-history.ts'

/** The node's own limit for one answer. */
const LIMIT_MAX = 100

export function addEvidenceCommand(chain: Command, io: CliIo): void {
  const command = chain
    .command('evidence')
    .description('validators that signed contradicting votes, newest first; verified here')
    .option('--limit <count>', 'at most this many', '20')
    .option('--genesis <file>', 'check against this genesis file instead of what the node serves')
  handle(command, io, showEvidence)
}

const evidenceOptions = z.object({ limit: z.string(), genesis: z.string().optional() })

async function showEvidence({ context, options }: CommandCall): Promise<void> {
  const { limit, genesis } = evidenceOptions.parse(options)
  const count = parseWhole(limit, 'the limit', { min: 1, max: LIMIT_MAX })
  const status = await context.node.status()
  const identity = await chainIdentity(context, status, genesis)
  const { evidence } = await context.node.evidence(count)
  // Without evidence there is nothing to judge it by.
  const handovers = evidence.length === 0 ? [] : (await context.node.handovers()).handovers
  const sets = validatorHistory(identity, handovers)
  for (const one of evidence) {
    const { epoch, keys: validators } = validatorsOfHeight(sets, one.height)
    checkEvidence(one, { chainId: identity.chainId, epoch, validators })
  }
  context.output.result({ verified: true, evidence }, () =>
    evidence.length === 0
      ? 'no validator is known to have contradicted itself'
      : table(
          ['validator', 'key', 'what', 'height', 'view', 'in block'],
          evidence.map(({ validator, publicKey, kind, height, view, block }) => [
            String(validator),
            `${publicKey.slice(0, 16)}…`,
            kind,
            String(height),
            String(view),
            block === null ? 'none yet' : String(block.height),
          ]),
        ),
  )
}

/** @throws CliError exit 9 unless the votes prove exactly what the node says. */
function checkEvidence(shown: ShownEvidence, context: VoteContext): void {
  try {
    const bytes = concatBytes(...shown.votes.map(hexToBytes))
    const evidence = decodeAll(bytes, readEvidence)
    const { first, second } = evidence
    const isAsSaid =
      first.signer === shown.validator &&
      first.height === shown.height &&
      first.view === shown.view &&
      context.validators[first.signer] === shown.publicKey &&
      findContradiction(first, second) === shown.kind
    if (isAsSaid && verifyEvidence(evidence, context)) return
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
  }
  throw new CliError(
    EXIT.verificationFailed,
    'bad-evidence',
    `the evidence against validator ${shown.validator} at height ${shown.height} proves nothing`,
    { hint: 'do not trust this node; try another with --api URL' },
  )
}
