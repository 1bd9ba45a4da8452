/**
 * The first signature of a new key: over TH('causeway/keytest', Y.x), by all members together, under the
 * untweaked group key. It proves every share, not just a quorum's. The machinery is ROAST with all n as
 * the quorum; its clock is the key generation's ticks.
 */

import {
  type KeyGenerationTerms,
  keyTestMessage,
} from '../../src/chain/peg/key-epoch-announcement.ts'
import { identityTweak } from '../../src/chain/peg/key-tweak.ts'
import { present } from '../../src/primitives/assert.ts'
import type { KeyShare } from './frost.ts'
import { RoastMember } from './roast-member.ts'
import { taskKey } from './roast-session.ts'
import { DEFAULT_ROAST_TIMING } from './roast-signer.ts'
import type { SigningTask } from './signing-messages.ts'

/** What one tick stands for. */
export const KEY_TEST_TICK_MS = 1000

/** This member's part in the test; it signs for `task` and for nothing else. */
export function createKeyTest(
  task: SigningTask,
  { chainId, epoch, members }: KeyGenerationTerms,
  share: KeyShare,
  random: (length: number) => Uint8Array,
): RoastMember {
  const groupKey = present(share.group.commitments[0], 'group key')
  const input = { sighash: keyTestMessage(groupKey), tweak: identityTweak(groupKey) }
  return new RoastMember(
    {
      context: { chainId, epoch, members },
      self: share.member,
      share,
      quorum: members.length,
      timing: { ...DEFAULT_ROAST_TIMING, resendMs: KEY_TEST_TICK_MS },
    },
    {
      random,
      authorise: (asked) => (taskKey(asked) === taskKey(task) ? { inputs: [input] } : undefined),
    },
  )
}
