/** Every adversary of the signing protocol. */

import {
  createInfinity,
  createOffCurve,
  createRepeatedNonces,
  createTooFewNonces,
} from './bad-nonces.ts'
import { createBadShares } from './bad-shares.ts'
import { endlessCoordinator } from './endless-coordinator.ts'
import { createForgetful } from './forgetful.ts'
import { createGarbage } from './garbage.ts'
import type { CreateAdversary } from './member-adversary.ts'
import { createMisquotingCoordinator } from './misquoting-coordinator.ts'
import { createMuteAfterCommitment } from './mute-after-commitment.ts'
import { createNonceCopier } from './nonce-copier.ts'
import { createReplayer } from './replayer.ts'
import { createSlow } from './slow.ts'
import { createSplittingCoordinator } from './splitting-coordinator.ts'
import { createUsurper } from './usurper.ts'

export const ALL_ADVERSARIES: readonly CreateAdversary[] = [
  createBadShares,
  createOffCurve,
  createInfinity,
  createRepeatedNonces,
  createTooFewNonces,
  createNonceCopier,
  createMuteAfterCommitment,
  createForgetful,
  createGarbage,
  createReplayer,
  createSplittingCoordinator,
  createMisquotingCoordinator,
  endlessCoordinator({ shares: 0 }),
  createUsurper,
  createSlow,
]
