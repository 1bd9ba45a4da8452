import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { decodeFreezeVote, verifyFreezeVote } from '../../src/chain/peg/freeze-vote.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import {
  CHAIN_ID,
  federation,
  GENESIS,
  nodeStatus,
  ok,
  pegLimits,
  problem,
  RecordedNode,
  VALIDATOR_SECRETS,
} from './recorded-node.ts'
import { cli, newHome } from './test-io.ts'

const ROUTE = 'POST /v1/freeze-votes'
const SECRET = VALIDATOR_SECRETS[1] ?? new Uint8Array()
/** The test terminal's clock, in seconds. */
const NOW = 1_700_000_000

let node: RecordedNode
let home: string
let sent: string[]

beforeEach(async () => {
  node = await RecordedNode.start()
  home = newHome()
  const keys = join(home, 'node', 'keys')
  mkdirSync(keys, { recursive: true })
  writeSecret(join(keys, 'validator.key'), SECRET)
  sent = []
  node.answers.set('GET /v1/federation', ok(federation()))
  node.answers.set(ROUTE, (body) => {
    const { vote } = JSON.parse(body) as { vote: string }
    sent.push(vote)
    return { status: 202, body: { accepted: true } }
  })
})
afterEach(() => node.stop())

function writeSecret(path: string, secret: Uint8Array): void {
  writeFileSync(path, `${bytesToHex(secret)}\n`, { mode: 0o600 })
}

const at = (...args: readonly string[]): string[] => [...args, '--api', node.url, '--home', home]

describe('a vote', () => {
  test('is signed here, with the key of the home and the clock as its number', async () => {
    expect((await cli(at('federation', 'freeze'))).exitCode).toBe(0)
    const vote = decodeFreezeVote(hexToBytes(sent[0] ?? ''))
    expect(vote).toMatchObject({ freeze: true, serial: NOW, validator: xOnlyPublicKey(SECRET) })
    expect(verifyFreezeVote(CHAIN_ID, vote)).toBe(true)
    const run = await cli(at('federation', 'unfreeze', '--serial', '4294967295', '--json'))
    const second = decodeFreezeVote(hexToBytes(sent[1] ?? ''))
    expect(second).toMatchObject({ freeze: false, serial: 0xffff_ffff })
    expect(verifyFreezeVote(CHAIN_ID, second)).toBe(true)
    expect(JSON.parse(run.stdout)).toMatchObject({ validator: 1, sent: true, vote: sent[1] })
  })

  test('can be signed without a node and sent by anybody', async () => {
    const genesis = join(home, 'genesis.json')
    writeFileSync(genesis, JSON.stringify(GENESIS))
    const signing = at('federation', 'freeze', '--sign-only', '--genesis', genesis)
    const hex = (await cli(signing)).stdout.trim()
    expect(node.requests).toEqual([])
    expect(verifyFreezeVote(CHAIN_ID, decodeFreezeVote(hexToBytes(hex)))).toBe(true)
    expect((await cli(at('federation', 'vote', hex))).exitCode).toBe(0)
    expect(sent).toEqual([hex])
  })

  test('can be made by who has joined since the genesis, and no more by who has left', async () => {
    const secret = new Uint8Array(32).fill(77)
    const key = join(home, 'newcomer.key')
    writeSecret(key, secret)
    const members = [{ index: 0, publicKey: xOnlyPublicKey(secret), online: true, self: false }]
    node.answers.set('GET /v1/federation', ok(federation({ epoch: 1, members })))
    const run = await cli(at('federation', 'freeze', '--key', key, '--json'))
    expect(JSON.parse(run.stdout)).toMatchObject({ validator: 0, sent: true })
    expect(sent).toHaveLength(1)
    expect((await cli(at('federation', 'freeze'))).exitCode).toBe(2)
    const genesis = join(home, 'genesis.json')
    writeFileSync(genesis, JSON.stringify(GENESIS))
    const offline = at('federation', 'freeze', '--sign-only', '--genesis', genesis, '--key', key)
    const signed = await cli(offline)
    expect(signed.stderr).toContain('not a genesis validator')
    expect(verifyFreezeVote(CHAIN_ID, decodeFreezeVote(hexToBytes(signed.stdout.trim())))).toBe(
      true,
    )
  })

  test('is not made with a key that is no validator’s, or without one', async () => {
    const other = join(home, 'other.key')
    writeSecret(other, new Uint8Array(32).fill(77))
    expect((await cli(at('federation', 'freeze', '--key', other))).exitCode).toBe(2)
    expect((await cli(at('federation', 'freeze', '--key', join(home, 'none')))).exitCode).not.toBe(
      0,
    )
    expect((await cli(at('federation', 'freeze', '--sign-only'))).exitCode).toBe(2)
    expect((await cli(at('federation', 'vote', 'XYZ'))).exitCode).toBe(2)
    expect(sent).toEqual([])
  })

  test('that the node refuses is an error with its word', async () => {
    node.answers.set(ROUTE, problem(400, 'freeze-vote-known', 'its newest vote has serial 9'))
    const run = await cli(at('federation', 'freeze', '--json'))
    expect(run.exitCode).toBe(6)
    expect(JSON.parse(run.stderr === '' ? run.stdout : run.stderr)).toMatchObject({
      error: { code: 'freeze-vote-known' },
    })
  })
})

