import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encodeAddress } from '../../src/bitcoin/address.ts'
import { classifyOutput } from '../../src/bitcoin/script.ts'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { testWallet } from '../wallet/test-wallet.ts'
import { homeWithWallet, PASSPHRASE } from './cli-wallet.ts'
import {
  deposit,
  GENESIS,
  GROUP_KEY,
  honestDepositAddress,
  honestWithdrawAddress,
  nodeStatus,
  ok,
  pegLimits,
  problem,
  RecordedNode,
  release,
  SOME_TXID,
} from './recorded-node.ts'
import { cli, json } from './test-io.ts'

const { scripts } = testWallet('p2tr')
const RECIPIENT = encodeAddress(scripts.derive(0, 0).script, { bech32: 'bcrt' }) ?? 'none'
const OTHER = encodeAddress(scripts.derive(0, 1).script, { bech32: 'bcrt' }) ?? 'none'
/** An L1 regtest address. */
const L1_ADDRESS = 'bcrt1q6z64a43mjgkcq0ul2znwneq3spghrlau9slefp'
const env = { CAUSEWAY_WALLET_PASSPHRASE: PASSPHRASE }

let node: RecordedNode
let home = ''
beforeEach(async () => {
  node = await RecordedNode.start()
  home = await homeWithWallet()
})
afterEach(() => node.stop())

function peg(...args: readonly string[]): readonly string[] {
  return ['peg', ...args, '--home', home, '--api', node.url]
}

describe('deposit-address', () => {
  test('is derived again from the chain’s key and shown', async () => {
    const run = await cli(peg('deposit-address', OTHER, '--json'))
    expect(run.exitCode).toBe(0)
    const address = honestDepositAddress(OTHER)
    expect(json(run)).toEqual({
      address,
      uri: `bitcoin:${address}`,
      recipient: OTHER,
      keyEpoch: 0,
      groupKey: GROUP_KEY,
      minDepositSats: 10_000,
      l1Depth: 3,
      verified: true,
    })
  })

  test('belongs to the wallet when no recipient is named; has a QR code on a terminal', async () => {
    const run = await cli(peg('deposit-address'), { isTerminal: true })
    expect(run.stdout).toContain(honestDepositAddress(RECIPIENT))
    expect(run.stdout).toContain('█')
    expect(run.stdout).toContain(`causeway peg status ${RECIPIENT} --wait`)
  })

  test('that is not the one derived here is refused with exit code 9', async () => {
    const foreign = honestDepositAddress(OTHER)
    node.answers.set('POST /v1/deposit-address', () =>
      ok({
        address: foreign,
        recipient: RECIPIENT,
        keyEpoch: 0,
        groupKey: GROUP_KEY,
        minDepositSats: 10_000,
        l1Depth: 3,
        uri: `bitcoin:${foreign}`,
      }),
    )
    const run = await cli(peg('deposit-address', RECIPIENT, '--json'))
    expect(run.exitCode).toBe(9)
    expect(json(run)).toEqual({
      error: {
        code: 'deposit-address-mismatch',
        message: expect.stringContaining(honestDepositAddress(RECIPIENT)),
        hint: expect.stringContaining('send nothing there'),
      },
    })
    const human = await cli(peg('deposit-address', RECIPIENT), { isTerminal: true })
    expect(human.exitCode).toBe(9)
    expect(human.stdout).toBe('')
  })

  test('of a node whose genesis is not the user’s, or not its own, is refused', async () => {
    const path = join(home, 'genesis.json')
    writeFileSync(path, JSON.stringify({ ...GENESIS, salt: '22'.repeat(32) }))
    const other = await cli(peg('deposit-address', RECIPIENT, '--genesis', path, '--json'))
    expect(other.exitCode).toBe(9)
    expect(json(other)).toMatchObject({ error: { code: 'wrong-chain' } })
    writeFileSync(path, JSON.stringify(GENESIS))
    const same = await cli(peg('deposit-address', RECIPIENT, '--genesis', path))
    expect(same.exitCode).toBe(0)
    node.status = { ...nodeStatus(), chainId: '00'.repeat(32) }
    expect((await cli(peg('deposit-address', RECIPIENT))).exitCode).toBe(9)
  })

  test('of a group key that is no point is refused', async () => {
    const groupKey = `02${'ff'.repeat(32)}`
    const status = nodeStatus()
    node.status = { ...status, peg: { ...status.peg, groupKey } }
    node.answers.set('POST /v1/deposit-address', () =>
      ok({
        address: honestDepositAddress(RECIPIENT),
        recipient: RECIPIENT,
        keyEpoch: 0,
        groupKey,
        minDepositSats: 10_000,
        l1Depth: 3,
        uri: 'bitcoin:x',
      }),
    )
    const run = await cli(peg('deposit-address', RECIPIENT, '--json'))
    expect(run.exitCode).toBe(9)
    expect(json(run)).toMatchObject({ error: { code: 'bad-group-key' } })
  })

  test('waits for an open peg and a synced node', async () => {
    const status = nodeStatus()
    node.status = { ...status, peg: { ...status.peg, state: 'closed', groupKey: null } }
    expect((await cli(peg('deposit-address', RECIPIENT))).exitCode).toBe(5)
    node.status = { ...status, peg: { ...status.peg, state: 'frozen' } }
    expect((await cli(peg('deposit-address', RECIPIENT))).exitCode).toBe(6)
    node.status = { ...status, synced: false }
    expect((await cli(peg('deposit-address', RECIPIENT))).exitCode).toBe(5)
  })
})

