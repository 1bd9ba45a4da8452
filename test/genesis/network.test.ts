import { describe, expect, it } from 'vitest'
import { devnetGenesis } from '../../genesis/devnet.ts'
import {
  chainId,
  chainParams,
  type Genesis,
  GenesisError,
  parseGenesis,
} from '../../genesis/network.ts'
import { releaseLimitDefaults } from '../../genesis/release-limits.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { secretOf } from '../support/chain-world.ts'

const keys = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => xOnlyPublicKey(secretOf(`${name} ${i}`)))
const genesis = devnetGenesis({
  validators: keys('validator', 4),
  recoveryKeys: keys('recovery', 3),
  salt: '00'.repeat(32),
})
/** Bitcoin's block 0 on mainnet. */
const MAINNET_0 =
  '0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e6776' +
  '8f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c'

/** The genesis with one field set, named by its path. */
function withField(path: string, value: unknown): unknown {
  const copy: unknown = JSON.parse(JSON.stringify(genesis))
  const names = path.split('.')
  const last = names.pop() ?? ''
  let at: unknown = copy
  for (const name of names) at = Reflect.get(at as object, name)
  Reflect.set(at as object, last, value)
  return copy
}

function messageOf(json: unknown): string {
  try {
    parseGenesis(json)
    return 'ok'
  } catch (error) {
    if (error instanceof GenesisError) return error.message
    throw error
  }
}

