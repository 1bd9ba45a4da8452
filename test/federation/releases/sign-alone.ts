/** A batch signed by some shares without messages: what the signing sessions end with. */

import { authoriseBatch } from '../../../federation/releases/batch-authorisation.ts'
import {
  aggregate,
  createSigningContext,
  type KeyShare,
  SecretNonce,
  signShare,
  tweakGroupKey,
} from '../../../federation/signing/frost.ts'
import type { Transaction } from '../../../src/bitcoin/transaction.ts'
import { withSignatures } from '../../../src/chain/peg/batch-transaction.ts'
import { type Batch, currentVersion } from '../../../src/chain/peg/batches.ts'
import type { PegWorld } from '../peg-world.ts'

export function signAlone(world: PegWorld, batch: Batch, shares: readonly KeyShare[]): Transaction {
  const { inputs } = authoriseBatch(world.chain.state.view, world.params, batch, 0)!
  const signatures = inputs.map(({ sighash, tweak }) => {
    const nonces = shares.map((share) => new SecretNonce(share, world.runtime.random.bytes))
    const participants = shares.map(({ member }, i) => ({ member, nonce: nonces[i]!.commitment }))
    const key = tweakGroupKey(shares[0]!.group, tweak)
    const context = createSigningContext(key, sighash, participants)!
    const parts = shares.map(
      (share, i) =>
        [share.member, signShare(share, tweak, nonces[i]!, sighash, participants)!] as const,
    )
    const signature = aggregate(context, new Map(parts))
    if (!signature.ok) throw new TypeError('no signature')
    return signature.value
  })
  return withSignatures(currentVersion(batch).transaction, signatures)
}
