import { describe, expect, it } from 'vitest'
import { helloDigest } from '../../src/consensus/hello.ts'
import { decodeMessage, type HelloMessage } from '../../src/consensus/messages.ts'
import { createValidatorLinks, type LinkContext } from '../../src/node/validator-links.ts'
import { testParams } from '../support/chain-world.ts'
import { NetworkHub } from '../support/memory-network.ts'
import { validatorIdentity } from '../support/node-world.ts'
import { VirtualWorldTime } from '../support/virtual-runtime.ts'

const params = testParams()
const context = {
  chainId: params.chainId,
  validators: params.validators,
  named: new Set(params.validators),
}

function hello(index: number, peerId: string, sequence: number): HelloMessage {
  const identity = validatorIdentity(index)
  const fields = { chainId: params.chainId, validatorKey: identity.publicKey, peerId, sequence }
  return { kind: 'hello', ...fields, signature: identity.sign(helloDigest(fields)) }
}

function linksOf(self?: number) {
  const time = new VirtualWorldTime()
  const hub = new NetworkHub(time)
  const network = hub.create('me')
  const identity = self === undefined ? undefined : validatorIdentity(self)
  const links = createValidatorLinks(network, () => context, identity, time.runtime('me'))
  const linked: number[] = []
  links.onLinked((index) => linked.push(index))
  return { time, hub, network, links, linked }
}