describe('the status', () => {
  const vote = (validator: number, height: number | null) => ({
    validator,
    publicKey: `${validator}`.repeat(64),
    freeze: true,
    serial: NOW,
    height,
  })
  const peg = {
    l1Height: 120,
    outflow: {
      capSats: 200_000_000,
      usedSats: 150_000_000,
      savedSats: 0,
      freeSats: 50_000_000,
      windowL1Blocks: 144,
      frees: [{ l1Height: 190, sats: 150_000_000 }],
    },
    largeReleases: { fromSats: 1_000_000_000, delayL1Blocks: 72 },
    freeze: {
      frozen: true,
      since: { height: 9, timeMs: NOW * 1_000, l1Height: 119 },
      quorum: 3,
      votes: [vote(0, 8), vote(1, 9), vote(2, 9), vote(3, null)],
    },
    waiting: [
      {
        id: 3,
        valueSats: 70_000_000,
        savedSats: 0,
        wait: { kind: 'large-release', untilL1Height: 180, expectedTimeMs: NOW * 1_000 },
      },
    ],
  }

  test('shows since when and by whom, the cap, and what waits for how long', async () => {
    node.answers.set('GET /v1/peg', ok(peg))
    const { stdout, exitCode } = await cli(at('federation', 'status'))
    expect(exitCode).toBe(0)
    expect(stdout).toContain(
      'frozen since height 9, 2023-11-14 22:13:20 UTC, by validators 0, 1, 2, 3',
    )
    expect(stdout).toMatch(/3\s+freeze\s+1700000000\s+waits for a block/)
    expect(stdout).toContain('in 144 L1 blocks')
    expect(stdout).toMatch(/3\s+0\.7.*large-release\s+60 L1 blocks\s+2023-11-14 22:13:20 UTC/)
  })

  test('tells a peg without a key, and one that only this node has stopped', async () => {
    node.answers.set('GET /v1/peg', ok(pegLimits()))
    expect((await cli(at('federation', 'status'))).stdout).toContain('open: releases are paid')
    const status = nodeStatus()
    node.status = { ...status, peg: { ...status.peg, state: 'closed', keyEpoch: null } }
    expect((await cli(at('federation', 'status'))).stdout).toContain('closed: the members have no')
    const l1 = { network: 'regtest', state: 'forked', height: 9, chainHeight: 9, message: 'astray' }
    node.status = { ...status, l1, peg: { ...status.peg, state: 'frozen' } }
    expect((await cli(at('federation', 'status'))).stdout).toContain('frozen at this node: astray')
    const data = await cli(at('federation', 'status', '--json'))
    expect(JSON.parse(data.stdout)).toMatchObject({ state: 'frozen', freeze: { frozen: false } })
  })

  test('that counts a validator twice is not believed', async () => {
    const votes = [vote(0, 8), vote(0, 9), vote(2, 9)]
    node.answers.set('GET /v1/peg', ok({ ...peg, freeze: { ...peg.freeze, votes } }))
    expect((await cli(at('federation', 'status'))).exitCode).toBe(9)
  })
})
