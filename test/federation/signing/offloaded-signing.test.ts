import { describe, expect, it } from 'vitest'
import type { KeyShare } from '../../../federation/signing/frost.ts'
import { coordinatorOrder } from '../../../federation/signing/roast-session.ts'
import type { SigningWork, WorkJob, WorkResult } from '../../../federation/signing/work-jobs.ts'
import { Workbench } from '../../../federation/signing/workbench.ts'
import { identityTweak } from '../../../src/chain/peg/key-tweak.ts'
import { utf8 } from '../../../src/primitives/bytes.ts'
import { hash32FromBytes } from '../../../src/primitives/hashes.ts'
import { sha256 } from '../../../src/primitives/sha256.ts'
import { messageIn } from '../../support/member-adversaries/member-adversary.ts'
import { settle } from '../../support/virtual-runtime.ts'
import { SigningNetwork } from './signing-network.ts'
import { dealShares, memberKeys, seededRandom } from './test-federation.ts'

const SHARES = dealShares(4, 3, 'offloaded')
const INPUTS = (name: string) => ({
  inputs: [
    {
      sighash: sha256(utf8(name)),
      tweak: identityTweak(SHARES[0]!.group.commitments[0]!),
    },
  ],
})

/** A workbench that takes its time over one kind of job. */
class SlowWork implements SigningWork {
  readonly #bench = new Workbench(seededRandom('slow work'), utf8('salt'))
  readonly #slow: WorkJob['kind']
  readonly #gate = Promise.withResolvers<void>()
  readonly asked: WorkJob['kind'][] = []

  constructor(slow: WorkJob['kind']) {
    this.#slow = slow
  }

  addShare(share: KeyShare): void {
    this.#bench.addShare(share)
  }

  problem(): undefined {
    return undefined
  }

  async perform(job: WorkJob): Promise<WorkResult> {
    this.asked.push(job.kind)
    if (job.kind === this.#slow) await this.#gate.promise
    return this.#bench.perform(job)
  }

  finish(): void {
    this.#gate.resolve()
  }
}

/** Three members, of whom one is slow at a kind of job, up to where that job is under way. */
async function upTo(slow: WorkJob['kind'], rank: number) {
  const task = { batchId: hash32FromBytes(sha256(utf8(`slow ${slow}`))), version: 0 }
  const ranks = coordinatorOrder(task, memberKeys(4))
  const member = ranks[rank]!
  const network = new SigningNetwork(SHARES, `slow ${slow}`, { loss: 0, duplication: 0 })
  const work = new SlowWork(slow)
  network.works.set(member, work)
  network.authorise = () => INPUTS('first')
  // The fourth is away, so that nobody can do without the slow one.
  for (const started of ranks.slice(0, 3)) network.start(started)
  network.begin(task)
  await turns(network)
  expect(work.asked).toContain(slow)
  const sharesSent = (): number =>
    network.sent.filter(({ from, sealed }) => from === member && messageIn(sealed).kind === 'share')
      .length
  return { network, work, member, task, sharesSent }
}

async function turns(network: SigningNetwork): Promise<void> {
  for (let turn = 0; turn < 5; turn++) {
    network.deliver()
    await settle()
  }
}

describe('a share that takes its time', () => {
  it('leaves when the state still says the same', async () => {
    const { network, work, sharesSent } = await upTo('sign', 1)
    expect(sharesSent()).toBe(0)
    work.finish()
    await turns(network)
    expect(sharesSent()).toBe(1)
    expect(network.signed.size).toBe(3)
    expect(network.failure).toBeUndefined()
  })

  it('never leaves when the state has moved on while it was computed', async () => {
    for (const now of [undefined, INPUTS('another transaction')]) {
      const { network, work, sharesSent } = await upTo('sign', 1)
      network.authorise = () => now
      work.finish()
      await turns(network)
      expect(sharesSent()).toBe(0)
      expect(network.signed.size).toBe(0)
    }
  })

  it('never leaves when its task was retired while it was computed', async () => {
    const { network, work, member, task, sharesSent } = await upTo('sign', 1)
    network.step(member, { kind: 'retire', task })
    work.finish()
    await turns(network)
    expect(sharesSent()).toBe(0)
    expect(network.failure).toBeUndefined()
  })
})

describe('a coordinator that takes its time', () => {
  for (const slow of ['open-session', 'check-shares'] as const) {
    it(`is no matter when the task is retired during ${slow}`, async () => {
      const { network, work, member, task } = await upTo(slow, 0)
      network.step(member, { kind: 'retire', task })
      work.finish()
      await turns(network)
      expect(network.signed.has(member)).toBe(false)
      expect(network.failure).toBeUndefined()
      expect(network.blames).toEqual([])
    })
  }
})
