/**
 * How long a member's event loop is held up while it coordinates the signing of a transaction: the member
 * is here, all others are on another thread. Once with the arithmetic on the loop, once on a thread.
 */

import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Worker } from 'node:worker_threads'
import type { KeyShare } from '../../federation/signing/frost.ts'
import { coordinatorOrder, type SigningInput } from '../../federation/signing/roast-session.ts'
import type { SigningTask } from '../../federation/signing/signing-messages.ts'
import {
  createSigningSessions,
  type SigningEffect,
  type SigningEvent,
} from '../../federation/signing/signing-sessions.ts'
import { createSigningThread, type SigningThread } from '../../federation/signing/signing-thread.ts'
import { present } from '../../src/primitives/assert.ts'
import { utf8 } from '../../src/primitives/bytes.ts'
import { hash32FromBytes } from '../../src/primitives/hashes.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { createSystemRuntime } from '../../src/runtime/system-runtime.ts'
import { BenchmarkError } from './benchmark.ts'
import { type Federation, hostSigner } from './signing-federation.ts'
import type { OthersFrame, OthersPlan } from './signing-others.ts'

export interface EventLoopFigures {
  /** The longest that anything else had to wait, with all that this machine does besides. */
  readonly longestWaitMs: number
  /**
   * The longest step upon a message, in processor time, which other work does not change. What follows
   * from a thread's answer, one host signature at most, is not in it.
   */
  readonly longestStepMs: number
}

export interface EventLoopPlan {
  readonly federation: Federation
  readonly shares: readonly KeyShare[]
  readonly inputs: readonly SigningInput[]
  /** Where the arithmetic of the member watched is done. */
  readonly place: 'here' | 'thread'
}

/** The member that is watched. */
const SELF = 0
const TICK_MS = 200

export async function watchEventLoop(plan: EventLoopPlan): Promise<EventLoopFigures> {
  const runtime = createSystemRuntime({ logLevel: 'silent' })
  const work = plan.place === 'thread' ? createSigningThread(runtime) : undefined
  const others = new Worker(new URL('./signing-others.ts', import.meta.url), {
    workerData: othersPlan(plan),
    execArgv: [],
  })
  try {
    return await signWith(plan, others, work)
  } finally {
    await others.terminate()
    await work?.close()
  }
}

function signWith(
  { federation, shares, inputs }: EventLoopPlan,
  others: Worker,
  work: SigningThread | undefined,
): Promise<EventLoopFigures> {
  const { promise, resolve, reject } = Promise.withResolvers<EventLoopFigures>()
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const task = taskFor(federation)
  let longestStepMs = 0
  const tell = (to: number, sealed: Uint8Array): void => {
    const frame: OthersFrame = { kind: 'frame', to, sealed }
    others.postMessage(frame, [])
  }
  const performAll = (effects: readonly SigningEffect[]): void => {
    for (const effect of effects) {
      if (effect.kind === 'send') tell(effect.to, effect.sealed)
      else if (effect.kind === 'journal') step({ kind: 'journaled', token: effect.token })
      else if (effect.kind === 'signed') {
        clearInterval(ticks)
        delay.disable()
        resolve({ longestWaitMs: delay.max / 1e6, longestStepMs })
      } else if (effect.kind !== 'broadcast') reject(new BenchmarkError(effect.kind))
    }
  }
  const { chainId, members, random } = federation
  const sessions = createSigningSessions(
    { chainId, members, share: present(shares[SELF], 'share') },
    {
      sign: hostSigner(SELF, random),
      random,
      authorise: () => ({ inputs }),
      ...(work === undefined ? {} : { offload: { work, later: performAll, failed: reject } }),
    },
  )
  const step = (event: SigningEvent): void => {
    const beganMs = processorMs()
    const effects = sessions.step(event)
    longestStepMs = Math.max(longestStepMs, processorMs() - beganMs)
    performAll(effects)
  }
  const ticks = setInterval(() => step({ kind: 'tick', nowMs: performance.now() }), TICK_MS)
  others.once('error', reject)
  others.on('message', (message: OthersFrame | { readonly kind: 'ready' }) => {
    if (message.kind === 'frame') return step({ kind: 'received', sealed: message.sealed })
    // Its code is loaded and its shares are there: from now on only signing counts.
    delay.enable()
    step({ kind: 'task', task, nowMs: performance.now() })
    return others.postMessage({ kind: 'task', task }, [])
  })
  return promise
}

/** Of this thread. */
function processorMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** A task of which the member watched is the first coordinator. */
function taskFor({ members }: Federation): SigningTask {
  for (let number = 0; ; number++) {
    const task = { batchId: hash32FromBytes(sha256(utf8(`event loop ${number}`))), version: 0 }
    if (coordinatorOrder(task, members)[0] === SELF) return task
  }
}

function othersPlan({ federation, shares, inputs }: EventLoopPlan): OthersPlan {
  const { chainId, members, threshold } = federation
  const secrets = shares.map((share) => share.exposeSecret())
  const commitments = present(shares[0], 'share').group.commitments
  return { chainId, members, threshold, self: SELF, commitments, secrets, inputs }
}
