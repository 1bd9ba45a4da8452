import { describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { pegView } from '../../src/api/peg-schemas.ts'
import {
  certificateView,
  depositAddressView,
  depositsView,
  evidenceListView,
  federationView,
  handoversView,
  healthView,
  problemView,
  proofView,
  releaseView as releaseSchema,
  releasesView,
  reservesView,
  statusView,
  withdrawAddressView,
} from '../../src/api/schemas.ts'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { decodeHeader, headerHash } from '../../src/bitcoin/header.ts'
import { withdrawScript } from '../../src/bitcoin/script.ts'
import { readExtension } from '../../src/chain/extension.ts'
import { encodeFreezeVote } from '../../src/chain/peg/freeze-vote.ts'
import { decodeCertificate } from '../../src/consensus/certificate.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import { decodeAll } from '../../src/primitives/codec.ts'
import { reject } from '../../src/primitives/result.ts'
import { apiFixture } from '../support/api-fixture.ts'
import { ALICE, ChainFixture, L1_TARGET, l1OutPoint, storyChain } from '../support/chain-fixture.ts'
import { testParams } from '../support/chain-world.ts'
import { freezeVote } from '../support/freeze-votes.ts'
import { evidenceView, releaseView } from '../support/node-facade-fixture.ts'

const JSON_TYPE = 'application/json'
const alice = encodeAddress(ALICE, { bech32: 'cway' })!
const burnAddress = encodeAddress(withdrawScript(L1_TARGET), { bech32: 'cway' })!
const l1Address = encodeAddress(L1_TARGET, L1_ADDRESS_NETWORKS.regtest)!

async function expectProblem(response: Response, status: number, code: string): Promise<void> {
  expect(response.headers.get('Content-Type')).toBe('application/problem+json')
  const problem = problemView.parse(await response.json())
  expect({ status: problem.status, code: problem.code }).toEqual({ status, code })
  expect(response.status).toBe(status)
}

async function ask(chain: ChainFixture, recipient: unknown): Promise<Response> {
  return apiFixture(chain).post('/v1/deposit-address', JSON.stringify({ recipient }), JSON_TYPE)
}

describe('every view', () => {
  const release = '/v1/releases/4'
  it.each<[string, z.ZodType]>([
    ['/v1/status', statusView],
    ['/v1/deposits', depositsView],
    [`/v1/withdraw-address?l1Address=${l1Address}`, withdrawAddressView],
    ['/v1/releases', releasesView],
    [release, releaseSchema],
    ['/v1/reserves', reservesView],
    ['/v1/federation', federationView],
    ['/v1/evidence', evidenceListView],
    ['/v1/peg', pegView],
    ['/v1/blocks/2/certificate', certificateView],
    ['/v1/handovers', handoversView],
    ['/v1/proofs/supply', proofView],
    [`/v1/proofs/coin/${'ab'.repeat(32)}/1`, proofView],
    ['/healthz', healthView],
  ])('%s follows its schema', async (path, schema) => {
    const { chain } = storyChain()
    chain.releases = [releaseView(4)]
    chain.evidence = [evidenceView(3, 1)]
    const response = await apiFixture(chain).get(path)
    expect(response.status).toBe(200)
    expect(schema.safeParse(await response.json()).error).toBeUndefined()
  })

  it('is fresh, except for certificates', async () => {
    const api = apiFixture(storyChain().chain)
    expect((await api.get('/v1/status')).headers.get('Cache-Control')).toBe('no-store')
    const certificate = await api.get('/v1/blocks/1/certificate')
    expect(certificate.headers.get('Cache-Control')).toBe('public, max-age=157784630')
  })
})

describe('a certificate', () => {
  it('comes with what a light client checks', async () => {
    const { chain } = storyChain()
    const { hash, block } = chain.blocks[2]!
    const json = await apiFixture(chain).json('/v1/blocks/2/certificate')
    const view = certificateView.parse(json)
    expect(view).toMatchObject({ height: 2, blockHash: hash, view: 2, signers: [0, 2, 3] })
    expect(decodeCertificate(hexToBytes(view.certificate)).blockHash).toBe(hash)
    expect(headerHash(decodeHeader(hexToBytes(view.header)))).toBe(hash)
    expect(decodeAll(hexToBytes(view.extension), readExtension)).toEqual(block.extension)
  })

  it('is missing for block 0 and for blocks to come', async () => {
    const api = apiFixture(storyChain().chain)
    await expectProblem(await api.get('/v1/blocks/0/certificate'), 404, 'certificate-not-found')
    await expectProblem(await api.get('/v1/blocks/9/certificate'), 404, 'block-not-found')
    await expectProblem(await api.get('/v1/blocks/x/certificate'), 400, 'invalid-request')
  })
})

describe('a proof', () => {
  it('is about the coin that was named', async () => {
    const api = apiFixture(storyChain().chain)
    const txid = 'ab'.repeat(32)
    const view = proofView.parse(await api.json(`/v1/proofs/coin/${txid}/4294967295`))
    expect(new TextDecoder().decode(hexToBytes(view.proof))).toBe(`${txid}:4294967295`)
    for (const name of [`${txid}/4294967296`, `${txid}/-1`, `${txid}/x`, 'ab/0', `${txid}aa/0`]) {
      await expectProblem(await api.get(`/v1/proofs/coin/${name}`), 400, 'invalid-request')
    }
  })
})

describe('a proof of reserves', () => {
  it('comes piece by piece, as a file named after its block', async () => {
    const { chain } = storyChain()
    chain.proofPieces = [Uint8Array.of(1, 2), Uint8Array.of(3)]
    const response = await apiFixture(chain).get('/v1/proofs/reserves')
    expect(response.headers.get('Content-Type')).toBe('application/octet-stream')
    const name = `reserves-${chain.tip.height}.proof`
    expect(response.headers.get('Content-Disposition')).toBe(`attachment; filename="${name}"`)
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(Uint8Array.of(1, 2, 3))
  })

  it('is made for a few at a time, and whoever leaves makes room', async () => {
    const { chain } = storyChain()
    chain.proofPieces = [Uint8Array.of(1), Uint8Array.of(2)]
    const api = apiFixture(chain, { reservesProofsMax: 2 })
    const [first, second] = [
      await api.get('/v1/proofs/reserves'),
      await api.get('/v1/proofs/reserves'),
    ]
    await expectProblem(await api.get('/v1/proofs/reserves'), 503, 'busy')
    await first.body?.cancel()
    const third = await api.get('/v1/proofs/reserves')
    expect(third.status).toBe(200)
    await Promise.all([second.arrayBuffer(), third.arrayBuffer()])
    expect((await api.get('/v1/proofs/reserves')).status).toBe(200)
  })

  it('ends with its time, or with a piece that cannot be made, and makes room too', async () => {
    const { chain } = storyChain()
    chain.proofPieces = (function* () {
      for (;;) yield Uint8Array.of(1)
    })()
    const api = apiFixture(chain, { reservesProofsMax: 1, reservesProofMs: 1 })
    const late = await api.get('/v1/proofs/reserves')
    await expect(late.arrayBuffer()).rejects.toThrow('timed out')
    expect((await api.get('/v1/proofs/reserves')).status).toBe(200)
    chain.proofPieces = (function* () {
      yield Uint8Array.of(1)
      throw new TypeError('a broken disk')
    })()
    const roomy = apiFixture(chain, { reservesProofsMax: 1 })
    await expect((await roomy.get('/v1/proofs/reserves')).arrayBuffer()).rejects.toThrow('broken')
    expect((await roomy.get('/v1/proofs/reserves')).status).toBe(200)
  })
})

describe('the reserves', () => {
  it('are asked for by the page', async () => {
    const { chain } = storyChain()
    const api = apiFixture(chain)
    const after = `${'ab'.repeat(32)}:1`
    expect((await api.get(`/v1/reserves?limit=1000&after=${after}`)).status).toBe(200)
    for (const query of [
      'limit=0',
      'limit=1001',
      'limit=x',
      'after=ab',
      `after=${after}1111111111`,
    ]) {
      await expectProblem(await api.get(`/v1/reserves?${query}`), 400, 'invalid-request')
    }
  })
})

describe('a deposit address', () => {
  it('is given for an address of this chain', async () => {
    const response = await ask(new ChainFixture(), alice)
    expect(response.status).toBe(200)
    expect(depositAddressView.safeParse(await response.json()).success).toBe(true)
  })

  it.each([
    [l1Address, 'address-network'],
    [`${alice.slice(0, -1)}q`, 'address-checksum'],
    [burnAddress, 'recipient-type'],
    ['', 'invalid-request'],
    ['x'.repeat(91), 'invalid-request'],
    [7, 'invalid-request'],
  ])('is refused for %s', async (recipient, code) => {
    await expectProblem(await ask(new ChainFixture(), recipient), 400, code)
  })

  it.each(['not-synced', 'peg-closed'])('is unavailable while %s', async (code) => {
    const chain = new ChainFixture()
    chain.depositAddressVerdict = { code, class: 'premature', detail: 'later' }
    await expectProblem(await ask(chain, alice), 503, code)
  })

  it('needs a JSON body of that form and type', async () => {
    const api = apiFixture(new ChainFixture())
    const path = '/v1/deposit-address'
    const good = JSON.stringify({ recipient: alice })
    await expectProblem(await api.post(path, good), 415, 'unsupported-media-type')
    await expectProblem(await api.post(path, '{', JSON_TYPE), 400, 'malformed-json')
    await expectProblem(await api.post(path, 'null', JSON_TYPE), 400, 'invalid-request')
    const extra = JSON.stringify({ recipient: alice, amount: 1 })
    await expectProblem(await api.post(path, extra, JSON_TYPE), 400, 'invalid-request')
  })
})

describe('deposits', () => {
  it('are listed for everybody or for one recipient', async () => {
    const api = apiFixture(new ChainFixture())
    const recipientOf = async (path: string): Promise<string | undefined> =>
      depositsView.parse(await api.json(path)).deposits[0]?.recipient
    expect(await recipientOf('/v1/deposits')).toBe('cway1qanybody')
    expect(await recipientOf(`/v1/deposits?recipient=${alice}`)).toBe('cway1qthisone')
    await expectProblem(await api.get('/v1/deposits?recipient=0'), 400, 'address-format')
  })

  it('can be claimed', async () => {
    const chain = new ChainFixture()
    const { txid, vout } = l1OutPoint(0xab)
    const body = JSON.stringify({ l1Txid: txid.toUpperCase(), vout, recipient: alice })
    const response = await apiFixture(chain).post('/v1/deposits/claim', body, JSON_TYPE)
    expect(response.status).toBe(202)
    expect(await response.json()).toEqual({ accepted: true })
    expect(chain.claims).toEqual([{ txid, vout }])
  })
})

describe('releases', () => {
  it('are listed, and found by number or by burn', async () => {
    const chain = new ChainFixture()
    chain.releases = [releaseView(2), releaseView(1)]
    const api = apiFixture(chain)
    const listed = async (path: string): Promise<number[]> =>
      releasesView.parse(await api.json(path)).releases.map((one) => one.id)
    expect(await listed('/v1/releases')).toEqual([2, 1])
    expect(await listed(`/v1/releases?limit=1&l1Address=${l1Address}`)).toEqual([2])
    expect(await api.json('/v1/releases/1')).toMatchObject({ id: 1 })
    expect(await api.json(`/v1/releases/${'CC'.repeat(32)}:2`)).toMatchObject({ id: 2 })
    await expectProblem(await api.get('/v1/releases/3'), 404, 'release-not-found')
    await expectProblem(await api.get('/v1/releases/one'), 400, 'invalid-request')
    await expectProblem(
      await api.get(`/v1/releases/${'cc'.repeat(32)}:9999999999`),
      400,
      'invalid-request',
    )
    for (const limit of ['0', '101', '-1', '1.5', 'x']) {
      await expectProblem(await api.get(`/v1/releases?limit=${limit}`), 400, 'invalid-request')
    }
  })

  it('go to L1 addresses only', async () => {
    const api = apiFixture(new ChainFixture())
    const path = '/v1/withdraw-address'
    await expectProblem(await api.get(path), 400, 'invalid-request')
    await expectProblem(await api.get(`${path}?l1Address=${alice}`), 400, 'address-network')
    const nested = encodeAddress(withdrawScript(L1_TARGET), L1_ADDRESS_NETWORKS.regtest)
    await expectProblem(await api.get(`${path}?l1Address=${nested}`), 400, 'l1-address-type')
  })
})

describe('evidence', () => {
  it('is listed, newest first, from any place on', async () => {
    const chain = new ChainFixture()
    chain.evidence = [evidenceView(9, 2), evidenceView(9, 1), evidenceView(4, 3)]
    const api = apiFixture(chain)
    const listed = async (path: string): Promise<string[]> =>
      evidenceListView
        .parse(await api.json(path))
        .evidence.map(({ height, validator }) => `${height}:${validator}`)
    expect(await listed('/v1/evidence')).toEqual(['9:2', '9:1', '4:3'])
    expect(await listed('/v1/evidence?limit=1')).toEqual(['9:2'])
    expect(await listed('/v1/evidence?limit=1&before=9:2')).toEqual(['9:1'])
    expect(await listed('/v1/evidence?before=9:0')).toEqual(['4:3'])
    for (const query of [
      'before=9',
      'before=4294967296:0',
      'before=1:65536',
      'limit=0',
      'limit=101',
    ]) {
      await expectProblem(await api.get(`/v1/evidence?${query}`), 400, 'invalid-request')
    }
  })
})

async function sendVote(chain: ChainFixture, body: unknown): Promise<Response> {
  return apiFixture(chain).post('/v1/freeze-votes', JSON.stringify(body), JSON_TYPE)
}

describe('freeze votes', () => {
  const vote = freezeVote(testParams(), { validator: 1, serial: 7, freeze: true })
  const hex = bytesToHex(encodeFreezeVote(vote))

  it('are handed to the node', async () => {
    const { chain } = storyChain()
    const response = await sendVote(chain, { vote: hex })
    expect(response.status).toBe(202)
    expect(await response.json()).toEqual({ accepted: true })
    expect(chain.freezeVotes).toEqual([vote])
  })

  it('that the node does not take come back with its reason', async () => {
    const { chain } = storyChain()
    chain.freezeVerdict = reject('freeze-vote-known', 'policy', 'its newest vote has serial 9')
    await expectProblem(await sendVote(chain, { vote: hex }), 400, 'freeze-vote-known')
  })

  it.each([
    ['nothing', {}],
    ['too little', { vote: hex.slice(2) }],
    ['no hex', { vote: `${hex.slice(1)}x` }],
    ['a wish that is neither', { vote: `${hex.slice(0, 72)}02${hex.slice(74)}` }],
  ])('%s is no vote', async (_name, body) => {
    const { chain } = storyChain()
    await expectProblem(await sendVote(chain, body), 400, 'invalid-request')
    expect(chain.freezeVotes).toEqual([])
  })
})

describe('health', () => {
  it('is 503 with the reasons when the node cannot work', async () => {
    const chain = new ChainFixture()
    chain.reasons = ['not synced']
    const response = await apiFixture(chain).get('/healthz')
    expect(response.status).toBe(503)
    expect(await response.json()).toEqual({ ok: false, reasons: ['not synced'] })
  })
})

const submitChange = (chain: ChainFixture, body: object) =>
  apiFixture(chain).post('/v1/federation/member-change', JSON.stringify(body), JSON_TYPE)

describe('a change of members', () => {
  const change = {
    epoch: 1,
    threshold: 3,
    members: ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(64)),
    approvals: [0, 2, 3].map((signer) => ({ signer, signature: `0${signer}`.repeat(64) })),
  }

  it('is handed to the node', async () => {
    const { chain } = storyChain()
    const response = await submitChange(chain, change)
    expect(response.status).toBe(202)
    expect(await response.json()).toEqual({ accepted: true })
    const [taken] = chain.memberChanges
    expect(taken).toMatchObject({ epoch: 1, threshold: 3, members: change.members })
    expect(taken?.approvals.map(({ signer }) => signer)).toEqual([0, 2, 3])
    expect(taken?.approvals[1]?.signature).toEqual(new Uint8Array(64).fill(2))
  })

  it.each<[string, object]>([
    ['no members', { ...change, members: [] }],
    ['too many members', { ...change, members: Array.from({ length: 101 }, () => 'a'.repeat(64)) }],
    ['a short key', { ...change, members: ['aa'] }],
    ['a short signature', { ...change, approvals: [{ signer: 0, signature: '00' }] }],
    ['an epoch that is none', { ...change, epoch: -1 }],
    ['something else', { ...change, more: 1 }],
  ])('is refused with %s', async (_what, body) => {
    const { chain } = storyChain()
    await expectProblem(await submitChange(chain, body), 400, 'invalid-request')
    expect(chain.memberChanges).toEqual([])
  })
})
