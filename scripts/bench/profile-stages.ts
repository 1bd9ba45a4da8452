/**
 * A CPU profile of a validator, summed up by what the time was spent for. A sample belongs to the innermost
 * caller that says what it is for: hashing for the trie is the trie's, whoever hashes.
 */

import type { CpuProfile } from './process-profile.ts'

export interface StageShare {
  readonly stage: string
  /** Of the time that was not idle, 0 to 1. */
  readonly share: number
}

/** First match wins; parts of the addresses of files. */
const STAGES: readonly (readonly [string, readonly string[]])[] = [
  ['verify signatures', ['/primitives/secp256k1', '/runtime/secp256k1', '/runtime/check-']],
  ['sign', ['/@noble/curves/']],
  ['state trie', ['/chain/state-trie', '/chain/trie-', '/chain/row-table', '/chain/state-proof']],
  ['admit to mempool', ['/src/mempool/', '/src/node/script-cache']],
  ['index rows', ['/storage/index-rows', '/storage/records', '/storage/keys']],
  ['database', ['/src/storage/', '/classic-level/', '/abstract-level/']],
  ['connect and build blocks', ['/src/chain/', '/src/node/block-producer', '/chain-service']],
  ['agreement', ['/src/consensus/', '/src/node/consensus-', '/src/node/output-commit']],
  ['relay of transactions', ['/src/node/transaction-relay', '/src/node/turns']],
  ['HTTP', ['/src/api/', '/hono/', '/@hono/', 'node:_http', 'internal/deps/undici']],
  ['network', ['/src/p2p/', '/@libp2p/', '/@chainsafe/', '/libp2p/']],
  ['encode and decode transactions', ['/src/bitcoin/']],
  ['peg and member', ['/federation/']],
]
const IDLE = '(idle)'
const COLLECTOR = '(garbage collector)'

/** Every stage that took any time, the largest first. */
export function stageShares(profile: CpuProfile): readonly StageShare[] {
  const stageOf = stagesByNode(profile)
  const spent = new Map<string, number>()
  let busy = 0
  for (const [index, id] of profile.samples.entries()) {
    const took = Math.max(0, profile.timeDeltas[index] ?? 0)
    const stage = stageOf.get(id) ?? 'other'
    if (stage === IDLE) continue
    busy += took
    spent.set(stage, (spent.get(stage) ?? 0) + took)
  }
  return [...spent]
    .map(([stage, took]) => ({ stage, share: busy === 0 ? 0 : took / busy }))
    .toSorted((a, b) => b.share - a.share)
}

/** Callers come before what they call, so each node can take over its caller's stage. */
function stagesByNode({ nodes }: CpuProfile): ReadonlyMap<number, string> {
  const callerOf = new Map<number, number>()
  for (const { id, children = [] } of nodes) for (const child of children) callerOf.set(child, id)
  const stages = new Map<number, string>()
  for (const { id, callFrame } of nodes) {
    const inherited = stages.get(callerOf.get(id) ?? -1)
    const own = ownStage(callFrame) ?? inherited
    if (own !== undefined) stages.set(id, own)
  }
  return stages
}

function ownStage({
  functionName,
  url,
}: CpuProfile['nodes'][number]['callFrame']): string | undefined {
  if (functionName === IDLE) return IDLE
  if (functionName === COLLECTOR) return 'garbage collection'
  return STAGES.find(([, parts]) => parts.some((part) => url.includes(part)))?.[0]
}
