import { describe, expect, it } from 'vitest'
import type { Block } from '../../src/chain/block.ts'
import type { Verdict } from '../../src/consensus/events-and-effects.ts'
import { FreshJudgements } from '../../src/node/fresh-judgements.ts'
import { toBlockHash } from '../../src/primitives/hashes.ts'
import { mintedWorld } from '../support/chain-world.ts'
import { settle, VirtualWorldTime } from '../support/virtual-runtime.ts'

const hash = toBlockHash('aa'.repeat(32))
const question = {
  hash,
  bytes: new Uint8Array(),
  height: 5,
  view: 0,
  proposer: 0,
  parentHash: hash,
  endsEpoch: false,
}
const built = mintedWorld(50_000n).chain.build()
if (!built.ok) throw new TypeError('not built')
const block: Block = built.value

function desk() {
  const time = new VirtualWorldTime()
  const answers: Verdict[] = []
  const failures: unknown[] = []
  const asked: ((verdict: Verdict) => void)[] = []
  let tip = 4
  const judgements = new FreshJudgements({
    timers: time.runtime('desk').timers,
    tipHeight: () => tip,
    judge: () => new Promise((resolve) => asked.push(resolve)),
    answered: (_hash, verdict) => answers.push(verdict),
    failed: (error) => failures.push(error),
  })
  return {
    time,
    judgements,
    answers,
    asked,
    failures,
    answer: async (verdict: Verdict): Promise<void> => {
      asked.shift()?.(verdict)
      await settle()
    },
    decide: (): void => {
      tip += 1
      judgements.tipMoved()
    },
  }
}

describe('a fresh judgement', () => {
  it('is asked for once at a time, however often somebody wants it', async () => {
    const { judgements, asked, answers, answer } = desk()
    judgements.ask(question, block)
    judgements.ask(question, block)
    for (let i = 0; i < 10; i++) judgements.reconsider()
    expect(asked).toHaveLength(1)
    await answer('valid')
    expect(answers).toEqual(['valid'])
    expect(asked).toHaveLength(0)
  })

  it('that is pending is asked for again at once when something changed meanwhile', async () => {
    const { judgements, asked, answers, answer } = desk()
    judgements.ask(question, block)
    judgements.reconsider()
    await answer('pending')
    expect(asked).toHaveLength(1)
    await answer('valid')
    expect(answers).toEqual(['pending', 'valid'])
  })

  it('that is pending is asked for again after a while, and no more once it is not', async () => {
    const { time, judgements, asked, answers, answer } = desk()
    judgements.ask(question, block)
    await answer('pending')
    expect(asked).toHaveLength(0)
    await time.pass(1_000)
    expect(asked).toHaveLength(1)
    await answer('invalid')
    await time.pass(10_000)
    expect(asked).toHaveLength(0)
    expect(answers).toEqual(['pending', 'invalid'])
    expect(time.timerCount).toBe(0)
  })

  it('is moot when its height is decided', async () => {
    const { time, judgements, asked, answers, answer, decide } = desk()
    judgements.ask(question, block)
    decide()
    await answer('pending')
    await time.pass(10_000)
    expect(answers).toEqual([])
    expect(asked).toHaveLength(0)
  })

  it('ends with the node', async () => {
    const { time, judgements, asked, answers, answer } = desk()
    judgements.ask(question, block)
    const stopped = judgements.stop()
    await answer('pending')
    await stopped
    judgements.ask(question, block)
    judgements.reconsider()
    await time.pass(10_000)
    expect(asked).toHaveLength(0)
    expect(answers).toEqual([])
  })
})
