import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BitcoinL1 } from '../../../federation/l1/bitcoin-l1.ts'
import { createBitcoindL1 } from '../../../federation/l1/bitcoind.ts'
import { L1UnavailableError } from '../../../federation/l1/l1-error.ts'
import { isPrunedBlock } from '../../../federation/l1/pruned-block.ts'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../../src/bitcoin/address.ts'
import { toBlockHash } from '../../../src/primitives/hashes.ts'
import { bitcoindPath, type RunningBitcoind, startBitcoind } from '../../support/bitcoind.ts'
import { runtime } from './l1-worlds.ts'
import { WALLET_SCRIPT } from './taproot-spender.ts'

const ADDRESS = encodeAddress(WALLET_SCRIPT, L1_ADDRESS_NETWORKS.regtest)!

describe.skipIf(bitcoindPath === undefined)('a real bitcoind', () => {
  let daemon: RunningBitcoind
  let l1: BitcoinL1

  beforeAll(async () => {
    // Block files of 64 KiB, so that a short chain has some to prune.
    daemon = await startBitcoind({ extraArguments: ['-prune=1', '-fastprune=1'] })
    const { url, cookiePath } = daemon
    l1 = createBitcoindL1({ network: 'regtest', url, cookiePath }, runtime)
  })
  afterAll(async () => {
    await l1.close()
    await daemon.stop()
  })

  it('serves pruned, and has no block that it pruned away', async () => {
    await daemon.rpc.call('generatetoaddress', [900, ADDRESS])
    await daemon.rpc.call('pruneblockchain', [600])
    const old = (await l1.blockHashAt(1))!
    expect(await l1.header(old)).toMatchObject({ height: 1, inBestChain: true, confirmations: 900 })
    expect(await l1.block(old)).toBeUndefined()
    expect(await isPrunedBlock(l1, old)).toBe(true)
    expect(await isPrunedBlock(l1, toBlockHash('00'.repeat(32)))).toBe(false)
    const recent = (await l1.blockHashAt(890))!
    expect(await l1.block(recent)).toMatchObject({ height: 890 })
  })

  it('is unavailable once it has stopped, and takes its cookie with it', async () => {
    await daemon.rpc.call('stop', [])
    await daemon.stop()
    await expect(l1.tip()).rejects.toBeInstanceOf(L1UnavailableError)
    const { url, cookiePath } = daemon
    const later = createBitcoindL1({ network: 'regtest', url, cookiePath }, runtime)
    await expect(later.tip()).rejects.toThrow(/is the L1 node running/)
    await later.close()
  })
})
