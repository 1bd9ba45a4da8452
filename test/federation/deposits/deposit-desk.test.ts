import { describe, expect, it } from 'vitest'
import type { DepositBook } from '../../../federation/deposits/deposit-book.ts'
import { createDepositDesk, type DepositDesk } from '../../../federation/deposits/deposit-desk.ts'
import { createDepositWatcher } from '../../../federation/deposits/deposit-watcher.ts'
import { encodeRegistrationMessage } from '../../../federation/deposits/registration-message.ts'
import type { L1Health } from '../../../federation/l1-view.ts'
import { p2pkhScript, p2wpkhScript } from '../../../src/bitcoin/script.ts'
import { getPegBooks } from '../../../src/chain/peg/books.ts'
import { mintWindow } from '../../../src/chain/peg/deposits.ts'
import { bytesToHex } from '../../../src/primitives/bytes.ts'
import type { GossipVerdict } from '../../../src/runtime/runtime.ts'
import { aUser } from '../../support/chain-world.ts'
import { freezeVotes } from '../../support/freeze-votes.ts'
import { PegWorld, seen, until } from '../peg-world.ts'

const alice = aUser('alice').script

interface DeskWorld {
  readonly world: PegWorld
  readonly book: DepositBook
  readonly desk: DepositDesk
  readonly published: Uint8Array[]
  readonly flags: { isSynced: boolean; l1: L1Health | undefined }
  readonly hear: (from: string, payload: Uint8Array) => GossipVerdict | Promise<GossipVerdict>
}

async function deskOf(world: PegWorld): Promise<DeskWorld> {
  const book = await world.openBook()
  const published: Uint8Array[] = []
  const flags: DeskWorld['flags'] = { isSynced: true, l1: undefined }
  let judge: DeskWorld['hear'] | undefined
  const { clock, log } = world.runtime
  const watcher = createDepositWatcher({
    l1: world.l1.port,
    book,
    startHeight: 0,
    clock,
    log,
    isOwn: () => false,
    onSeen: (deposit) => desk.tellOthers(deposit),
  })
  const desk: DepositDesk = createDepositDesk({
    params: world.params,
    view: () => world.chain.state.view,
    isSynced: () => flags.isSynced,
    book,
    watcher,
    l1View: { health: () => flags.l1 ?? world.health() },
    network: {
      publish: async (_topic, payload) => {
        published.push(payload)
        return true
      },
      onGossip: (_topic, handler) => {
        judge = handler
      },
    },
    runtime: world.runtime,
  })
  return { world, book, desk, published, flags, hear: (from, payload) => judge!(from, payload) }
}

const codeOf = (result: { ok: boolean; error?: { code: string } }): string | undefined =>
  result.error?.code
const recipientOf = (n: number): Uint8Array => {
  const hash = new Uint8Array(20)
  new DataView(hash.buffer).setUint32(0, n)
  return p2wpkhScript(hash)
}