test('deposits cannot be sent on to a withdraw address', async () => {
  const run = await cli(peg('deposit-address', honestWithdrawAddress(L1_ADDRESS), '--json'))
  expect(run.exitCode).toBe(2)
  expect(json(run)).toMatchObject({ error: { code: 'address-kind' } })
})

describe('deposits', () => {
  test('are listed with how far they are', async () => {
    const minted = deposit({ status: 'minted', mintHeight: 12, mintTxid: 'ef'.repeat(32) })
    node.answers.set('GET /v1/deposits', ok({ deposits: [deposit({}), minted] }))
    const run = await cli(peg('deposits'))
    expect(run.stdout).toContain('confirming 1/3')
    expect(run.stdout).toContain('minted at height 12')
    expect(json(await cli(peg('deposits', '--json')))).toMatchObject({
      deposits: [{ valueSats: 100_000, status: 'confirming' }, { mintHeight: 12 }],
    })
  })

  test('are claimed by L1 outpoint and recipient', async () => {
    let claimed = ''
    node.answers.set('POST /v1/deposits/claim', (body) => {
      claimed = body
      return { status: 202, body: { accepted: true } }
    })
    const run = await cli(peg('claim', `${SOME_TXID}:1`, RECIPIENT, '--json'))
    expect(run.exitCode).toBe(0)
    expect(JSON.parse(claimed)).toEqual({ l1Txid: SOME_TXID, vout: 1, recipient: RECIPIENT })
    expect((await cli(peg('claim', 'abc', RECIPIENT))).exitCode).toBe(2)
    expect((await cli(peg('claim', `${SOME_TXID}:1`, 'nobody'))).exitCode).toBe(2)
  })

  test('status --wait follows one until it is minted, with progress on standard error', async () => {
    let asked = 0
    node.answers.set(`GET /v1/releases/${SOME_TXID}%3A1`, problem(404, 'not-found', 'none'))
    node.answers.set('GET /v1/deposits', () => {
      asked += 1
      if (asked === 1) return ok({ deposits: [] })
      if (asked < 4) return ok({ deposits: [deposit({ confirmations: asked - 1 })] })
      return ok({ deposits: [deposit({ status: 'minted', mintHeight: 12 })] })
    })
    const run = await cli(peg('status', `${SOME_TXID}:1`, '--wait', '--json'))
    expect(run.exitCode).toBe(0)
    expect(run.stderr).toBe(
      [
        'nothing seen yet',
        'deposit of 0.00100000 BTC: confirming 1/3',
        'deposit of 0.00100000 BTC: confirming 2/3',
        'deposit of 0.00100000 BTC: minted at height 12',
        '',
      ].join('\n'),
    )
    expect(json(run)).toMatchObject({ deposits: [{ status: 'minted' }], releases: [] })
  })

  test('a wait for one that has expired ends, and not well', async () => {
    const expired = ok({ deposits: [deposit({ status: 'expired' })] })
    node.answers.set(`GET /v1/deposits?recipient=${RECIPIENT}`, expired)
    const looked = await cli(peg('status', RECIPIENT))
    expect(looked).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('too old') })
    const waited = await cli(peg('status', RECIPIENT, '--wait'))
    expect(waited.exitCode).toBe(6)
    expect(waited.stderr).toContain('is too old to be minted (deposit-expired)\n')
  })

  test('a wait that is too long is exit code 7, an interrupted one 130', async () => {
    node.answers.set(`GET /v1/deposits?recipient=${RECIPIENT}`, ok({ deposits: [deposit({})] }))
    const args = peg('status', RECIPIENT, '--wait', '--timeout', '30', '--json')
    const late = await cli(args)
    expect(late.exitCode).toBe(7)
    expect(json(late)).toMatchObject({ error: { code: 'timed-out' } })
    const stopped = await cli(args, { onProgress: (_text, interrupt) => interrupt() })
    expect(stopped.exitCode).toBe(130)
  })
})

