import { describe, expect, it } from 'vitest'
import { L1_GENESIS } from '../../../federation/l1/bitcoin-l1.ts'
import {
  type BlockHeader,
  decodeHeader,
  encodeHeader,
  headerHash,
  REGTEST_GENESIS_HEADER,
} from '../../../src/bitcoin/header.ts'
import { genesisChainState } from '../../../src/chain/genesis-state.ts'
import type { ChainParams, L1Network } from '../../../src/chain/params.ts'
import { getPegBooks, putPegBooks } from '../../../src/chain/peg/books.ts'
import { connectL1Headers, findL1Header } from '../../../src/chain/peg/l1-headers.ts'
import { NAMESPACE, numberStateKey, StateOverlay } from '../../../src/chain/state.ts'
import { hexToBytes } from '../../../src/primitives/bytes.ts'
import { toTxid } from '../../../src/primitives/hashes.ts'
import { TestL1, testParams } from '../../support/chain-world.ts'
import { grind } from '../block-surgery.ts'

/** Bitcoin's block 0 and block 1. */
const MAINNET_0: BlockHeader = {
  ...REGTEST_GENESIS_HEADER,
  time: 1_231_006_505,
  bits: 0x1d00_ffff,
  nonce: 2_083_236_893,
}
const MAINNET_1: BlockHeader = {
  version: 1,
  previousHash: headerHash(MAINNET_0),
  merkleRoot: toTxid('0e3e2357e806b6cdb1f70b54c3a3a17b6714ee1f0e68bebb44a74b1efd512098'),
  time: 1_231_469_665,
  bits: 0x1d00_ffff,
  nonce: 2_573_394_689,
}

function paramsOf(l1Network: L1Network, height: number, header: BlockHeader): ChainParams {
  return { ...testParams(), l1Network, l1Checkpoint: { height, header: encodeHeader(header) } }
}

interface Known {
  readonly height: number
  readonly time: number
  readonly bits: number
}

/** A state that knows these headers; the last one is the tip. Their work does not matter any more. */
function knowing(
  params: ChainParams,
  headers: readonly Known[],
): { overlay: StateOverlay; tip: BlockHeader } {
  const overlay = new StateOverlay(genesisChainState(params).view)
  let tip = MAINNET_0
  for (const { height, time, bits } of headers) {
    tip = { ...MAINNET_0, time, bits }
    overlay.put(numberStateKey(NAMESPACE.l1Header, height), encodeHeader(tip))
    putPegBooks(overlay, { ...getPegBooks(overlay), l1Height: height, l1Hash: headerHash(tip) })
  }
  return { overlay, tip }
}

/** "l1-header-work" means that everything but the work is as Bitcoin wants it. */
function codeOf(params: ChainParams, known: readonly Known[], next: Partial<BlockHeader>): string {
  const { overlay, tip } = knowing(params, known)
  const header = { ...tip, previousHash: headerHash(tip), ...next }
  const connected = connectL1Headers(overlay, params, [encodeHeader(header)])
  return connected.ok ? 'ok' : connected.error.code
}

describe('L1 headers on mainnet', () => {
  it('connect as Bitcoin’s own did', () => {
    const params = paramsOf('mainnet', 0, MAINNET_0)
    const overlay = new StateOverlay(genesisChainState(params).view)
    expect(connectL1Headers(overlay, params, [encodeHeader(MAINNET_1)]).ok).toBe(true)
    expect(getPegBooks(overlay)).toMatchObject({
      l1Height: 1,
      l1Hash: '00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048',
    })
    expect(findL1Header(overlay, 1)).toEqual(MAINNET_1)
    expect(findL1Header(overlay, 2)).toBeUndefined()
  })

  // The numbers are those of Bitcoin Core's pow_tests.cpp.
  it.each([
    [32_256, 1_261_130_161, 1_262_152_739, 0x1d00_ffff, 0x1d00_d86a],
    [2_016, 1_231_006_505, 1_233_061_996, 0x1d00_ffff, 0x1d00_ffff],
    [68_544, 1_279_008_237, 1_279_297_671, 0x1c05_a3f4, 0x1c01_68fd],
    [46_368, 1_263_163_443, 1_269_211_443, 0x1c38_7f6f, 0x1d00_e1fd],
  ])('retarget at %i', (height, firstTime, lastTime, bits, expected) => {
    const params = paramsOf('mainnet', height - 2_016, MAINNET_0)
    const known = [
      { height: height - 2_016, time: firstTime, bits },
      // Enough for the median.
      ...Array.from({ length: 11 }, (_, i) => ({ height: height - 11 + i, time: lastTime, bits })),
    ]
    const time = lastTime + 600
    expect(codeOf(params, known, { bits: expected, time })).toBe('l1-header-work')
    expect(codeOf(params, known, { bits: expected + 1, time })).toBe('l1-header-difficulty')
    expect(codeOf(params, known, { bits: expected - 1, time })).toBe('l1-header-difficulty')
  })

  it('connect to a checkpoint of years later', () => {
    // Blocks 616,896, the first of a period, and 616,897.
    const [checkpoint, next] = [
      '0000ff3f4c2078d0388e3844fe6241723e9543074bd3a974c166110000000000000000000b43965e06a087b4' +
        '7726f35aa886df5630057215bb46a58216243e236565ac296053425ed41a121781b98236',
      '00c0ff3f9be6406d5311123b6212b14b1a070276157364a5d5f004000000000000000000f19f16556e795204' +
        '6ea684eb6e8aeebe5fc1bb7fca09a0633fd3da5ee9e2dbb80c56425ed41a12172fdc7d2c',
    ].map((hex) => decodeHeader(hexToBytes(hex)))
    if (checkpoint === undefined || next === undefined) throw new TypeError('two headers')
    const params = paramsOf('mainnet', 616_896, checkpoint)
    const overlay = new StateOverlay(genesisChainState(params).view)
    const codeWith = (header: BlockHeader): string => {
      const connected = connectL1Headers(overlay, params, [encodeHeader(header)])
      return connected.ok ? 'ok' : connected.error.code
    }
    expect(codeWith({ ...next, nonce: next.nonce + 1 })).toBe('l1-header-work')
    expect(codeWith({ ...next, bits: 0x1d00_ffff })).toBe('l1-header-difficulty')
    expect(codeWith(next)).toBe('ok')
    expect(getPegBooks(overlay)).toMatchObject({
      l1Height: 616_897,
      l1Hash: '000000000000000000096ad346a1684a6856b103669bda59175d855180234106',
    })
  })

  it('keep their difficulty between retargets, however late', () => {
    const params = paramsOf('mainnet', 2_016, MAINNET_0)
    const known = [{ height: 2_016, time: 5_000, bits: 0x1c05_a3f4 }]
    const late = 5_000 + 30_000
    expect(codeOf(params, known, { bits: 0x1c05_a3f4, time: late })).toBe('l1-header-work')
    expect(codeOf(params, known, { bits: 0x1d00_ffff, time: late })).toBe('l1-header-difficulty')
  })
})

