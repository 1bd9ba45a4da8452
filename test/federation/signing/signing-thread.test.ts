import { schnorr } from '@noble/curves/secp256k1.js'
import { afterEach, describe, expect, it } from 'vitest'
import { createDkg, type DkgEffect, type DkgEvent } from '../../../federation/signing/dkg.ts'
import type { SigningInput } from '../../../federation/signing/roast-session.ts'
import {
  createSigningSessions,
  type SigningEffect,
  type SigningEvent,
} from '../../../federation/signing/signing-sessions.ts'
import {
  createSigningThread,
  type SigningThread,
} from '../../../federation/signing/signing-thread.ts'
import { keyName, type WorkJob, type WorkResult } from '../../../federation/signing/work-jobs.ts'
import { verifyKeyEpochAnnouncement } from '../../../src/chain/peg/key-epoch-announcement.ts'
import { identityTweak, xOnly } from '../../../src/chain/peg/key-tweak.ts'
import { utf8 } from '../../../src/primitives/bytes.ts'
import { hash32FromBytes } from '../../../src/primitives/hashes.ts'
import { sha256 } from '../../../src/primitives/sha256.ts'
import { VirtualWorldTime } from '../../support/virtual-runtime.ts'
import { CHAIN_ID, dealShares, hostSigner, memberKeys, seededRandom } from './test-federation.ts'

const SHARES = dealShares(4, 3, 'thread')
const KEY = keyName(SHARES[0]!)
const GROUP_KEY = SHARES[0]!.group.commitments[0]!
const INPUT: SigningInput = { sighash: sha256(utf8('thread')), tweak: identityTweak(GROUP_KEY) }
const threads: SigningThread[] = []
const time = new VirtualWorldTime()

function openThread(): SigningThread {
  const { clock, log } = time.runtime('thread')
  const thread = createSigningThread({ clock, log })
  threads.push(thread)
  return thread
}

afterEach(async () => {
  await Promise.all(threads.splice(0).map((thread) => thread.close()))
})

function makeNonces(thread: SigningThread, handle: bigint): Promise<WorkResult> {
  return thread.perform({ kind: 'make-nonces', key: KEY, order: { handle, count: 1 } })
}

/** Three participants whose nonces are those given. */
function signJob(handle: bigint, made: readonly WorkResult[]): WorkJob {
  const participants = made.map((result, member) => {
    if (result.kind !== 'nonces') throw new TypeError('no nonces')
    return { member, offer: { handle: BigInt(member), nonces: result.nonces } }
  })
  return { kind: 'sign', key: KEY, handle, inputs: [INPUT], participants, next: undefined }
}

/** What no state machine sends: the thread cannot survive it. */
const DEADLY = { kind: 'sign', key: KEY, handle: 9n } as WorkJob

describe('the signing thread', () => {
  it('signs with a nonce once, and never again', async () => {
    const three = [0, 1, 2].map(openThread)
    for (const [i, thread] of three.entries()) thread.addShare(SHARES[i]!)
    const made = await Promise.all(three.map((thread, i) => makeNonces(thread, BigInt(i))))
    const first = await three[0]!.perform(signJob(0n, made))
    expect(first).toMatchObject({ kind: 'shares', next: undefined })
    expect(await three[0]!.perform(signJob(0n, made))).toEqual({ kind: 'lost' })
  })

  it('makes no nonces over others, and none for a key that it does not have', async () => {
    const thread = openThread()
    expect(await makeNonces(thread, 1n)).toEqual({ kind: 'lost' })
    thread.addShare(SHARES[0]!)
    expect(await makeNonces(thread, 1n)).toMatchObject({ kind: 'nonces' })
    expect(await makeNonces(thread, 1n)).toEqual({ kind: 'lost' })
  })

  it('is replaced when it dies, with the share and without the nonces', async () => {
    const thread = openThread()
    thread.addShare(SHARES[0]!)
    const made = [
      await makeNonces(thread, 1n),
      await makeNonces(thread, 2n),
      await makeNonces(thread, 3n),
    ]
    const answers = await Promise.all([thread.perform(DEADLY), makeNonces(thread, 4n)])
    expect(answers).toEqual([{ kind: 'lost' }, { kind: 'lost' }])
    expect(thread.deaths).toBe(1)
    expect(thread.problem()).toMatch(/the signing thread died/)
    // Not at once, or one that cannot live would be started without end.
    expect(await makeNonces(thread, 5n)).toEqual({ kind: 'lost' })
    await time.pass(1_000)
    expect(await makeNonces(thread, 5n)).toMatchObject({ kind: 'nonces' })
    expect(thread.problem()).toBeUndefined()
    expect(await thread.perform(signJob(1n, made))).toEqual({ kind: 'lost' })
    expect(time.logLines.map(({ message }) => message)).toContain(
      'the signing thread died; its nonces are gone',
    )
  })

  it('does nothing after it was closed', async () => {
    const thread = openThread()
    thread.addShare(SHARES[0]!)
    const waiting = makeNonces(thread, 1n)
    await thread.close()
    expect(await waiting).toEqual({ kind: 'lost' })
    expect(await makeNonces(thread, 2n)).toEqual({ kind: 'lost' })
    expect(thread.deaths).toBe(0)
  })
})

