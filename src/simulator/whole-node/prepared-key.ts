/**
 * A group key made before the run, by the arithmetic of the production key generation without its
 * network: a run that is not about the ceremony begins with the shares on disk and lets the first block
 * announce them. Made once for each size.
 */

import { deriveGroupKey, KeyShare } from '../../../federation/signing/frost.ts'
import { SecretDealing } from '../../../federation/signing/key-generation.ts'
import type { ChainParams } from '../../chain/params.ts'
import {
  type KeyEpochAnnouncement,
  keyCertificateDigest,
  keyTestMessage,
} from '../../chain/peg/key-epoch-announcement.ts'
import { present } from '../../primitives/assert.ts'
import { xOnlyKeyFromBytes } from '../../primitives/hashes.ts'
import { fakeSignature } from '../fake-signatures.ts'
import { createSeededRandom } from '../seeded-random.ts'

const EPOCH = 0
const ATTEMPT = 1

interface PreparedKey {
  readonly commitments: readonly Uint8Array[]
  readonly groupKey: Uint8Array
  readonly secrets: readonly Uint8Array[]
}

const made = new Map<string, PreparedKey>()

function prepare(memberCount: number, threshold: number): PreparedKey {
  const name = `${threshold} of ${memberCount}`
  const known = made.get(name)
  if (known !== undefined) return known
  const random = createSeededRandom(memberCount)
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => random.below(256))
  const size = { threshold, memberCount }
  const dealers = Array.from(
    { length: memberCount },
    (_, member) => new SecretDealing(member, size, bytes),
  )
  const dealings = dealers.map(({ dealing }) => dealing)
  const shares = dealers.map((dealer) => dealer.sharesFor(dealings))
  const finished = dealers.map((dealer, member) => {
    const received = new Map<number, Uint8Array>()
    for (const [from, dealt] of shares.entries()) {
      if (from !== member) received.set(from, present(dealt.get(member), 'dealt share'))
    }
    return dealer.finish(dealings, received)
  })
  const { group } = present(finished[0], 'member 0')
  const key = {
    commitments: group.commitments,
    groupKey: present(group.commitments[0], 'commitment'),
    secrets: finished.map(({ secret }) => secret),
  }
  made.set(name, key)
  return key
}

export interface PreparedEpoch {
  readonly announcement: KeyEpochAnnouncement
  readonly shares: readonly KeyShare[]
}

export function prepareKeyEpoch(params: ChainParams): PreparedEpoch {
  const { validators, signingThreshold: threshold, chainId } = params
  const { commitments, groupKey, secrets } = prepare(validators.length, threshold)
  const group = deriveGroupKey(commitments, validators.length)
  const terms = { chainId, epoch: EPOCH, attempt: ATTEMPT, threshold, members: validators }
  const digest = keyCertificateDigest(terms, commitments)
  return {
    announcement: {
      epoch: EPOCH,
      attempt: ATTEMPT,
      threshold,
      groupKey,
      commitments,
      memberSignatures: validators.map((key) => fakeSignature(key, digest)),
      testSignature: fakeSignature(
        xOnlyKeyFromBytes(groupKey.subarray(1)),
        keyTestMessage(groupKey),
      ),
    },
    shares: secrets.map(
      (secret, member) =>
        new KeyShare({ epoch: EPOCH, attempt: ATTEMPT, member, group, secret: secret.slice() }),
    ),
  }
}