describe('the deposit desk: addresses', () => {
  it('gives the address that the chain\u2019s key gives, watches it and tells the others', async () => {
    const { world, desk, book, published } = await deskOf(await PegWorld.open())
    const given = await desk.request(alice)
    expect(given).toEqual({ ok: true, value: world.registration(alice) })
    expect(book.registrations.size).toBe(1)
    expect(published).toEqual([encodeRegistrationMessage({ keyEpoch: 0, recipient: alice })])
    // The same address again, and told again: another member may have been away.
    expect(await desk.request(alice)).toEqual(given)
    expect(published).toHaveLength(2)
  })

  it('gives none while the node is not in sync, and none before there is a key', async () => {
    const { desk, flags, book } = await deskOf(await PegWorld.open())
    flags.isSynced = false
    expect(codeOf(await desk.request(alice))).toBe('not-synced')
    const closed = await deskOf(await PegWorld.closed())
    expect(codeOf(await closed.desk.request(alice))).toBe('peg-closed')
    expect(book.registrations.size + closed.book.registrations.size).toBe(0)
  })

  it('gives none while a quorum has frozen the peg: what came in could not leave', async () => {
    const world = await PegWorld.open()
    const { desk } = await deskOf(world)
    const stop = freezeVotes(world.params, [0, 1, 2], { serial: 1, freeze: true })
    world.chain.extend({ freezeVotes: stop })
    expect(codeOf(await desk.request(alice))).toBe('peg-frozen')
  })

  it('gives none while its L1 contradicts the chain', async () => {
    const { desk, flags } = await deskOf(await PegWorld.open())
    flags.l1 = { state: 'forked', message: 'another branch' }
    expect(codeOf(await desk.request(alice))).toBe('peg-frozen')
    flags.l1 = { state: 'wrong-network', message: 'signet' }
    expect(codeOf(await desk.request(alice))).toBe('peg-frozen')
    flags.l1 = undefined
    expect((await desk.request(alice)).ok).toBe(true)
  })

  it('gives none for a script that no wallet here can spend', async () => {
    const { desk } = await deskOf(await PegWorld.open())
    expect(codeOf(await desk.request(p2pkhScript(new Uint8Array(20))))).toBe('bad-recipient')
  })

  it('gives addresses while L1 is down, reading nothing', async () => {
    const { world, desk } = await deskOf(await PegWorld.open())
    world.l1.isDown = true
    const calls = world.l1.calls
    expect((await desk.request(alice)).ok).toBe(true)
    expect(world.l1.calls).toBe(calls)
  })

  it('bounds new addresses per minute, and still answers for known ones', async () => {
    const { world, desk } = await deskOf(await PegWorld.open())
    for (let n = 0; n < 120; n++) expect((await desk.request(recipientOf(n))).ok).toBe(true)
    expect(codeOf(await desk.request(alice))).toBe('busy')
    expect((await desk.request(recipientOf(5))).ok).toBe(true)
    expect(world.l1.blocksRead).toBe(0)
    world.runtime.advance(60_000)
    expect((await desk.request(alice)).ok).toBe(true)
  })
})

describe('the deposit desk: gossip', () => {
  const message = encodeRegistrationMessage({ keyEpoch: 0, recipient: alice })

  it('watches what it hears of and relays it once', async () => {
    const { world, book, hear } = await deskOf(await PegWorld.open())
    expect(hear('peer', message)).toBe('accept')
    expect(hear('other', message)).toBe('ignore')
    expect(book.registrations.has(bytesToHex(world.registration(alice).script))).toBe(true)
    expect(world.l1.calls).toBe(0)
  })

  it('punishes nonsense and ignores epochs that it does not know', async () => {
    const { hear, book } = await deskOf(await PegWorld.open())
    expect(hear('peer', Uint8Array.of(1, 2, 3))).toBe('reject')
    const later = encodeRegistrationMessage({ keyEpoch: 1, recipient: alice })
    expect(hear('peer', later)).toBe('ignore')
    expect(book.registrations.size).toBe(0)
  })

  it('listens to each peer for a bounded number a minute', async () => {
    const { hear, book } = await deskOf(await PegWorld.open())
    const send = (peer: string, n: number): GossipVerdict | Promise<GossipVerdict> =>
      hear(peer, encodeRegistrationMessage({ keyEpoch: 0, recipient: recipientOf(n) }))
    for (let n = 0; n < 200; n++) void send('flooder', n)
    expect(book.registrations.size).toBe(120)
    expect(send('honest', 9_999)).toBe('accept')
  })

  it('tells the others of an address that has been paid', async () => {
    const { world, desk, published } = await deskOf(await PegWorld.open())
    const to = world.registration(alice)
    const txid = await world.pay({ value: 20_000n, script: to.script })
    expect((await desk.claim({ txid, vout: 0 }, alice)).ok).toBe(true)
    await until(() => published.length === 1)
    expect(published).toEqual([message])
    await desk.stop()
    desk.tellOthers(seen(to, { txid, value: 1n, l1Height: 1 }))
    expect(published).toHaveLength(1)
  })
})