describe('L1 headers on signet', () => {
  const limit = 0x1e03_77ae
  /** Block 0 of the public signet; a custom one has the same. */
  const SIGNET_0: BlockHeader = {
    ...REGTEST_GENESIS_HEADER,
    time: 1_598_918_400,
    bits: limit,
    nonce: 52_613_770,
  }
  const params = paramsOf('signet', 0, SIGNET_0)

  it('begin with the network\u2019s own block', () => {
    expect(headerHash(SIGNET_0)).toBe(L1_GENESIS.signet)
    const known = [{ height: 0, time: SIGNET_0.time, bits: limit }]
    const time = SIGNET_0.time + 600
    expect(codeOf(params, known, { bits: limit, time })).toBe('l1-header-work')
    // No exception for late blocks, and no easier target than the limit.
    expect(codeOf(params, known, { bits: 0x1e03_77af, time: time + 9_999 })).toBe(
      'l1-header-difficulty',
    )
  })

  it.each([
    ['four weeks and more', 9 * 604_800, limit],
    ['two weeks', 2 * 604_800, limit],
    ['one week', 604_800, 0x1e01_bbd7],
    ['a day, which counts as half a week', 86_400, 0x1e00_ddeb],
  ])('retarget after %s, never above the limit', (_name, elapsed, expected) => {
    const at = 2_016
    const last = SIGNET_0.time + elapsed
    const known = [
      { height: 0, time: SIGNET_0.time, bits: limit },
      ...Array.from({ length: 11 }, (_, i) => ({ height: at - 11 + i, time: last, bits: limit })),
    ]
    const time = last + 1
    expect(codeOf(params, known, { bits: expected, time })).toBe('l1-header-work')
    expect(codeOf(params, known, { bits: expected - 1, time })).toBe('l1-header-difficulty')
  })
})

