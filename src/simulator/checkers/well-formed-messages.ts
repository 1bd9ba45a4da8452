/**
 * Everything that an honest node says holds: signatures and certificates verify, and its proposals
 * are justified.
 */

import { verifyJustification } from '../../consensus/justification.ts'
import type { Message } from '../../consensus/messages.ts'
import { signedHeight, verifyMessage } from '../../consensus/verify-message.ts'
import type { NodeObserver } from '../node-observer.ts'
import type { ValidatorPlace } from './vote-rules.ts'
import type { Watch } from './watch.ts'

const NOTHING_KNOWN = { hasVote: () => false, hasCertificate: () => false }

export class WellFormedMessages implements NodeObserver {
  readonly #watch: Watch

  constructor(watch: Watch) {
    this.#watch = watch
  }

  released(node: ValidatorPlace, message: Message): void {
    const { byzantine, schedule, fail } = this.#watch
    if (byzantine.has(node.index)) return
    if (!verifyMessage(message, schedule.at(signedHeight(message) ?? 1), NOTHING_KNOWN)) {
      fail(`node ${node.index} sent a bad ${message.kind}`)
    }
    if (message.kind !== 'propose') return
    const { height, view, blockHash } = message.leaderVote
    const isJustified =
      blockHash !== undefined &&
      verifyJustification(message.justification, { height, view, hash: blockHash })
    if (!isJustified) fail(`node ${node.index} proposed without justification at ${height}/${view}`)
  }
}
