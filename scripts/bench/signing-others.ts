/** The thread of all members but one, for `signing-event-loop.ts`. */

import { randomBytes } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'
import { deriveGroupKey, KeyShare } from '../../federation/signing/frost.ts'
import type { SigningInput } from '../../federation/signing/roast-session.ts'
import type { SigningTask } from '../../federation/signing/signing-messages.ts'
import {
  createSigningSessions,
  type SigningEvent,
  type SigningSessions,
} from '../../federation/signing/signing-sessions.ts'
import { present } from '../../src/primitives/assert.ts'
import type { Hash32, XOnlyKey } from '../../src/primitives/hashes.ts'
import { installNativeBackends } from '../../src/runtime/native-backends.ts'
import { hostSigner } from './signing-federation.ts'

export interface OthersPlan {
  readonly chainId: Hash32
  readonly members: readonly XOnlyKey[]
  readonly threshold: number
  /** The member that is not here. */
  readonly self: number
  readonly commitments: readonly Uint8Array[]
  /** By member, 32 bytes each. */
  readonly secrets: readonly Uint8Array[]
  readonly inputs: readonly SigningInput[]
}

export interface OthersFrame {
  readonly kind: 'frame'
  readonly to: number
  readonly sealed: Uint8Array
}

type OthersRequest = OthersFrame | { readonly kind: 'task'; readonly task: SigningTask }

installNativeBackends()
const port = present(parentPort, 'port of the others')
const plan: OthersPlan = workerData
const random = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
const { chainId, members, self, commitments, secrets, inputs } = plan
const group = deriveGroupKey(commitments, members.length)
const sessions = new Map<number, SigningSessions>()
for (const [member, secret] of secrets.entries()) {
  if (member === self) continue
  const share = new KeyShare({ epoch: 0, attempt: 1, member, group, secret })
  const deps = { sign: hostSigner(member, random), random, authorise: () => ({ inputs }) }
  sessions.set(member, createSigningSessions({ chainId, members, share }, deps))
}

function step(member: number, event: SigningEvent): void {
  for (const effect of sessions.get(member)?.step(event) ?? []) {
    if (effect.kind === 'send') send(effect.to, effect.sealed)
    else if (effect.kind === 'journal') step(member, { kind: 'journaled', token: effect.token })
    else if (effect.kind === 'broadcast') {
      for (const to of members.keys()) if (to !== member) send(to, effect.sealed)
    }
  }
}

function send(to: number, sealed: Uint8Array): void {
  const frame: OthersFrame = { kind: 'frame', to, sealed }
  if (to === self) port.postMessage(frame)
  else step(to, { kind: 'received', sealed })
}

port.on('message', (request: OthersRequest) => {
  if (request.kind === 'frame')
    return step(request.to, { kind: 'received', sealed: request.sealed })
  const { task } = request
  for (const member of sessions.keys())
    step(member, { kind: 'task', task, nowMs: performance.now() })
  return undefined
})
port.postMessage({ kind: 'ready' })
