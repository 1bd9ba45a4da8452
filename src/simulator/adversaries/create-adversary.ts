/** All adversaries by name. */

import type { Adversary, AdversaryTools } from './adversary.ts'
import { createBodyWithholder } from './body-withholder.ts'
import { createCertificatePadder } from './certificate-padder.ts'
import { createEquivocator } from './equivocator.ts'
import { createFinalitySplitter } from './finality-splitter.ts'
import { createFlooder } from './flooder.ts'
import { createHeightLiar } from './height-liar.ts'
import { createInvalidProposer } from './invalid-proposer.ts'
import { createJustificationForger } from './justification-forger.ts'
import { createLateJoiner } from './late-joiner.ts'
import { createNullifySpammer } from './nullify-spammer.ts'
import { createReplayer } from './replayer.ts'
import { createSilent } from './silent.ts'
import { createSplitter } from './splitter.ts'
import { createTwins } from './twins.ts'
import { createVoteWithholder } from './vote-withholder.ts'

const FACTORIES = {
  silent: createSilent,
  'late-joiner': createLateJoiner,
  twins: createTwins,
  splitter: createSplitter,
  equivocator: createEquivocator,
  'finality-splitter': createFinalitySplitter,
  'vote-withholder': createVoteWithholder,
  'body-withholder': createBodyWithholder,
  'invalid-proposer': createInvalidProposer,
  'height-liar': createHeightLiar,
  'justification-forger': createJustificationForger,
  'nullify-spammer': createNullifySpammer,
  'certificate-padder': createCertificatePadder,
  replayer: createReplayer,
  flooder: createFlooder,
} as const satisfies Readonly<Record<string, (tools: AdversaryTools) => Adversary>>

export type AdversaryKind = keyof typeof FACTORIES

export const ADVERSARY_KINDS: readonly AdversaryKind[] = [
  'silent',
  'late-joiner',
  'twins',
  'splitter',
  'equivocator',
  'finality-splitter',
  'vote-withholder',
  'body-withholder',
  'invalid-proposer',
  'height-liar',
  'justification-forger',
  'nullify-spammer',
  'certificate-padder',
  'replayer',
  'flooder',
]

export function createAdversary(kind: AdversaryKind, tools: AdversaryTools): Adversary {
  return FACTORIES[kind](tools)
}