/** Members whose arithmetic is done on threads; frames and answers come as they come. */
class ThreadedFederation<Event, Effect> {
  readonly machines: { step(event: Event): readonly Effect[] }[] = []
  readonly perform: (member: number, effect: Effect) => void
  failure: unknown

  step(member: number, event: Event): void {
    for (const effect of this.machines[member]!.step(event)) this.perform(member, effect)
  }

  each(event: Event): void {
    for (const member of this.machines.keys()) this.step(member, event)
  }

  constructor(perform: (member: number, effect: Effect) => void) {
    this.perform = perform
  }

  offload(member: number, work: SigningThread) {
    return {
      work,
      later: (effects: Effect[]) => {
        for (const effect of effects) this.perform(member, effect)
      },
      failed: (error: unknown) => {
        this.failure = error
      },
    }
  }
}

/** Turns of the real event loop, since threads answer when they can. */
async function until(condition: () => boolean, turn: () => void): Promise<void> {
  while (!condition()) {
    turn()
    await new Promise((resolve) => void setImmediate(resolve))
  }
}

describe('members whose arithmetic is done on threads', () => {
  it('sign, also when a thread dies in the middle', async () => {
    const task = { batchId: hash32FromBytes(sha256(utf8('threaded'))), version: 0 }
    const signed = new Map<number, readonly Uint8Array[]>()
    const work = SHARES.map(openThread)
    let nowMs = 0
    let killed = false
    const federation = new ThreadedFederation<SigningEvent, SigningEffect>((member, effect) => {
      if (effect.kind === 'send')
        federation.step(effect.to, { kind: 'received', sealed: effect.sealed })
      else if (effect.kind === 'journal') {
        // The second signer's nonces die with its thread.
        if (member === 1 && !killed) {
          killed = true
          void work[1]!.perform(DEADLY)
        }
        federation.step(member, { kind: 'journaled', token: effect.token })
      } else if (effect.kind === 'signed') signed.set(member, effect.signatures)
      else if (effect.kind === 'broadcast') {
        for (const to of SHARES.keys()) {
          if (to !== member) federation.step(to, { kind: 'received', sealed: effect.sealed })
        }
      } else throw new TypeError(effect.kind)
    })
    for (const [member, share] of SHARES.entries()) {
      const deps = {
        sign: hostSigner(member),
        random: seededRandom(`threaded ${member}`),
        authorise: () => ({ inputs: [INPUT, INPUT] }),
        offload: federation.offload(member, work[member]!),
      }
      const config = { chainId: CHAIN_ID, members: memberKeys(4), share }
      federation.machines.push(createSigningSessions(config, deps))
    }
    federation.each({ kind: 'task', task, nowMs })
    await until(
      () => signed.size === 4,
      () => {
        nowMs += 100
        void time.pass(100)
        federation.each({ kind: 'tick', nowMs })
      },
    )
    expect(federation.failure).toBeUndefined()
    for (const signatures of signed.values()) {
      expect(schnorr.verify(signatures[0]!, INPUT.sighash, xOnly(GROUP_KEY))).toBe(true)
    }
  })

  it('generate a key, also when the thread with a polynomial dies', async () => {
    const members = memberKeys(3)
    const announced = new Map<number, Extract<DkgEffect, { kind: 'announce' }>>()
    const work = members.map(openThread)
    let killed = false
    const federation = new ThreadedFederation<DkgEvent, DkgEffect>((member, effect) => {
      if (effect.kind === 'send')
        federation.step(effect.to, { kind: 'received', sealed: effect.sealed })
      else if (effect.kind === 'broadcast') {
        for (const to of members.keys()) {
          if (to !== member) federation.step(to, { kind: 'received', sealed: effect.sealed })
        }
      } else if (effect.kind === 'persist') {
        const { attempt, kind } = effect.record
        if (kind === 'share' && !killed) {
          killed = true
          void work[(member + 1) % 3]!.perform(DEADLY)
        }
        federation.step(member, { kind: 'persisted', attempt, record: kind })
      } else if (effect.kind === 'announce') announced.set(member, effect)
      else throw new TypeError(effect.kind)
    })
    for (const self of members.keys()) {
      federation.machines.push(
        createDkg(
          { chainId: CHAIN_ID, epoch: 0, members, self, threshold: 2 },
          {
            sign: hostSigner(self),
            random: seededRandom(`threaded key ${self}`),
            offload: federation.offload(self, work[self]!),
          },
        ),
      )
    }
    federation.each({ kind: 'start' })
    let turns = 0
    await until(
      () => announced.size === 3,
      () => {
        turns += 1
        if (turns % 50 !== 0) return
        void time.pass(1_000)
        federation.each({ kind: 'tick' })
      },
    )
    expect(federation.failure).toBeUndefined()
    for (const { announcement } of announced.values()) {
      const expected = { chainId: CHAIN_ID, epoch: 0, members }
      expect(verifyKeyEpochAnnouncement(announcement, expected)).toBe(true)
    }
  })
})
