import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkMemberChange } from '../../src/chain/member-change.ts'
import { hashOfSet } from '../../src/chain/validators.ts'
import { changeOf, contextOf, readMemberChangeFile } from '../../src/cli/member-change-file.ts'
import { createNodeHome } from '../../src/cli/node/node-home.ts'
import { toXOnlyKey } from '../../src/primitives/hashes.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { GENESIS, ok, problem, RecordedNode, VALIDATOR_SECRETS } from './recorded-node.ts'
import { cli, json, newHome } from './test-io.ts'

const SUBMIT = 'POST /v1/federation/member-change'
const KEYS = GENESIS.validators
const NEWCOMER = xOnlyPublicKey(new Uint8Array(32).fill(5))

function federation(parts: object = {}) {
  return {
    epoch: 0,
    setHash: hashOfSet({ epoch: 0, keys: KEYS.map(toXOnlyKey) }),
    nextEpoch: 1,
    threshold: 3,
    members: KEYS.map((publicKey, index) => ({ index, publicKey, online: true, self: false })),
    pending: null,
    waitingChange: null,
    keyEpochs: [],
    ...parts,
  }
}

let node: RecordedNode
let file: string
let posted: unknown[]

beforeEach(async () => {
  node = await RecordedNode.start()
  file = join(newHome(), 'change.json')
  posted = []
  node.answers.set('GET /v1/federation', ok(federation()))
  node.answers.set(SUBMIT, (body) => {
    posted.push(JSON.parse(body))
    return { status: 202, body: { accepted: true } }
  })
})
afterEach(() => node.stop())

const run = (...args: readonly string[]) =>
  cli(['federation', ...args, '--api', node.url, '--json'])

/** A home with one validator's key. */
async function homeOf(validator: number): Promise<string> {
  const home = newHome()
  await createNodeHome(join(home, 'node'), {
    genesis: GENESIS,
    nodeSecret: new Uint8Array(32).fill(77),
    validatorSecret: VALIDATOR_SECRETS[validator],
    config: { listen: [], peers: [], apiPort: 0, logLevel: 'silent', l1: undefined },
  })
  return home
}

async function approve(validator: number, path = file, ...more: readonly string[]) {
  return await run('approve', path, '--home', await homeOf(validator), '--yes', ...more)
}