describe('withdraw-address', () => {
  test('is derived again and shown with the cost and the time', async () => {
    const run = await cli(peg('withdraw-address', L1_ADDRESS, '--json'))
    expect(json(run)).toEqual({
      withdrawAddress: honestWithdrawAddress(L1_ADDRESS),
      l1Address: L1_ADDRESS,
      minReleaseSats: 10_000,
      estimatedFeeSats: 400,
      estimatedSeconds: 3_600,
      verified: true,
    })
    expect((await cli(peg('withdraw-address', L1_ADDRESS))).stdout).toContain('60 min')
  })

  test('of somebody else is refused with exit code 9', async () => {
    node.answers.set(
      `GET /v1/withdraw-address?l1Address=${L1_ADDRESS}`,
      ok({
        withdrawAddress: honestWithdrawAddress(OTHER),
        l1Address: L1_ADDRESS,
        minReleaseSats: 10_000,
        estimatedFeeSats: 400,
        estimatedSeconds: 60,
      }),
    )
    const run = await cli(peg('withdraw-address', L1_ADDRESS, '--json'))
    expect(run.exitCode).toBe(9)
    expect(json(run)).toMatchObject({ error: { code: 'withdraw-address-mismatch' } })
  })

  test('of something that is no L1 address, or that no release can pay, is a usage error', async () => {
    expect((await cli(peg('withdraw-address', 'nonsense'))).exitCode).toBe(2)
    const withdraw = honestWithdrawAddress(L1_ADDRESS)
    expect((await cli(peg('withdraw-address', withdraw))).exitCode).toBe(2)
  })
})

describe('release', () => {
  beforeEach(() => node.fund([{ script: scripts.derive(0, 0).script, valueSats: 100_000 }]))

  test('pays the withdraw output and prints the id to follow', async () => {
    const run = await cli(peg('release', '0.0006', L1_ADDRESS, '--yes', '--json'), { env })
    expect(run.exitCode).toBe(0)
    const [sent] = node.broadcast
    if (sent === undefined) expect.unreachable()
    const vout = sent.outputs.findIndex(({ script }) => classifyOutput(script).kind === 'withdraw')
    expect(sent.outputs[vout]?.value).toBe(60_000n)
    expect(json(run)).toEqual({
      sent: true,
      id: `${transactionId(sent)}:${vout}`,
      txid: transactionId(sent),
      valueSats: 60_000,
      l1Address: L1_ADDRESS,
      withdrawAddress: honestWithdrawAddress(L1_ADDRESS),
      feeSats: expect.any(Number),
      estimatedL1FeeSats: 400,
      estimatedNetSats: 59_600,
      estimatedSeconds: 3_600,
    })
  })

  test('shows amount, fee, net and time before it asks', async () => {
    const run = await cli(peg('release', '0.0006', L1_ADDRESS), {
      env,
      isTerminal: true,
      answers: ['no'],
    })
    expect(run).toMatchObject({ exitCode: 1, questions: ['Release? [y/N] '] })
    for (const text of [
      '0.00060000 BTC',
      'at most 0.00000400 BTC',
      'at least 0.00059600 BTC',
      '60 min',
    ]) {
      expect(run.stderr).toContain(text)
    }
    expect(node.broadcast).toHaveLength(0)
  })

  test('says before it asks that the peg is frozen', async () => {
    const status = nodeStatus()
    node.status = { ...status, peg: { ...status.peg, state: 'frozen' } }
    const asking = { env, isTerminal: true, answers: ['no'] }
    const run = await cli(peg('release', '0.0006', L1_ADDRESS), asking)
    expect(run.stderr).toContain('the peg is frozen: the release will wait in the queue')
  })

  test('--wait follows it until it is paid', async () => {
    const stages = [
      release({}),
      release({ status: 'batched', reason: null, l1Txid: 'ef'.repeat(32) }),
      release({ status: 'confirming', reason: null, confirmations: 1, l1Txid: 'ef'.repeat(32) }),
      release({ status: 'paid', reason: null, feeSats: 400, netSats: 59_600 }),
    ]
    const follow = (line: string): void => {
      const stage = stages.shift()
      if (stage !== undefined) node.answers.set(line, ok(stage))
    }
    const run = await cli(peg('release', '0.0006', L1_ADDRESS, '--yes', '--wait', '--json'), {
      env,
      onProgress: (text) => {
        // At first the node does not know the burn; then every look finds the next stage.
        const [sent] = node.broadcast
        if (sent === undefined || text.startsWith('burnt in')) return
        const vout = sent.outputs.findIndex(
          ({ script }) => classifyOutput(script).kind === 'withdraw',
        )
        follow(`GET /v1/releases/${transactionId(sent)}%3A${vout}`)
      },
    })
    expect(run.exitCode).toBe(0)
    expect(run.stderr).toContain('waiting for a block')
    expect(run.stderr).toContain('queued (waits for company)')
    expect(run.stderr).toContain('confirming 1/3')
    expect(json(run)).toMatchObject({ release: { status: 'paid', netSats: 59_600 } })
  })

  test('below the minimum, or eaten by the fee, is refused before anything is signed', async () => {
    const small = await cli(peg('release', '0.00009', L1_ADDRESS, '--yes', '--json'), { env })
    expect(small.exitCode).toBe(6)
    expect(json(small)).toMatchObject({ error: { code: 'below-minimum' } })
    node.answers.set(
      `GET /v1/withdraw-address?l1Address=${L1_ADDRESS}`,
      ok({
        withdrawAddress: honestWithdrawAddress(L1_ADDRESS),
        l1Address: L1_ADDRESS,
        minReleaseSats: 10_000,
        estimatedFeeSats: 20_000,
        estimatedSeconds: 60,
      }),
    )
    const eaten = await cli(peg('release', '0.0002', L1_ADDRESS, '--yes', '--json'), { env })
    expect(json(eaten)).toMatchObject({ error: { code: 'eaten-by-fee' } })
    expect(node.broadcast).toHaveLength(0)
  })

  test('--dry-run shows the terms and sends nothing', async () => {
    const run = await cli(peg('release', '0.0006', L1_ADDRESS, '--dry-run', '--json'), { env })
    expect(json(run)).toMatchObject({ sent: false, valueSats: 60_000, estimatedNetSats: 59_600 })
    expect(node.broadcast).toHaveLength(0)
  })

  test('to a foreign withdraw address never signs', async () => {
    node.answers.set(
      `GET /v1/withdraw-address?l1Address=${L1_ADDRESS}`,
      ok({
        withdrawAddress: honestWithdrawAddress(OTHER),
        l1Address: L1_ADDRESS,
        minReleaseSats: 10_000,
        estimatedFeeSats: 400,
        estimatedSeconds: 60,
      }),
    )
    const run = await cli(peg('release', '0.0006', L1_ADDRESS, '--yes'), { env })
    expect(run.exitCode).toBe(9)
    expect(node.broadcast).toHaveLength(0)
  })
})

