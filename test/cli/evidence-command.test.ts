import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Evidence, findContradiction, inOrder } from '../../src/consensus/evidence.ts'
import { type Statement, type Vote, voteDigest, writeVote } from '../../src/consensus/votes.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { encodeWith } from '../../src/primitives/codec.ts'
import { toBlockHash } from '../../src/primitives/hashes.ts'
import { signSchnorr, xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { CHAIN_ID, ok, RecordedNode, SOME_TXID, VALIDATOR_SECRETS } from './recorded-node.ts'
import { cli, json } from './test-io.ts'

const BLOCK = { height: 8, hash: SOME_TXID }
const ROUTE = 'GET /v1/evidence?limit=20'

let node: RecordedNode
beforeEach(async () => {
  node = await RecordedNode.start()
  node.answers.set('GET /v1/handovers', ok({ handovers: [] }))
})
afterEach(() => node.stop())

const run = (...args: readonly string[]) => cli([...args, '--api', node.url])

function vote(signer: number, statement: Statement): Vote {
  const digest = voteDigest({ chainId: CHAIN_ID, epoch: 0 }, statement)
  const signature = signSchnorr(digest, VALIDATOR_SECRETS[signer]!, new Uint8Array(32))
  return { ...statement, signer, signature }
}

const blockHash = toBlockHash(SOME_TXID)
const evidence = inOrder({
  first: vote(2, { type: 'finalize', height: 7, view: 1, blockHash }),
  second: vote(2, { type: 'nullify', height: 7, view: 1 }),
})

const hexOf = (one: Vote): string => bytesToHex(encodeWith((writer) => writeVote(writer, one)))

/** As the API shows it. */
function shown({ first, second }: Evidence, parts: object = {}): object {
  return {
    validator: first.signer,
    publicKey: xOnlyPublicKey(VALIDATOR_SECRETS[first.signer]!),
    kind: findContradiction(first, second),
    height: first.height,
    view: first.view,
    votes: [hexOf(first), hexOf(second)],
    block: BLOCK,
    ...parts,
  }
}

describe('chain evidence', () => {
  test('lists what it has verified', async () => {
    node.answers.set(ROUTE, ok({ evidence: [shown(evidence)] }))
    expect(json(await run('chain', 'evidence', '--json'))).toEqual({
      verified: true,
      evidence: [shown(evidence)],
    })
    const { stdout } = await run('chain', 'evidence')
    expect(stdout).toMatch(/^2 .*nullify-finalize +7 +1 +8$/m)
    node.answers.set(ROUTE, ok({ evidence: [shown(evidence, { block: null })] }))
    expect((await run('chain', 'evidence')).stdout).toContain('none yet')
  })

  test('says so when there is none, and asks for as many as it is told to', async () => {
    node.answers.set('GET /v1/evidence?limit=5', ok({ evidence: [] }))
    const { stdout, exitCode } = await run('chain', 'evidence', '--limit', '5')
    expect(stdout).toContain('no validator')
    expect(exitCode).toBe(0)
    expect((await run('chain', 'evidence', '--limit', '101')).exitCode).toBe(2)
  })

  test.each<[string, object]>([
    ['another validator', shown(evidence, { validator: 1 })],
    ['another key', shown(evidence, { publicKey: SOME_TXID })],
    ['another height', shown(evidence, { height: 8 })],
    ['another kind', shown(evidence, { kind: 'double-notarize' })],
    ['votes in the other order', shown({ first: evidence.second, second: evidence.first })],
    ['no votes', shown(evidence, { votes: ['00', '00'] })],
    [
      'forged votes',
      shown({ ...evidence, second: { ...evidence.second, signature: new Uint8Array(64) } }),
    ],
  ])('is exit code 9 for evidence with %s', async (_what, one) => {
    node.answers.set(ROUTE, ok({ evidence: [one] }))
    expect(await run('chain', 'evidence')).toMatchObject({
      exitCode: 9,
      stderr: expect.stringContaining('proves nothing'),
    })
  })
})

describe('node status', () => {
  test('names validators that the chain convicts', async () => {
    expect((await run('node', 'status')).stdout).not.toContain('double votes')
    const validators = [0, 1, 2].map((index) => ({
      index,
      publicKey: SOME_TXID,
      connected: true,
      self: false,
      offences: index,
    }))
    node.status = { ...node.status, validators }
    const { stdout } = await run('node', 'status')
    expect(stdout).toContain('validator 1 at 1 height, validator 2 at 2 heights')
    expect(stdout).not.toContain('validator 0')
  })
})
