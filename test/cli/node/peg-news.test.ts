import { describe, expect, it } from 'vitest'
import { createPegNewsReports } from '../../../src/cli/node/peg-news.ts'
import { bytesToHex } from '../../../src/primitives/bytes.ts'
import { certify, openChain } from '../../support/certified-chain.ts'
import { testParams } from '../../support/chain-world.ts'
import { ChangingChain } from '../../support/changing-chain.ts'
import { freezeVotes } from '../../support/freeze-votes.ts'
import { type Crew, keyOfCrew } from '../../support/member-changes.ts'

const params = testParams()
const founders: Crew = { epoch: 0, threshold: 3, members: [0, 1, 2, 3] }
const five: Crew = { epoch: 1, threshold: 3, members: [0, 1, 2, 3, 4] }

/** What a node that follows the chain tells of each block. */
async function newsOf({ blocks }: ChangingChain, last: number): Promise<object[]> {
  const chain = await openChain(params)
  const reports = createPegNewsReports(chain)
  const news: object[] = []
  for (const block of blocks) {
    const { height } = block.extension
    const crew = height <= last ? founders : five
    await chain.apply(block, certify(params, block, { crew, signers: [0, 1, 2, 3] }))
    news.push(...reports.newsAt(height))
  }
  return news
}

function keyNews(crew: Crew, height: number): object {
  const groupKey = bytesToHex(keyOfCrew(params, crew).groupKey)
  const { epoch, threshold, members } = crew
  const keyEpoch = { epoch, groupKey, threshold, members: members.length, height }
  return { kind: 'key-epoch', keyEpoch }
}

describe('news of the peg', () => {
  it('are its opening, a freeze and its end, and a new key, each once', async () => {
    const world = new ChangingChain(params)
    const vote = (serial: number, freeze: boolean): number =>
      world.extend({}, [], freezeVotes(params, [0, 1, 2], { serial, freeze })).extension.height
    const frozenAt = vote(10, true)
    world.extend()
    const thawedAt = vote(11, false)
    const last = world.change(founders, five).extension.height
    world.release()
    expect(await newsOf(world, last)).toEqual([
      keyNews(founders, 1),
      { kind: 'freeze', freeze: { frozen: true, height: frozenAt } },
      { kind: 'freeze', freeze: { frozen: false, height: thawedAt } },
      keyNews(five, last),
    ])
  })
})