describe('a change of members as a file', () => {
  test('is proposed, approved by a quorum on their own machines, and submitted', async () => {
    const proposed = await run('propose-members', '--add', NEWCOMER, '--out', file)
    expect(json(proposed)).toMatchObject({
      epoch: 1,
      threshold: 4,
      members: [...KEYS, NEWCOMER],
      approvals: [],
    })
    expect((await run('submit', file)).exitCode).toBe(6)
    // Two sign one copy, the third another.
    const copy = `${file}.copy`
    copyFileSync(file, copy)
    for (const validator of [0, 2]) expect((await approve(validator)).exitCode).toBe(0)
    expect((await approve(3, copy, '--offline')).exitCode).toBe(0)
    expect(json(await run('submit', file, copy))).toMatchObject({ accepted: true, epoch: 1 })
    expect(posted).toMatchObject([
      {
        epoch: 1,
        threshold: 4,
        members: [...KEYS, NEWCOMER],
        approvals: [{ signer: 0 }, { signer: 2 }, { signer: 3 }],
      },
    ])
    const merged = changeOf(await readMemberChangeFile(file))
    const other = changeOf(await readMemberChangeFile(copy))
    const all = { ...merged, approvals: [...merged.approvals, ...other.approvals] }
    const context = contextOf(await readMemberChangeFile(file))
    expect(checkMemberChange(context, all)).toEqual({ ok: true, value: undefined })
  })

  test('lets members go, keeps the others’ order, and takes a whole list instead', async () => {
    const removed = KEYS[1] ?? ''
    const swap = ['--add', NEWCOMER, '--remove', removed]
    const { members } = json(await run('propose-members', ...swap, '--out', file)) as {
      members: string[]
    }
    expect(members).toEqual([KEYS[0], KEYS[2], KEYS[3], NEWCOMER])
    const list = `${file}.list`
    writeFileSync(list, JSON.stringify([...KEYS].toReversed()))
    const whole = await run('propose-members', '--members', list, '--out', `${file}.2`)
    expect(json(whole)).toMatchObject({ members: [...KEYS].toReversed(), threshold: 3 })
    // Never over a file that somebody may have signed.
    const again = await run('propose-members', ...swap, '--out', file)
    expect(json(again)).toMatchObject({ error: { code: 'file-exists' } })
  })

  test.each<[string, readonly string[]]>([
    ['nothing to change', []],
    ['a stranger to remove', ['--remove', NEWCOMER]],
    ['a member to add', ['--add', KEYS[0] ?? '']],
    ['no key', ['--add', 'abc']],
    ['no point', ['--add', 'f'.repeat(64)]],
    ['too few members', ['--remove', KEYS[0] ?? '']],
    ['an impossible threshold', ['--add', NEWCOMER, '--threshold', '5']],
    ['a threshold that one faulty member reaches', ['--add', NEWCOMER, '--threshold', '1']],
  ])('is refused: %s', async (_what, args) => {
    expect((await run('propose-members', ...args, '--out', file)).exitCode).toBe(2)
  })

  test('is not approved when it is about others, or when somebody has touched it', async () => {
    await run('propose-members', '--add', NEWCOMER, '--out', file)
    node.answers.set('GET /v1/federation', ok(federation({ nextEpoch: 2 })))
    expect(json(await approve(0))).toMatchObject({ error: { code: 'wrong-validators' } })
    node.answers.set('GET /v1/federation', ok(federation()))
    expect((await approve(0)).exitCode).toBe(0)
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.replace('"threshold": 4', '"threshold": 3'))
    expect((await approve(1)).exitCode).toBe(2)
    writeFileSync(file, text.replace(NEWCOMER, xOnlyPublicKey(new Uint8Array(32).fill(6))))
    expect((await run('submit', file)).exitCode).toBe(2)
  })

  test('is approved by nobody without a say', async () => {
    await run('propose-members', '--add', NEWCOMER, '--out', file)
    const home = newHome()
    const config = { listen: [], peers: [], apiPort: 0, logLevel: 'silent', l1: undefined } as const
    await createNodeHome(join(home, 'node'), {
      genesis: GENESIS,
      nodeSecret: new Uint8Array(32).fill(77),
      validatorSecret: new Uint8Array(32).fill(5),
      config,
    })
    expect((await run('approve', file, '--home', home, '--yes')).exitCode).toBe(2)
    // Without a terminal nobody signs by accident.
    const asked = await run('approve', file, '--home', await homeOf(0))
    expect(asked.exitCode).toBe(2)
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ approvals: [] })
  })

  test('keeps the node’s refusal', async () => {
    await run('propose-members', '--add', NEWCOMER, '--out', file)
    for (const validator of [0, 1, 2]) await approve(validator)
    node.answers.set(SUBMIT, problem(400, 'member-change-epoch', 'the next epoch is 2'))
    expect(json(await run('submit', file))).toMatchObject({
      error: { code: 'member-change-epoch' },
    })
  })
})

describe('federation epochs', () => {
  const members = [...KEYS, NEWCOMER].map((publicKey, index) => {
    return { index, publicKey, online: index !== 4, self: false }
  })
  const pending = { epoch: 1, threshold: 4, members, approvedHeight: 9, probeL1Height: null }

  test.each<[string, object, RegExp]>([
    [
      'the key is being made',
      {
        ...pending,
        stage: 'key-generation',
        keyGeneration: { attempt: 2, phase: 'dealing', waitingFor: [4] },
      },
      new RegExp(`attempt 2, dealing\\n {2}waiting for ${NEWCOMER}`),
    ],
    [
      'a node beside them only sees who is away',
      { ...pending, stage: 'key-generation', keyGeneration: null },
      new RegExp(`make their key\\n {2}waiting for ${NEWCOMER}`),
    ],
    [
      'there is no coin',
      { ...pending, stage: 'funding', keyGeneration: null },
      /waits for a coin and a fee reserve/,
    ],
    [
      'the key proves itself',
      { ...pending, stage: 'probe', probeL1Height: 120, keyGeneration: null },
      /since L1 height 120/,
    ],
  ])('tells what a change waits for: %s', async (_what, change, said) => {
    node.answers.set('GET /v1/federation', ok(federation({ pending: change })))
    const { stdout } = await cli(['federation', 'epochs', '--api', node.url])
    expect(stdout).toMatch(said)
  })

  test('shows what is left of each key', async () => {
    const key = {
      groupKey: `02${KEYS[0]}`,
      threshold: 3,
      members: KEYS,
      announcedHeight: 1,
      coins: 2,
      coinsSats: 150_000,
    }
    const keyEpochs = [
      { ...key, epoch: 0, state: 'retired', activatedHeight: 1 },
      { ...key, epoch: 1, state: 'active', activatedHeight: 90, coins: 0, coinsSats: 0 },
    ]
    node.answers.set('GET /v1/federation', ok(federation({ epoch: 1, keyEpochs })))
    const { stdout } = await cli(['federation', 'epochs', '--api', node.url])
    expect(stdout).toMatch(/^0 +retired +3 of 4 +1 +2 +0\.00150000/m)
    expect(stdout).toMatch(/^1 +active \(validators\)/m)
  })
})