describe('validator links', () => {
  it('belong to keys that the state names, and follow it when it names others', async () => {
    const time = new VirtualWorldTime()
    const hub = new NetworkHub(time)
    const network = hub.create('me')
    await network.start()
    for (const name of ['old', 'new']) await hub.create(name).start()
    const [founder, newcomer] = [validatorIdentity(3).publicKey, validatorIdentity(4).publicKey]
    let now: LinkContext = context
    const links = createValidatorLinks(network, () => now, validatorIdentity(0), time.runtime('me'))
    expect(links.onHello('new', hello(4, 'new', 5))).toBe(true)
    expect(links.onHello('old', hello(3, 'old', 5))).toBe(true)
    expect(links.keyOf('new')).toBeUndefined()
    // A pending set names it: a link, and no validator.
    now = { ...context, named: new Set([...params.validators, newcomer]) }
    links.refresh()
    expect(links.peerOfKey(newcomer)).toBe('new')
    expect([links.indexOf('new'), links.connected()]).toEqual([undefined, [3]])
    // It takes over from number 3, who is named for its old key still.
    now = { ...now, validators: [...params.validators.slice(0, 3), newcomer] }
    links.refresh()
    expect([links.indexOf('new'), links.peerOf(3)]).toEqual([3, 'new'])
    expect(links.indexOf('old')).toBeUndefined()
    expect(links.keyOf('old')).toBe(founder)
    // Nothing is left of the old key.
    now = { ...now, named: new Set(now.validators) }
    links.refresh()
    expect(links.keyOf('old')).toBeUndefined()
    expect(links.connectedKeys()).toEqual([newcomer])
  })

  it('end with a forged HELLO that was kept until its key was named', async () => {
    const time = new VirtualWorldTime()
    const hub = new NetworkHub(time)
    const network = hub.create('me')
    await network.start()
    await hub.create('liar').start()
    let now: LinkContext = context
    const links = createValidatorLinks(network, () => now, validatorIdentity(0), time.runtime('me'))
    const forged = { ...hello(4, 'liar', 5), signature: new Uint8Array(64) }
    expect(links.onHello('liar', forged)).toBe(true)
    now = { ...context, named: new Set([...params.validators, forged.validatorKey]) }
    links.refresh()
    expect(links.connectedKeys()).toEqual([])
    expect(hub.disconnections.map(({ peer }) => peer)).toEqual(['liar'])
  })

  it('know who is who once a HELLO has proved it', () => {
    const { links, linked } = linksOf(0)
    expect(links.onHello('a', hello(1, 'a', 5))).toBe(true)
    expect(links.indexOf('a')).toBe(1)
    expect(links.peerOf(1)).toBe('a')
    expect(links.connected()).toEqual([1])
    expect(links.onHello('a', hello(1, 'a', 5))).toBe(true)
    expect(linked).toEqual([1])
  })

  it('believe nothing else', () => {
    const { links } = linksOf(0)
    const good = hello(1, 'a', 5)
    expect(links.onHello('b', good)).toBe(false)
    expect(links.onHello('a', { ...good, sequence: 6 })).toBe(false)
    expect(links.onHello('a', { ...good, signature: new Uint8Array(64) })).toBe(false)
    // Whose key nobody names has not lied, and is nobody.
    expect(links.onHello('a', { ...good, validatorKey: validatorIdentity(9).publicKey })).toBe(true)
    expect(links.connected()).toEqual([])
  })

  it('keep a validator where it is while that link lives, and tell a second one of the first', async () => {
    const { hub, network, links, time } = linksOf(0)
    await network.start()
    const first = hub.create('first')
    const second = hub.create('second')
    const told: Uint8Array[] = []
    second.onFrame('consensus', (_from, frame) => told.push(frame))
    await first.start()
    await second.start()
    links.onHello('first', hello(1, 'first', 5))
    expect(links.onHello('second', hello(1, 'second', 6))).toBe(true)
    expect(links.peerOf(1)).toBe('first')
    expect(links.indexOf('second')).toBeUndefined()
    await time.pass(100)
    expect(told.map((frame) => decodeMessage(frame))).toContainEqual(hello(1, 'first', 5))
    await first.stop()
    await time.pass(10)
    links.onHello('second', hello(1, 'second', 6))
    expect(links.peerOf(1)).toBe('second')
  })

  it('take a peer for one validator at a time', () => {
    const { links } = linksOf(0)
    links.onHello('a', hello(1, 'a', 5))
    links.onHello('a', hello(2, 'a', 5))
    expect(links.connected()).toEqual([2])
    expect(links.indexOf('a')).toBe(2)
  })

  it('end with the connection', async () => {
    const { hub, network, links, time } = linksOf(0)
    await network.start()
    const other = hub.create('a')
    await other.start()
    links.onHello('a', hello(1, 'a', 5))
    await other.stop()
    await time.pass(10)
    expect(links.connected()).toEqual([])
    expect(links.onHello('a', hello(1, 'a', 5))).toBe(true)
    expect(links.connected()).toEqual([1])
  })

  it('say who they are at once, and again in case it was lost', async () => {
    const { hub, network, links, time } = linksOf(3)
    const heard: Uint8Array[] = []
    const other = hub.create('a')
    other.onFrame('consensus', (_from, frame) => heard.push(frame))
    await network.start()
    links.start()
    await other.start()
    await time.pass(100)
    expect(heard).toHaveLength(1)
    await time.pass(20_000)
    expect(heard).toHaveLength(3)
    expect(new Set(heard.map(String)).size).toBe(1)
    const [first] = heard
    expect(first === undefined ? undefined : decodeMessage(first)).toMatchObject({
      kind: 'hello',
      peerId: 'me',
    })
    links.stop()
    await time.pass(20_000)
    expect(time.timerCount).toBe(0)
  })

  it('say nothing for a node that only follows', async () => {
    const { hub, network, links, time } = linksOf()
    await network.start()
    links.start()
    await hub.create('a').start()
    await time.pass(20_000)
    expect(hub.sent).toEqual([])
  })

  it('tell when the own key runs elsewhere, and who was first', () => {
    const { links, time } = linksOf(0)
    const twins: (readonly [string, boolean])[] = []
    links.onTwin((peer, isOlder) => twins.push([peer, isOlder]))
    links.onHello('older', hello(0, 'older', time.nowMs - 1))
    links.onHello('newer', hello(0, 'newer', time.nowMs + 1))
    expect(twins).toEqual([
      ['older', true],
      ['newer', false],
    ])
    expect(links.connected()).toEqual([])
  })

  it('believe f + 1 validators that the own key runs elsewhere, and nobody less', async () => {
    const { links, time } = linksOf(0)
    const twins: (readonly [string, boolean])[] = []
    links.onTwin((peer, isOlder) => twins.push([peer, isOlder]))
    const first = hello(0, 'first', 7)
    for (const index of [1, 2]) links.onHello(`peer-${index}`, hello(index, `peer-${index}`, 1))
    expect(links.onHello('a stranger', first)).toBe(true)
    expect(links.onHello('peer-1', first)).toBe(true)
    expect(links.onHello('peer-1', first)).toBe(true)
    expect(links.onHello('peer-1', { ...first, sequence: 8 })).toBe(false)
    expect(twins).toEqual([])
    // Too late to be about the same moment.
    await time.pass(31_000)
    links.onHello('peer-2', first)
    expect(twins).toEqual([])
    links.onHello('peer-1', first)
    expect(twins).toEqual([['first', true]])
  })

  it('do not take an earlier life of this node for another node', () => {
    const { links } = linksOf(0)
    const twins: string[] = []
    links.onTwin((peer) => twins.push(peer))
    for (const index of [1, 2, 3]) {
      links.onHello(`peer-${index}`, hello(index, `peer-${index}`, 1))
      links.onHello(`peer-${index}`, hello(0, 'me', 1))
    }
    expect(twins).toEqual([])
  })
})
