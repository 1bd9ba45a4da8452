import { expect, it } from 'vitest'
import { coordinatorOrder } from '../../../federation/signing/roast-session.ts'
import { identityTweak, xOnly } from '../../../src/chain/peg/key-tweak.ts'
import { utf8 } from '../../../src/primitives/bytes.ts'
import { hash32FromBytes } from '../../../src/primitives/hashes.ts'
import { verifySchnorr } from '../../../src/primitives/secp256k1.ts'
import { sha256 } from '../../../src/primitives/sha256.ts'
import { SigningNetwork } from './signing-network.ts'
import { dealShares } from './test-federation.ts'

it('fourteen of twenty sign twenty inputs while six are away', () => {
  const shares = dealShares(20, 14, 'large')
  const groupKey = shares[0]!.group.commitments[0]!
  const inputs = Array.from({ length: 20 }, (_, i) => ({
    sighash: sha256(utf8(`large ${i}`)),
    tweak: identityTweak(groupKey),
  }))
  const network = new SigningNetwork(shares, 'large', { loss: 0, duplication: 0 })
  network.authorise = () => ({ inputs })
  const task = { batchId: hash32FromBytes(sha256(utf8('large'))), version: 0 }
  const ranks = coordinatorOrder(task, network.members)
  for (const member of ranks.slice(0, 14)) network.start(member)
  network.begin(task)
  network.deliver()
  const [signatures] = network.signed.get(ranks[13]!) ?? []
  for (const [i, { sighash }] of inputs.entries()) {
    expect(verifySchnorr(signatures![i]!, sighash, xOnly(groupKey))).toBe(true)
  }
  expect(network.blames).toEqual([])
})
