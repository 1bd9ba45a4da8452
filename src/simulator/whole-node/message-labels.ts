/** What a frame or a gossip payload is, for faults that pick one kind, for checkers and for the trace. */

import { decodeEnvelope } from '../../../federation/signing/envelope.ts'
import { decodeMessage, type Message } from '../../consensus/messages.ts'
import { DecodeError } from '../../primitives/codec.ts'
import type { Channel, Topic } from '../../runtime/runtime.ts'

/** Topics that carry messages of agreement. */
const AGREEMENT: ReadonlySet<Topic> = new Set(['transactions', 'proposals', 'blocks', 'votes'])

export interface Labelled {
  readonly label: string
  /** Undefined for what is no message of agreement. */
  readonly message: Message | undefined
}

export function labelFrame(channel: Channel, frame: Uint8Array): Labelled {
  if (channel === 'federation') return { label: federationLabel(frame), message: undefined }
  const message = findMessage(frame)
  return { label: message === undefined ? 'garbage' : messageLabel(message), message }
}

export function labelGossip(topic: Topic, payload: Uint8Array): Labelled {
  const message = AGREEMENT.has(topic) ? findMessage(payload) : undefined
  return { label: `gossip/${topic}`, message }
}

function messageLabel(message: Message): string {
  return message.kind === 'vote' ? `vote/${message.vote.type}` : message.kind
}

function federationLabel(frame: Uint8Array): string {
  try {
    return `federation/${decodeEnvelope(frame).protocol}`
  } catch (cause) {
    if (cause instanceof DecodeError) return 'garbage'
    throw cause
  }
}

function findMessage(bytes: Uint8Array): Message | undefined {
  try {
    return decodeMessage(bytes)
  } catch (cause) {
    if (cause instanceof DecodeError) return undefined
    throw cause
  }
}
