/** The chain's validator sets as a light client knows them: from the genesis, by handovers that it checks. */

import { type DatedValidators, decodeHandover, followHandovers } from '../chain/handover.ts'
import { hexToBytes } from '../primitives/bytes.ts'
import { DecodeError } from '../primitives/codec.ts'
import { toXOnlyKey } from '../primitives/hashes.ts'
import type { ChainIdentity } from './chain-identity.ts'
import { CliError } from './cli-error.ts'
import { EXIT } from './exit-codes.ts'

/** `handovers`: hex, oldest first, as a node answers. @throws CliError exit 9 unless each one holds. */
export function validatorHistory(
  identity: ChainIdentity,
  handovers: readonly string[],
): readonly DatedValidators[] {
  const facts = {
    chainId: identity.chainId,
    validators: identity.genesis.validators.map(toXOnlyKey),
  }
  try {
    const sets = followHandovers(
      facts,
      handovers.map((hex) => decodeHandover(hexToBytes(hex))),
    )
    if (!sets.ok) throw unproven(sets.error.code)
    return sets.value
  } catch (cause) {
    if (cause instanceof DecodeError) throw unproven(cause.message)
    throw cause
  }
}

function unproven(reason: string): CliError {
  return new CliError(
    EXIT.verificationFailed,
    'bad-handover',
    `the node's handovers between validators prove nothing: ${reason}`,
    { hint: 'do not trust this node; try another with --api URL' },
  )
}