describe('L1 headers on testnet4', () => {
  const lowest = 0x1d00_ffff
  const ordinary = 0x1c05_a3f4
  const params = paramsOf('testnet4', 4_032, MAINNET_0)
  const boundary = { height: 4_032, time: 10_000, bits: ordinary }

  it('begin with the network\u2019s own block (BIP94)', () => {
    const genesis: BlockHeader = {
      version: 1,
      previousHash: REGTEST_GENESIS_HEADER.previousHash,
      merkleRoot: toTxid('7aa0a7ae1e223414cb807e40cd57e667b718e42aaf9306db9102fe28912b7b4e'),
      time: 1_714_777_860,
      bits: lowest,
      nonce: 393_743_547,
    }
    expect(headerHash(genesis)).toBe(L1_GENESIS.testnet4)
    const start = genesisChainState(paramsOf('testnet4', 0, genesis)).view
    expect(getPegBooks(start)).toMatchObject({ l1Height: 0, l1Hash: L1_GENESIS.testnet4 })
  })

  it('may have the lowest difficulty after more than twenty minutes', () => {
    const soon = 10_000 + 1_200
    expect(codeOf(params, [boundary], { bits: ordinary, time: soon })).toBe('l1-header-work')
    expect(codeOf(params, [boundary], { bits: lowest, time: soon })).toBe('l1-header-difficulty')
    expect(codeOf(params, [boundary], { bits: lowest, time: soon + 1 })).toBe('l1-header-work')
    expect(codeOf(params, [boundary], { bits: ordinary, time: soon + 1 })).toBe(
      'l1-header-difficulty',
    )
  })

  it('go back to the last difficulty that was no exception', () => {
    const run = [1, 2, 3].map((i) => ({
      height: 4_032 + i,
      time: 10_000 + i * 2_000,
      bits: lowest,
    }))
    const known = [boundary, ...run]
    expect(codeOf(params, known, { bits: ordinary, time: 16_100 })).toBe('l1-header-work')
    expect(codeOf(params, known, { bits: lowest, time: 16_100 })).toBe('l1-header-difficulty')
  })

  it('retarget from the period’s first target (BIP94), and do not warp time', () => {
    const at = 6_048
    const known = [
      boundary,
      ...Array.from({ length: 11 }, (_, i) => ({
        height: at - 11 + i,
        time: 10_000 + 1_209_600,
        bits: lowest,
      })),
    ]
    const time = 10_000 + 1_209_600 + 600
    expect(codeOf(params, known, { bits: ordinary, time })).toBe('l1-header-work')
    expect(codeOf(params, known, { bits: lowest, time })).toBe('l1-header-difficulty')
    // The median is far behind, so only BIP94 speaks.
    const spread = known.map((each, i) =>
      i === 11 ? each : { ...each, time: i === 0 ? 10_000 : 20_000 },
    )
    const last = 10_000 + 1_209_600
    expect(codeOf(params, spread, { bits: ordinary, time: last - 600 })).toBe('l1-header-work')
    expect(codeOf(params, spread, { bits: ordinary, time: last - 601 })).toBe('l1-header-time-warp')
  })

  it('are decided quickly, even through a whole period of exceptions', () => {
    const run = Array.from({ length: 2_000 }, (_, i) => ({
      height: 4_033 + i,
      time: 10_000 + i * 2_000,
      bits: lowest,
    }))
    const time = 10_000 + 1_999 * 2_000 + 100
    expect(codeOf(params, [boundary, ...run], { bits: ordinary, time })).toBe('l1-header-work')
  })
})

function child(parent: BlockHeader, part: Partial<BlockHeader> = {}): BlockHeader {
  const next = { ...parent, previousHash: headerHash(parent), time: parent.time + 1, ...part }
  return grind({ ...next, nonce: 0 })
}

describe('L1 headers on regtest', () => {
  const params = testParams()

  function connected(headers: readonly BlockHeader[]): string {
    const overlay = new StateOverlay(genesisChainState(params).view)
    const result = connectL1Headers(overlay, params, headers.map(encodeHeader))
    return result.ok ? 'ok' : result.error.code
  }

  it('connect across what is a retarget elsewhere', () => {
    const l1 = new TestL1()
    for (let i = 0; i < 2_016; i++) l1.mine()
    expect(connected(l1.headers.slice(1))).toBe('ok')
  })

  it('link, one to the next', () => {
    const first = child(REGTEST_GENESIS_HEADER)
    const second = child(first)
    expect(connected([])).toBe('ok')
    expect(connected([first, second])).toBe('ok')
    expect(connected([second])).toBe('l1-header-unlinked')
    expect(connected([first, first])).toBe('l1-header-unlinked')
    expect(connected([first, second, child(first)])).toBe('l1-header-unlinked')
  })

  it('have the one target, and meet it', () => {
    const easier = child(REGTEST_GENESIS_HEADER, { bits: 0x2100_7fff })
    expect(connected([easier])).toBe('l1-header-difficulty')
    const good = child(REGTEST_GENESIS_HEADER)
    let nonce = 0
    while (grind({ ...good, nonce }).nonce === nonce) nonce += 1
    expect(connected([{ ...good, nonce }])).toBe('l1-header-work')
  })

  it('are later than the median of those before, from the first block on', () => {
    const { time } = REGTEST_GENESIS_HEADER
    expect(connected([child(REGTEST_GENESIS_HEADER, { time })])).toBe('l1-header-time')
    const chain = [REGTEST_GENESIS_HEADER]
    for (let i = 1; i <= 11; i++) chain.push(child(chain[i - 1] ?? REGTEST_GENESIS_HEADER))
    const tip = chain[11] ?? REGTEST_GENESIS_HEADER
    // The eleven before it have times +1 … +11, so the median is +6.
    expect(connected([...chain.slice(1), child(tip, { time: time + 6 })])).toBe('l1-header-time')
    expect(connected([...chain.slice(1), child(tip, { time: time + 7 })])).toBe('ok')
  })

  it('may run backwards where a checkpoint hides the median', () => {
    const checkpoint = { ...REGTEST_GENESIS_HEADER, time: 5_000 }
    const start = paramsOf('regtest', 100, checkpoint)
    const overlay = new StateOverlay(genesisChainState(start).view)
    const earlier = child(checkpoint, { time: 4_000 })
    expect(connectL1Headers(overlay, start, [encodeHeader(earlier)]).ok).toBe(true)
  })
})
