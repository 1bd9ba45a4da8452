/**
 * Block 0 and the state after it. On every network so far block 0 is Bitcoin's own regtest genesis
 * block, so that unmodified wallets which compare it connect; the chain id, which everything signed
 * contains, is what tells networks apart. Its coinbase is not a coin here, as it is none on Bitcoin.
 */

import {
  decodeHeader,
  headerHash,
  REGTEST_GENESIS_HEADER,
  REGTEST_GENESIS_TRANSACTION,
} from '../bitcoin/header.ts'
import type { Block } from './block.ts'
import type { ChainState } from './connect-block.ts'
import { EMPTY_L1_SECTION, l1SectionHash } from './l1-section.ts'
import { putGenesisMembers } from './member-sets.ts'
import type { ChainParams } from './params.ts'
import { putPegBooks, ZERO_TOTALS } from './peg/books.ts'
import { EMPTY_STATE, NAMESPACE, numberStateKey, type StateDelta, StateOverlay } from './state.ts'
import { StateTrie } from './state-trie.ts'
import { genesisValidators, hashOfSet } from './validators.ts'

/** Records that exist before the first block: the L1 checkpoint, empty books, the validators. */
export function genesisDelta(params: ChainParams): StateDelta {
  const overlay = new StateOverlay(EMPTY_STATE)
  const { height, header } = params.l1Checkpoint
  overlay.put(numberStateKey(NAMESPACE.l1Header, height), header)
  putPegBooks(overlay, {
    totals: ZERO_TOTALS,
    l1Height: height,
    l1Hash: headerHash(decodeHeader(header)),
    nextReleaseId: 0,
    nextBatchId: 0,
    feeRates: { current: params.peg.feeRateFloor, previous: params.peg.feeRateFloor },
  })
  putGenesisMembers(overlay, params)
  return overlay.delta()
}

/** Block 0. Its extension is not committed by its coinbase; it follows from the parameters. */
export function genesisBlock(params: ChainParams): Block {
  const validatorSetHash = hashOfSet(genesisValidators(params))
  const { height, header } = params.l1Checkpoint
  return {
    header: REGTEST_GENESIS_HEADER,
    extension: {
      height: 0,
      view: 0,
      timeMs: REGTEST_GENESIS_HEADER.time * 1000,
      proposer: 0,
      stateRoot: new StateTrie().prepare(genesisDelta(params)).root,
      validatorSetHash,
      nextValidatorSetHash: validatorSetHash,
      paramsHash: params.paramsHash,
      l1Height: height,
      l1Hash: headerHash(decodeHeader(header)),
      l1SectionHash: l1SectionHash(EMPTY_L1_SECTION),
      feeRate: params.peg.feeRateFloor,
      totals: ZERO_TOTALS,
      evidence: [],
      freezeVotes: [],
    },
    l1Section: EMPTY_L1_SECTION,
    transactions: [REGTEST_GENESIS_TRANSACTION],
  }
}

/** The state that block 1 builds on; for tests and tools that need no store. */
export function genesisChainState(params: ChainParams): ChainState {
  const block = genesisBlock(params)
  const delta = genesisDelta(params)
  const trie = new StateTrie()
  trie.apply(trie.prepare(delta))
  return {
    tip: {
      height: 0,
      hash: headerHash(block.header),
      timeMs: block.extension.timeMs,
      recentTimes: [block.header.time],
      coinbase: undefined,
    },
    view: { get: (key) => delta.puts.get(key), range: () => [] },
    trie,
  }
}
