import { describe, expect, it } from 'vitest'
import { createKeyCeremonies } from '../../federation/key-ceremonies.ts'
import { createKeyCeremony, type KeyCeremony } from '../../federation/key-ceremony.ts'
import { encodeDkgMessage } from '../../federation/signing/dkg-messages.ts'
import { sealMessage } from '../../federation/signing/envelope.ts'
import type { KeyShare } from '../../federation/signing/frost.ts'
import type { KeyStore } from '../../federation/signing/key-store.ts'
import { findKeyEpoch } from '../../src/chain/peg/key-epochs.ts'
import { signSchnorr } from '../../src/primitives/secp256k1.ts'
import { secretOf } from '../support/chain-world.ts'
import { memberShare, PegWorld, until } from './peg-world.ts'

/** A key store in memory that can fail and can be slow. */
class TestKeyStore implements KeyStore {
  readonly shares: KeyShare[] = []
  readonly calls: string[] = []
  failure: string | undefined
  gate: Promise<void> | undefined

  async findEpoch() {
    return this.shares.length === 0 ? undefined : { attempt: 1, shares: this.shares }
  }

  async save(_epoch: number, record: { readonly kind: string }): Promise<void> {
    await this.gate
    this.calls.push(`save ${record.kind}`)
    if (this.failure !== undefined) throw new TypeError(this.failure)
  }

  async settle(_epoch: number, attempt: number): Promise<void> {
    this.calls.push(`settle ${attempt}`)
  }

  async destroy(epoch: number): Promise<void> {
    this.calls.push(`destroy ${epoch}`)
  }

  async close(): Promise<void> {
    this.calls.push('close')
  }
}

function ceremonyOf(world: PegWorld, keyStore: KeyStore, sent: Uint8Array[] = []): KeyCeremony {
  return createKeyCeremony({
    params: world.params,
    terms: {
      epoch: 0,
      members: world.params.validators,
      threshold: world.params.signingThreshold,
    },
    self: 0,
    sign: (digest) => signSchnorr(digest, secretOf('validator 0'), new Uint8Array(32)),
    network: {
      send: (_to, frame) => sent.push(frame),
      broadcast: (frame) => sent.push(frame),
    },
    runtime: world.runtime,
    keyStore,
    announced: () => findKeyEpoch(world.chain.state.view, 0),
  })
}

describe('the key ceremony', () => {
  it('hands out the share of the attempt that the chain settled on, and erases the others', async () => {
    const world = await PegWorld.open()
    const keyStore = new TestKeyStore()
    keyStore.shares.push(memberShare(0, world))
    const ceremony = ceremonyOf(world, keyStore)
    await ceremony.start()
    expect(ceremony.share()).toBe(keyStore.shares[0])
    expect(ceremony.isShareMissing()).toBe(false)
    expect(ceremony.problem()).toBeUndefined()
    await ceremony.stop()
    expect(keyStore.calls).toEqual(['settle 1'])
  })

  it('says once that the share is missing, and erases nothing', async () => {
    const world = await PegWorld.open()
    const keyStore = new TestKeyStore()
    const ceremony = ceremonyOf(world, keyStore)
    await ceremony.start()
    for (let n = 0; n < 10; n++) ceremony.tick()
    expect(ceremony.share()).toBeUndefined()
    expect(ceremony.isShareMissing()).toBe(true)
    expect(world.runtime.lines.filter(({ level }) => level === 'error')).toHaveLength(1)
    await ceremony.stop()
    expect(keyStore.calls).toEqual([])
  })

  it('says nothing to the others when its store fails, and tells the operator', async () => {
    const world = await PegWorld.closed()
    const keyStore = new TestKeyStore()
    keyStore.failure = 'no space left on device'
    const sent: Uint8Array[] = []
    const ceremony = ceremonyOf(world, keyStore, sent)
    await ceremony.start()
    await until(() => ceremony.problem() !== undefined)
    for (let n = 0; n < 10; n++) ceremony.tick()
    expect(ceremony.problem()).toMatch(/no space left/)
    expect(sent).toEqual([])
  })

  it('waits upon stopping for the write under way, and begins no other', async () => {
    const world = await PegWorld.closed()
    const keyStore = new TestKeyStore()
    const { promise, resolve } = Promise.withResolvers<void>()
    keyStore.gate = promise
    const ceremony = ceremonyOf(world, keyStore)
    await ceremony.start()
    await until(() => true)
    const stopping = ceremony.stop().then(() => keyStore.close())
    resolve()
    await stopping
    for (let n = 0; n < 10; n++) ceremony.tick()
    expect(keyStore.calls.at(-1)).toBe('close')
    expect(keyStore.calls.filter((call) => call.startsWith('save')).length).toBeLessThanOrEqual(1)
  })
})

describe('the key ceremonies', () => {
  it('name the member that begins a key generation again and again, and follow it less and less', async () => {
    const world = await PegWorld.closed()
    const { params, runtime } = world
    const keyStore = new TestKeyStore()
    const [publicKey] = params.validators
    const keys = createKeyCeremonies({
      params,
      publicKey: publicKey!,
      sign: (digest) => signSchnorr(digest, secretOf('validator 0'), new Uint8Array(32)),
      network: { send: () => undefined, onFrame: () => undefined },
      runtime,
      keyStore,
      view: () => world.chain.state.view,
    })
    await keys.start()
    const begunAttempts = (): number =>
      keyStore.calls.filter((call) => call === 'save attempt').length
    for (let attempt = 2; attempt <= 100; attempt++) {
      await until(() => keys.progress()[0]?.phase !== 'starting')
      keys.tick()
      keys.receive(certificateOf(params, attempt))
      if (attempt > 9) continue
      expect(keys.progress()[0]?.attempt).toBe(attempt)
      expect(keys.problems()).toEqual([])
    }
    const times = begunAttempts() - 1
    expect(times).toBeGreaterThan(8)
    expect(times).toBeLessThan(30)
    expect(keys.problems()).toEqual([
      `the key generation of epoch 0 was begun anew ${times} times by ${params.validators[3]}`,
    ])
    await keys.stop()
  })
})

/** All that it takes to be followed: any sealed message of that attempt. */
function certificateOf({ chainId }: PegWorld['params'], attempt: number): Uint8Array {
  const payload = { kind: 'certify', signature: new Uint8Array(64) } as const
  const body = encodeDkgMessage({ attempt, context: new Uint8Array(32), payload })
  const envelope = {
    protocol: 'key-generation',
    epoch: 0,
    sender: 3,
    recipient: undefined,
  } as const
  return sealMessage({ ...envelope, body }, chainId, (digest) =>
    signSchnorr(digest, secretOf('validator 3'), new Uint8Array(32)),
  )
}
