import { expect, it } from 'vitest'
import { createKeyCeremony } from '../../federation/key-ceremony.ts'
import type { KeyStore } from '../../federation/signing/key-store.ts'
import { findKeyEpoch } from '../../src/chain/peg/key-epochs.ts'
import { signSchnorr } from '../../src/primitives/secp256k1.ts'
import { memberShare, PegWorld } from '../federation/peg-world.ts'
import { secretOf } from '../support/chain-world.ts'

/**
 * Blocks keep coming while a member starts. Asked for its share before the key store had been read, the
 * ceremony settled on "none", for ever: two restarts under load, and releases stopped.
 */
it('a block that arrives while the key store is being read does not cost the member its share', async () => {
  const world = await PegWorld.open()
  const share = memberShare(0, world)
  const { promise: read, resolve: finishReading } = Promise.withResolvers<void>()
  const keyStore: KeyStore = {
    async findEpoch() {
      await read
      return { attempt: 1, shares: [share] }
    },
    save: async () => undefined,
    settle: async () => undefined,
    destroy: async () => undefined,
    close: async () => undefined,
  }
  const ceremony = createKeyCeremony({
    params: world.params,
    terms: {
      epoch: 0,
      members: world.params.validators,
      threshold: world.params.signingThreshold,
    },
    self: 0,
    sign: (digest) => signSchnorr(digest, secretOf('validator 0'), new Uint8Array(32)),
    network: {
      send: () => undefined,
      broadcast: () => undefined,
    },
    runtime: world.runtime,
    keyStore,
    announced: () => findKeyEpoch(world.chain.state.view, 0),
  })
  const starting = ceremony.start()
  expect(ceremony.share()).toBeUndefined()
  ceremony.tick()
  finishReading()
  await starting
  expect(ceremony.share()).toBe(share)
  expect(ceremony.problem()).toBeUndefined()
  await ceremony.stop()
})