describe('the deposit desk: claims', () => {
  it('finds what it is told of, and asks L1 once only', async () => {
    const { world, desk } = await deskOf(await PegWorld.open())
    const txid = await world.pay({ value: 20_000n, script: world.registration(alice).script })
    expect((await desk.claim({ txid, vout: 0 }, alice)).ok).toBe(true)
    const { calls } = world.l1
    for (let n = 0; n < 50; n++) expect((await desk.claim({ txid, vout: 0 }, alice)).ok).toBe(true)
    expect(world.l1.calls).toBe(calls)
    expect(codeOf(await desk.claim({ txid, vout: 1 }, alice))).toBe('deposit-not-found')
    world.l1.prunedTo = 200
    const other = await world.pay({ value: 20_000n, script: world.registration(alice).script })
    expect(codeOf(await desk.claim({ txid: other, vout: 0 }, alice))).toBe(
      'deposit-block-unavailable',
    )
  })

  it('takes one at a time with a few waiting, so that guessing stops nobody', async () => {
    const { world, desk } = await deskOf(await PegWorld.open())
    const txid = await world.pay({ value: 20_000n, script: world.registration(alice).script })
    const guesses = Array.from({ length: 100 }, (_, vout) =>
      desk.claim({ txid, vout: vout + 2 }, alice),
    )
    const codes = (await Promise.all(guesses)).map(codeOf)
    expect(codes.filter((code) => code === 'deposit-not-found')).toHaveLength(8)
    expect(codes.filter((code) => code === 'busy')).toHaveLength(92)
    expect(world.l1.blocksRead).toBe(0)
    expect((await desk.claim({ txid, vout: 0 }, alice)).ok).toBe(true)
  })

  it('says so when L1 cannot be asked, before or while asking', async () => {
    const { world, desk } = await deskOf(await PegWorld.open())
    const txid = await world.pay({ value: 20_000n, script: alice })
    const claim = { txid, vout: 0 }
    const asked = desk.claim(claim, alice)
    world.l1.isDown = true
    expect(codeOf(await asked)).toBe('l1-unavailable')
    expect(codeOf(await desk.claim(claim, alice))).toBe('l1-unavailable')
  })

  it('takes nothing after it has stopped', async () => {
    const { world, desk, hear } = await deskOf(await PegWorld.open())
    const txid = await world.pay({ value: 20_000n, script: world.registration(alice).script })
    await desk.stop()
    expect(codeOf(await desk.request(alice))).toBe('not-synced')
    expect(codeOf(await desk.claim({ txid, vout: 0 }, alice))).toBe('busy')
    expect(hear('peer', Uint8Array.of(9))).toBe('ignore')
  })
})

describe('the deposit desk: deposits that are too old', () => {
  it('says so of them, to whoever claims them as well, and does not count them', async () => {
    const { world, desk, book } = await deskOf(await PegWorld.open())
    const { delayBlocks } = world.params.peg.recovery
    const to = world.registration(alice)
    const txid = await world.pay({ value: 9_000n, script: to.script })
    await world.mine(mintWindow({ delayBlocks }))
    const claim = { txid, vout: 0 }
    expect((await desk.claim(claim, alice)).ok).toBe(true)
    expect(desk.reports(alice, 10)[0]?.status).toBe('below-minimum')
    await world.mine(world.params.peg.l1Depth)
    // In as many headers as one block may bring.
    while (getPegBooks(world.chain.state.view).l1Height < world.l1Tip.height - 3) {
      world.extendWith({ headers: world.headers().slice(0, 2_000) })
    }
    await world.mine(4)
    world.extendWith({})
    expect(codeOf(await desk.claim(claim, alice))).toBe('deposit-expired')
    const fresh = await world.pay({ value: 9_000n, script: to.script })
    const [deposit] = book.waiting.values()
    const at = { outPoint: { txid: fresh, vout: 0 }, l1Height: world.l1Tip.height }
    await book.record([{ ...deposit!, ...at }], undefined)
    await world.mine(4)
    expect(desk.reports(alice, 10).map(({ status }) => status)).toEqual([
      'below-minimum',
      'expired',
    ])
  })
})

describe('the deposit desk: reports', () => {
  it('says confirming, below the minimum, or minted', async () => {
    const { world, desk, book } = await deskOf(await PegWorld.open())
    const to = world.registration(alice)
    const txid = await world.pay({ value: 6_000n, script: to.script })
    await book.record([seen(to, { txid, value: 6_000n, l1Height: 111 })], undefined)
    expect(desk.reports(alice, 10)).toMatchObject([
      { status: 'confirming', confirmations: 1, requiredConfirmations: 4 },
    ])
    await world.mine(3)
    expect(desk.reports(alice, 10)[0]?.status).toBe('below-minimum')
    const more = await world.pay({ value: 5_000n, script: to.script })
    await book.record([seen(to, { txid: more, value: 5_000n, l1Height: 115 })], undefined)
    // The first is deep enough and waits for the second, which brings the sum over the minimum.
    expect(desk.reports(alice, 10).map(({ status }) => status)).toEqual([
      'confirming',
      'confirming',
    ])
    expect(desk.reports(undefined, 1)).toHaveLength(1)
    expect(desk.reports(aUser('bob').script, 10)).toEqual([])
  })
})
