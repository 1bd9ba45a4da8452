/** The adversaries of agreement, each as what a whole node says over its streams and in answers. */

import { decodeMessage, encodeMessage, type Message } from '../../../consensus/messages.ts'
import { decodeDecidedAnswer, encodeDecidedAnswer } from '../../../consensus/sync-messages.ts'
import { type Statement, type Vote, voteDigest } from '../../../consensus/votes.ts'
import { DecodeError } from '../../../primitives/codec.ts'
import { toBlockHash } from '../../../primitives/hashes.ts'
import type { Channel } from '../../../runtime/runtime.ts'
import type { Adversary, Place } from '../../adversaries/adversary.ts'
import { type AdversaryKind, createAdversary } from '../../adversaries/create-adversary.ts'
import type { NodeAdversary, NodeAdversaryTools } from './node-adversary.ts'

/** Those that need to make blocks of the simulator's own kind are not among them. */
export const PROTOCOL_LIARS = [
  'equivocator',
  'finality-splitter',
  'vote-withholder',
  'body-withholder',
  'height-liar',
  'justification-forger',
  'nullify-spammer',
  'certificate-padder',
  'replayer',
  'flooder',
] as const satisfies readonly AdversaryKind[]

export function createProtocolLiar(
  kind: (typeof PROTOCOL_LIARS)[number],
  tools: NodeAdversaryTools,
): NodeAdversary {
  const { self, params, random } = tools
  const sign = (epoch: number, statement: Statement): Vote => {
    const digest = voteDigest({ chainId: params.chainId, epoch }, statement)
    return { ...statement, signer: self, signature: tools.sign(digest) }
  }
  const place = (): Place | undefined => {
    const at = tools.place()
    const parentHash = tools.parentHash()
    if (at === undefined || parentHash === undefined) return undefined
    const leader = (at.height + at.view) % params.validators.length
    return { ...at, parentHash: toBlockHash(parentHash), leader }
  }
  const adversary: Adversary = createAdversary(kind, {
    self,
    validators: params.validators.length,
    random,
    vote: (statement) => sign(0, statement),
    voteOfEpoch: sign,
    place,
  })
  return {
    frame(to, channel, frame) {
      const message = findMessage(channel, frame)
      // Without its hello nobody would listen to it.
      if (message === undefined || message.kind === 'hello') return [frame]
      if (adversary.distort === undefined) return [frame]
      return adversary.distort(message, to).map(encodeMessage)
    },
    overhear(channel, frame) {
      const message = findMessage(channel, frame)
      if (message !== undefined && message.kind !== 'hello') adversary.overhear?.(message)
    },
    answer(_question, honest) {
      const found = decodeDecidedAnswer(honest)
      return encodeDecidedAnswer(adversary.answerSync?.(found) ?? found)
    },
    speak(network, peers) {
      for (const { to, message } of adversary.speak?.() ?? []) {
        const peer = peers.find((one) => one === `n${to}`)
        if (peer === undefined || message.kind === 'transactions') continue
        const isLong = message.kind === 'propose' || message.kind === 'block'
        network.send(peer, isLong ? 'bulk' : 'consensus', encodeMessage(message))
      }
    },
  }
}

function findMessage(channel: Channel, frame: Uint8Array): Message | undefined {
  if (channel === 'federation') return undefined
  try {
    return decodeMessage(frame)
  } catch (cause) {
    if (cause instanceof DecodeError) return undefined
    throw cause
  }
}
