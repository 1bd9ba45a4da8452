/** The federation is dead; two of three recovery keys take the reserves to safety, on a real bitcoind. */

import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { p2wpkhScript } from '../../src/bitcoin/script.ts'
import { createChainProofs } from '../../src/cli/node/chain-proofs.ts'
import { bytesToHex, concatBytes, hexToBytes } from '../../src/primitives/bytes.ts'
import { type Txid, toTxid } from '../../src/primitives/hashes.ts'
import { cli, json } from '../cli/test-io.ts'
import { bitcoindPath, type RunningBitcoind, startBitcoind } from '../support/bitcoind.ts'
import { chainOf } from '../support/certified-chain.ts'
import { aUser } from '../support/chain-world.ts'
import { DELAY_BLOCKS, RecoveryWorld } from '../support/recovery-world.ts'

const SAFE_SCRIPT = p2wpkhScript(new Uint8Array(20).fill(9))
const SAFE = encodeAddress(SAFE_SCRIPT, L1_ADDRESS_NETWORKS.regtest)!

const run = (...args: string[]) => cli(['federation', 'recover', ...args, '--json'])

describe.skipIf(bitcoindPath === undefined)('the reserves of a dead federation', () => {
  let daemon: RunningBitcoind
  let world: RecoveryWorld
  let folder: string
  let files: { readonly genesis: string; readonly keys: readonly string[] }
  let home: string
  let proof: string
  /** Alice's and bob's were minted; carol's was only seen. */
  let deposits: readonly Txid[]
  let firstHeight: number

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'causeway-recovery-'))
    daemon = await startBitcoind()
    world = new RecoveryWorld(daemon, folder)
    await world.mine(110)
    const alice = await world.deposit('alice', 30_000_000n)
    firstHeight = await world.height()
    const bob = await world.deposit('bob', 20_000_000n)
    await world.live([alice, bob])
    const carol = await world.deposit('carol', 5_000_000n)
    deposits = [alice.txid, bob.txid, carol.txid]
    files = await world.writeFiles()
    const l1Height = await world.height()
    const outPoint = { txid: carol.txid, vout: 0 }
    home = await world.deadHome({ outPoint, value: 5_000_000n, name: 'carol', l1Height })
    proof = world.path('reserves.proof')
    const chain = await chainOf(world.params, world.finalBlocks())
    const answer = await createChainProofs(chain).reservesProof()
    if (!answer.ok) throw new TypeError(answer.error.code)
    await writeFile(proof, concatBytes(...answer.value.pieces))
  })
  afterAll(async () => {
    await world.l1.close()
    await daemon.stop()
    await rm(folder, { recursive: true })
  })

  const l1 = () => ['--l1', daemon.url, '--l1-cookie', daemon.cookiePath]
  const fromProof = () => ['--proof', proof, '--genesis', files.genesis]
  const order = (out: string) => ['--to', SAFE, '--fee-rate', '2', '--out', world.path(out)]
  const genesis = () => ['--genesis', files.genesis]

  it('are proved offline, and bitcoind says that they are there', async () => {
    const verified = await cli(['chain', 'verify', proof, ...genesis(), ...l1(), '--json'])
    expect(json(verified)).toMatchObject({
      verified: true,
      totals: { reserves: 50_000_000 },
      coins: [{}, {}],
      onL1: { unspent: 2, onTheWay: 0 },
    })
  })

  it('are listed from a proof, from a stopped node, and from L1 by key and recipients', async () => {
    const byProof = json(await run('plan', ...fromProof(), ...l1()))
    expect(byProof).toMatchObject({
      totalSats: 50_000_000,
      openSats: 0,
      coins: [{ opensAtL1Height: firstHeight + DELAY_BLOCKS, age: 3 }, { age: 2 }],
    })
    const byHome = json(await run('plan', '--home', home, ...l1()))
    expect(byHome).toMatchObject({ totalSats: 55_000_000, coins: [{}, {}, { age: 1 }] })
    const key = `0:${bytesToHex(world.epoch.announcement.groupKey)}`
    const people = ['alice', 'bob', 'carol'].flatMap((name) => [
      '--recipient',
      encodeAddress(aUser(name).script, { bech32: 'bcrt' })!,
    ])
    const scanned = await run('plan', '--group-key', key, ...people, ...genesis(), ...l1())
    expect(json(scanned)).toMatchObject({ totalSats: 55_000_000, gone: [] })
    const more = ['--scan', '--recipient', people.at(-1)!]
    const both = json(await run('plan', ...fromProof(), ...more, ...l1()))
    expect(both).toMatchObject({ totalSats: 55_000_000 })
  })

  it('cannot be moved a block too early: not planned here, and refused by bitcoind', async () => {
    const left = firstHeight + DELAY_BLOCKS - 1 - (await world.height())
    const early = await run('build', ...fromProof(), ...l1(), ...order('early.psbt'))
    expect(early.exitCode).toBe(6)
    expect(json(early)).toMatchObject({
      error: { code: 'not-open', message: expect.stringContaining(`after ${left} more`) },
    })
    const mainnet = ['--to', 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', '--fee-rate', '2']
    const astray = await run('build', ...fromProof(), ...l1(), ...mainnet, '--out', world.path('x'))
    expect(astray.exitCode).toBe(2)
    expect(json(astray)).toMatchObject({ error: { code: 'address-network' } })
    await world.mine(left - 1)
    const height = ['--l1-height', String(firstHeight + DELAY_BLOCKS - 1)]
    const forced = await run('build', ...fromProof(), ...height, ...order('early.psbt'))
    expect(json(forced)).toMatchObject({ files: [{ inputs: 1 }], left: { notOpen: 1 } })
    const file = world.path('early.psbt')
    for (const key of files.keys.slice(0, 2)) {
      const signed = await run('sign', file, '--key-file', key, ...genesis(), '--yes')
      expect(signed.exitCode).toBe(0)
    }
    const again = await run('build', ...fromProof(), ...height, ...order('early.psbt'))
    expect(json(again)).toMatchObject({ error: { code: 'file-exists' } })
    const refused = await run('send', file, ...genesis(), ...l1())
    expect(json(refused)).toMatchObject({
      error: { code: 'not-open', message: expect.stringContaining('non-BIP68-final') },
    })
    await world.mine(1)
    expect((await world.l1.testAccept(await rawOf(file))).allowed).toBe(true)
  })

  /** What `send` prints where no bitcoind is named. */
  async function rawOf(file: string): Promise<Uint8Array> {
    const told = json(await run('send', file, ...genesis())) as { transactions: { hex: string }[] }
    return hexToBytes(told.transactions[0]!.hex)
  }

  it('arrive once two holders of keys have signed, each a copy of the file', async () => {
    await world.mine(3)
    const file = world.path('recovery.psbt')
    const built = json(await run('build', '--home', home, ...l1(), ...order('recovery.psbt')))
    expect(built).toMatchObject({ files: [{ inputs: 3, file }], left: { notOpen: 0, gone: 0 } })
    const copies = [world.path('first.psbt'), world.path('second.psbt')]
    for (const [i, copy] of copies.entries()) {
      await copyFile(file, copy)
      const signed = await run('sign', copy, '--key-file', files.keys[2 - i]!, '--yes')
      expect(json(signed)).toMatchObject({ signatures: 1, needed: 2, ready: false })
      const tooFew = await run('send', copy, ...genesis(), ...l1())
      expect(json(tooFew)).toMatchObject({ error: { code: 'too-few-signatures' } })
    }
    const both = world.path('both.psbt')
    const combined = await run('combine', ...copies, '--out', both, ...genesis())
    expect(json(combined)).toMatchObject({ signatures: 2, ready: true })
    const sent = json(await run('send', both, ...genesis(), ...l1())) as {
      transactions: { txid: string; result: string }[]
    }
    const [{ txid, result }] = sent.transactions as [{ txid: string; result: string }]
    expect(result).toBe('accepted')
    await world.mine(1)
    const arrived = await world.l1.findUnspent({ txid: toTxid(txid), vout: 0 })
    expect(arrived?.script).toEqual(SAFE_SCRIPT)
    const fee = 55_000_000n - arrived!.value
    const { weight } = (await daemon.rpc.call('decoderawtransaction', [
      bytesToHex(await rawOf(both)),
    ])) as { weight: number }
    expect(Number(fee)).toBeGreaterThanOrEqual(Math.ceil(weight / 4) * 2)
    expect(Number(fee)).toBeLessThan((weight / 4) * 2 + 20)
    for (const spent of deposits) {
      expect(await world.l1.findUnspent({ txid: spent, vout: 0 })).toBeUndefined()
    }
  })

  it('are missing from then on, and everybody can see it', async () => {
    const verified = await cli(['chain', 'verify', proof, ...genesis(), ...l1(), '--json'])
    expect(verified.exitCode).toBe(9)
    expect(json(verified)).toMatchObject({ error: { code: 'not-on-l1' } })
    const plan = json(await run('plan', ...fromProof(), ...l1()))
    expect(plan).toMatchObject({ totalSats: 0, gone: [expect.any(String), expect.any(String)] })
    const nothing = await run('build', ...fromProof(), ...l1(), ...order('nothing.psbt'))
    expect(json(nothing)).toMatchObject({ error: { code: 'no-coins' } })
  })
})
