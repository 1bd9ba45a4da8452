/** Evidence of double votes as the HTTP API shows it: what waits, and what blocks carry. */

import type { NodeFacade } from '../../api/ports.ts'
import type { EvidenceView } from '../../api/schemas.ts'
import { compareOffences, offenceOf, offenceStateKey } from '../../chain/evidence.ts'
import { validatorSetAt } from '../../chain/validators.ts'
import { type Evidence, findContradiction } from '../../consensus/evidence.ts'
import { type Vote, writeVote } from '../../consensus/votes.ts'
import type { Node } from '../../node/node.ts'
import { present } from '../../primitives/assert.ts'
import { bytesToHex } from '../../primitives/bytes.ts'
import { encodeWith } from '../../primitives/codec.ts'
import type { RecordedEvidence } from '../../storage/records.ts'

interface EvidenceReports extends Pick<NodeFacade, 'evidence'> {
  /** `carriedBy`: height of the block that carries it. */
  viewOf(evidence: Evidence, carriedBy: number | undefined): EvidenceView
}

export function createEvidenceReports(node: Pick<Node, 'chain' | 'evidence'>): EvidenceReports {
  const { database } = node.chain
  const viewOf = (evidence: Evidence, carriedBy: number | undefined): EvidenceView => {
    const { first, second } = evidence
    const { keys } = validatorSetAt(node.chain.state().view, first.height)
    const publicKey = present(keys[first.signer], 'validator of evidence')
    return {
      validator: first.signer,
      publicKey,
      kind: present(findContradiction(first, second), 'contradiction of evidence'),
      height: first.height,
      view: first.view,
      votes: [voteHex(first), voteHex(second)],
      block: carriedBy === undefined ? null : blockView(carriedBy),
    }
  }
  const blockView = (height: number): EvidenceView['block'] => {
    return { height, hash: present(database.blockHashAt(height), 'block with evidence') }
  }
  return {
    viewOf,
    async evidence({ before, limit }) {
      const recorded = await database.evidence.recorded({
        limit,
        ...(before === undefined ? {} : { before }),
      })
      const known = new Set(recorded.map(({ evidence }) => offenceStateKey(offenceOf(evidence))))
      // What a block took away while the disk was read is in both.
      const waiting = node.evidence.waiting().filter((evidence) => {
        const offence = offenceOf(evidence)
        if (known.has(offenceStateKey(offence))) return false
        return before === undefined || compareOffences(offence, before) < 0
      })
      return [...recorded, ...waiting.map((evidence) => ({ evidence, blockHeight: undefined }))]
        .toSorted(newestFirst)
        .slice(0, limit)
        .map(({ evidence, blockHeight }) => viewOf(evidence, blockHeight))
    },
  }
}

function newestFirst(
  a: Pick<RecordedEvidence, 'evidence'>,
  b: Pick<RecordedEvidence, 'evidence'>,
): number {
  return compareOffences(offenceOf(b.evidence), offenceOf(a.evidence))
}

function voteHex(vote: Vote): string {
  return bytesToHex(encodeWith((writer) => writeVote(writer, vote)))
}
