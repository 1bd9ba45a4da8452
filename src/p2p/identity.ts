/** A node's libp2p identity: an Ed25519 key, and the peer id that libp2p derives from it. */

import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { assert } from '../primitives/assert.ts'
import type { PeerId } from '../runtime/runtime.ts'

const SEED_BYTES = 32

/** The Ed25519 private key (RFC 8032) of a 32-byte seed. */
export async function privateKeyOfSeed(seed: Uint8Array): Promise<PrivateKey> {
  assert(seed.length === SEED_BYTES, 'an Ed25519 seed has 32 bytes')
  return generateKeyPairFromSeed('Ed25519', seed)
}

/** The peer id, in its usual text form, of the node whose 32-byte Ed25519 seed this is. */
export async function peerIdOfSeed(seed: Uint8Array): Promise<PeerId> {
  return peerIdFromPrivateKey(await privateKeyOfSeed(seed)).toString()
}
