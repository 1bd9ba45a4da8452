/** `/v1/peg`: what limits the releases, and the freeze votes, as the API shows them. */

import type { PegView } from '../../api/peg-schemas.ts'
import type { NodeFacade } from '../../api/ports.ts'
import { findFreeze, findFreezeVote } from '../../chain/peg/freeze.ts'
import { outflowWindow, savedFor } from '../../chain/peg/outflow.ts'
import { queuedReleases, type Release } from '../../chain/peg/releases.ts'
import { currentValidators } from '../../chain/validators.ts'
import { quorumSize } from '../../consensus/quorum.ts'
import type { Node } from '../../node/node.ts'
import { bytesToHex } from '../../primitives/bytes.ts'
import { type ReleaseWaits, releaseWaits } from './release-waits.ts'

const WAITING_SHOWN_MAX = 100
const FREES_SHOWN_MAX = 20

type LimitNode = Pick<Node, 'chain' | 'freezeVotes' | 'submitFreezeVote'>

export function createLimitReports(node: LimitNode): Pick<NodeFacade, 'peg' | 'submitFreezeVote'> {
  return {
    async peg() {
      const { params } = node.chain
      const state = node.chain.state()
      const waits = releaseWaits(params, state)
      const window = outflowWindow(state.view, params)
      const { limits } = params.peg
      return {
        l1Height: window.l1Height,
        outflow: {
          capSats: Number(window.cap),
          usedSats: Number(window.used),
          savedSats: Number(window.saved),
          freeSats: Number(window.free),
          windowL1Blocks: limits.outflowWindowL1Blocks,
          capBasisPoints: limits.outflowCapBasisPoints,
          floorSats: Number(limits.outflowFloorSats),
          frees: window.heights
            .filter(({ paid, saved }) => paid + saved > 0n)
            .slice(0, FREES_SHOWN_MAX)
            .map(({ l1Height, paid, saved }) => {
              const freeAt = l1Height + limits.outflowWindowL1Blocks
              return {
                l1Height: freeAt,
                sats: Number(paid + saved),
                expectedTimeMs: waits.expectedAt(freeAt),
              }
            }),
        },
        largeReleases: {
          fromSats: Number(limits.largeReleaseSats),
          delayL1Blocks: limits.largeReleaseDelayL1Blocks,
        },
        freeze: freezeView(node),
        waiting: waitingView(node, waits),
      }
    },
    submitFreezeVote: (vote) => node.submitFreezeVote(vote),
  }
}

function freezeView({ chain, freezeVotes }: LimitNode): PegView['freeze'] {
  const { view } = chain.state()
  const { keys } = currentValidators(chain.state().view)
  const since = findFreeze(view) ?? null
  return {
    frozen: since !== null,
    since,
    quorum: quorumSize(keys.length),
    votes: keys.flatMap((publicKey, validator) => {
      const vote = freezeVotes.newest(publicKey)
      if (vote === undefined) return []
      const standing = findFreezeVote(view, publicKey)
      return [
        {
          validator,
          publicKey,
          freeze: vote.freeze,
          serial: vote.serial,
          height: standing?.serial === vote.serial ? standing.height : null,
          signature: bytesToHex(vote.signature),
        },
      ]
    }),
  }
}

function waitingView({ chain }: LimitNode, waits: ReleaseWaits): PegView['waiting'] {
  const { view } = chain.state()
  const shown: Release[] = []
  for (const release of queuedReleases(view)) {
    if (shown.length >= WAITING_SHOWN_MAX) break
    shown.push(release)
  }
  return shown.map((release) => ({
    id: release.id,
    valueSats: Number(release.value),
    savedSats: Number(savedFor(view, release.id)),
    wait: waits.of(release).wait,
  }))
}
