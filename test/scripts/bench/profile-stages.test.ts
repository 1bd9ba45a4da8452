import { describe, expect, it } from 'vitest'
import type { CpuProfile } from '../../../scripts/bench/process-profile.ts'
import { stageShares } from '../../../scripts/bench/profile-stages.ts'

function node(id: number, functionName: string, url: string, children: number[] = []) {
  return { id, callFrame: { functionName, url, lineNumber: 0 }, children }
}

const profile: CpuProfile = {
  nodes: [
    node(1, '(root)', '', [2, 3, 4, 8]),
    node(2, '(idle)', ''),
    node(3, '(garbage collector)', ''),
    node(4, 'connectBlock', 'file:///x/src/chain/connect-block.ts', [5, 7]),
    node(5, 'sha256', 'file:///x/src/primitives/sha256.ts', [6]),
    node(6, 'SHA256_Final', ''),
    node(7, 'verifySchnorr', 'file:///x/src/primitives/secp256k1.ts'),
    node(8, 'strange', 'node:internal/strange'),
  ],
  samples: [2, 3, 4, 5, 6, 7, 8],
  timeDeltas: [1_000, 10, 10, 20, 30, 20, 10],
}

describe('the stages of a profile', () => {
  it('are shares of the busy time, each sample its innermost named caller’s', () => {
    const shares = Object.fromEntries(
      stageShares(profile).map(({ stage, share }) => [stage, Math.round(share * 100)]),
    )
    expect(shares).toEqual({
      'connect and build blocks': 60,
      'verify signatures': 20,
      'garbage collection': 10,
      other: 10,
    })
  })

  it('are none when nothing was done', () => {
    expect(stageShares({ ...profile, samples: [2], timeDeltas: [5] })).toEqual([])
  })
})