describe('a genesis file', () => {
  it('is read as it was written', () => {
    expect(parseGenesis(JSON.parse(JSON.stringify(genesis)))).toEqual(genesis)
    const params = chainParams(genesis)
    expect(params).toMatchObject({ name: 'devnet', addressPrefix: 'bcrt', l1Network: 'regtest' })
    expect(params.peg.minDepositSats).toBe(10_000n)
  })

  it.each(['', 'l1', 'l1.checkpoint', 'peg', 'peg.limits', 'peg.recovery'])(
    'knows every key of "%s"',
    (at) => {
      const path = at === '' ? 'surprise' : `${at}.surprise`
      expect(messageOf(withField(path, 1))).toContain('surprise')
    },
  )

  it('is an object', () => {
    for (const json of [undefined, null, 1, 'x', [], {}]) expect(messageOf(json)).not.toBe('ok')
  })

  it.each<[string, unknown]>([
    ['name', 'Devnet'],
    ['name', ''],
    ['addressPrefix', 'a'],
    ['addressPrefix', 'abcdef'],
    ['addressPrefix', 'a1'],
    ['l1.network', 'testnet3'],
    ['l1.checkpoint.height', -1],
    ['l1.checkpoint.height', 2 ** 32],
    ['l1.checkpoint.header', '00'.repeat(79)],
    ['salt', '00'.repeat(31)],
    ['validators', keys('validator', 3)],
    ['validators', [...keys('validator', 3), 'ff'.repeat(32)]],
    ['signingThreshold', 2.5],
    ['minBlockIntervalMs', 0],
    ['heartbeatMs', -1],
    ['peg.l1Depth', 0],
    ['peg.l1Depth', 1_001],
    ['peg.depositTiers', [{ aboveSats: 1, extraHeaders: 0 }]],
    ['peg.minDepositSats', 999],
    ['peg.minReleaseSats', 999],
    ['peg.minReleaseSats', 21e14 + 1],
    ['peg.feeRateFloor', 999],
    ['peg.feeRateCeiling', 10_000_001],
    ['peg.batchIntervalMs', 86_400_001],
    ['peg.batchReleasesMax', 0],
    ['peg.batchReleasesMax', 501],
    ['peg.openBatchesMax', 0],
    ['peg.openBatchesMax', 17],
    ['peg.limits.outflowCapBasisPoints', 0],
    ['peg.limits.outflowCapBasisPoints', 10_001],
    ['peg.limits.outflowWindowL1Blocks', 0],
    ['peg.limits.outflowWindowL1Blocks', 2_017],
    ['peg.limits.outflowFloorSats', -1],
    ['peg.limits.largeReleaseSats', 21e14 + 1],
    ['peg.limits.largeReleaseDelayL1Blocks', 2_017],
    ['peg.recovery.delayBlocks', 65_536],
    ['peg.recovery.threshold', 0],
    ['peg.recovery.keys', []],
  ])('refuses %s = %j', (path, value) => {
    const names = path.split('.')
    expect(messageOf(withField(path, value))).toContain(names.at(-1))
  })

  it.each<[string, unknown, string]>([
    ['validators', [...keys('validator', 3), keys('validator', 1)[0]], 'appears twice'],
    ['signingThreshold', 4, 'absent members could stop the peg'],
    ['peg.recovery.threshold', 4, 'more than there are keys'],
    ['peg.recovery.keys', [...keys('recovery', 2), keys('recovery', 1)[0]], 'appears twice'],
    ['peg.recovery.delayBlocks', 6, 'before it is minted'],
    ['peg.feeRateFloor', 200_001, 'above feeRateCeiling'],
    ['peg.minReleaseSats', 1_088, 'ok'],
    ['peg.bumpAfterL1Blocks', 4, 'before they can be proved'],
    ['peg.bumpAfterL1Blocks', 5, 'ok'],
    ['peg.reserveCoinsMax', 4, 'not above the minimum'],
    ['peg.upkeepFeeRateMax', 1_000, 'ok'],
    ['peg.refreshAfterL1Blocks', 2_161, 'more than half'],
    ['peg.feeRateFloor', 61_000, 'not enough for the fee'],
    ['peg.limits.outflowFloorSats', 19_999, 'less than two releases'],
    ['peg.limits.largeReleaseSats', 10_000, 'not above minReleaseSats'],
    ['addressPrefix', 'bc', 'one of Bitcoin’s'.replace('’', "'")],
    ['addressPrefix', 'tb', "one of Bitcoin's"],
    ['addressPrefix', 'cway', 'ok'],
    ['l1.checkpoint.header', '00'.repeat(80), 'no proof of work'],
  ])('weighs %s = %j', (path, value, expected) => {
    expect(messageOf(withField(path, value))).toContain(expected)
  })

  it.each(['mainnet', 'testnet4', 'signet', 'regtest'] as const)(
    'has limits for a new network on %s',
    (network) => {
      const limits = releaseLimitDefaults(network)
      expect(messageOf(withField('peg.limits', limits))).toBe('ok')
      if (network !== 'regtest') expect(limits.outflowCapBasisPoints).toBeLessThanOrEqual(2_000)
    },
  )

  it('keeps a minority from signing', () => {
    const seven = { ...genesis, validators: keys('validator', 7) }
    const messages = [2, 3, 5, 6].map((signingThreshold) =>
      messageOf({ ...seven, signingThreshold }),
    )
    expect(messages).toEqual([
      'signingThreshold: 2 faulty members could sign alone',
      'ok',
      'ok',
      'signingThreshold: 2 absent members could stop the peg',
    ])
  })

  it('starts on the first block of a retarget period, except on regtest', () => {
    const at = (network: Genesis['l1']['network'], height: number): string =>
      messageOf({
        ...genesis,
        addressPrefix: 'cway',
        l1: { network, checkpoint: { height, header: MAINNET_0 } },
      })
    expect([at('mainnet', 0), at('mainnet', 4_032), at('regtest', 5)]).toEqual(['ok', 'ok', 'ok'])
    expect(at('mainnet', 4_033)).toContain('not a multiple of 2016')
    expect(messageOf({ ...genesis, l1: { ...genesis.l1, network: 'signet' } })).toContain(
      'addressPrefix',
    )
  })
})

describe('the chain id', () => {
  it('does not depend on the order of the keys, and on nothing but the content', () => {
    const reversed = Object.fromEntries(Object.entries(genesis).toReversed())
    expect(chainId(parseGenesis(reversed))).toBe(chainId(genesis))
    const other = parseGenesis(withField('salt', '01'.repeat(32)))
    expect(chainId(other)).not.toBe(chainId(genesis))
    expect(chainParams(other).paramsHash).not.toBe(chainParams(genesis).paramsHash)
  })

  it('is this for this file', () => {
    expect(chainId(genesis)).toBe(
      '288d0f159e1f237bc7de8a9f2021bdc7393c35141b4c595fd1a7b7a8bf28422d',
    )
  })
})