describe('status', () => {
  test('of the peg as a whole', async () => {
    const run = await cli(peg('status'))
    expect(run.stdout).toContain('0.00900000 BTC')
    expect(json(await cli(peg('status', '--json')))).toMatchObject({
      height: 42,
      peg: { state: 'open', supply: 900_000 },
    })
  })

  test('of the peg as a whole while it is frozen: since when, by whom, what waits', async () => {
    const status = nodeStatus()
    const recovery = { opensAtL1Height: 4_440, blocksLeft: 30, coins: 1, valueSats: 5_000 }
    node.status = { ...status, peg: { ...status.peg, state: 'frozen', recovery } }
    const since = { height: 9, timeMs: 1_700_000_000_000, l1Height: 100 }
    const votes = [0, 2, 3].map((validator) => {
      return { validator, publicKey: `${validator}`.repeat(64), freeze: true, serial: 1, height: 9 }
    })
    const wait = { kind: 'frozen', untilL1Height: null, expectedTimeMs: null }
    const limits = pegLimits({
      freeze: { frozen: true, since, quorum: 3, votes },
      waiting: [{ id: 4, valueSats: 50_000, savedSats: 0, wait }],
    })
    node.answers.set('GET /v1/peg', ok(limits))
    const { stdout } = await cli(peg('status'))
    expect(stdout).toMatch(/^peg +frozen since height 9, .*, by validators 0, 2, 3$/m)
    expect(stdout).toMatch(/^waiting +1 release \(frozen\)/m)
    expect(stdout).toMatch(/^recovery keys +none before L1 block 4440, 30 to come$/m)
    expect(json(await cli(peg('status', '--json')))).toMatchObject({
      peg: { state: 'frozen' },
      freeze: { frozen: true },
      waiting: [{ id: 4 }],
    })
  })

  test('of a release by number or transaction', async () => {
    node.answers.set('GET /v1/releases/5', ok(release({})))
    node.answers.set('GET /v1/releases?limit=100', ok({ releases: [release({})] }))
    node.answers.set('GET /v1/deposits', ok({ deposits: [] }))
    for (const id of ['5', SOME_TXID]) {
      expect(json(await cli(peg('status', id, '--json')))).toMatchObject({
        releases: [{ id: 5, status: 'queued' }],
      })
    }
  })

  test('of something unknown is exit code 3, with the way to claim', async () => {
    const run = await cli(peg('status', '77'))
    expect(run).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('peg claim') })
  })

  test.each(['-1', 'soon', '1e9'])('--timeout %s is a usage error', async (seconds) => {
    expect((await cli(peg('status', '5', '--wait', `--timeout=${seconds}`))).exitCode).toBe(2)
  })
})
