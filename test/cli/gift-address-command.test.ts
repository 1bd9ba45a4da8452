import { afterEach, beforeEach, expect, test } from 'vitest'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { depositScript } from '../../src/chain/peg/deposit-address.ts'
import { hexToBytes } from '../../src/primitives/bytes.ts'
import { toXOnlyKey } from '../../src/primitives/hashes.ts'
import { CHAIN_ID, GENESIS, GROUP_KEY, nodeStatus, RecordedNode } from './recorded-node.ts'
import { cli, json } from './test-io.ts'

let node: RecordedNode
beforeEach(async () => {
  node = await RecordedNode.start()
})
afterEach(() => node.stop())

const ask = () => cli(['federation', 'gift-address', '--api', node.url, '--json'])

test('the gift address is the deposit address of the empty recipient', async () => {
  const { recovery } = GENESIS.peg
  const script = depositScript({
    chainId: CHAIN_ID,
    epoch: 0,
    groupKey: hexToBytes(GROUP_KEY),
    recovery: { ...recovery, keys: recovery.keys.map(toXOnlyKey) },
    recipient: new Uint8Array(),
  })
  expect(json(await ask())).toEqual({
    address: encodeAddress(script, L1_ADDRESS_NETWORKS.regtest),
    keyEpoch: 0,
    groupKey: GROUP_KEY,
    minDepositSats: 10_000,
    feeReserveSats: 1_000,
  })
})

test('there is none before there is a key', async () => {
  const status = nodeStatus()
  node.status = {
    ...status,
    peg: { ...status.peg, state: 'closed', keyEpoch: null, groupKey: null },
  }
  const run = await ask()
  expect(run.exitCode).toBe(5)
  expect(json(run)).toMatchObject({ error: { code: 'peg-closed' } })
})
