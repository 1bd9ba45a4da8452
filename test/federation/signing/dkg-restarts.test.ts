import { describe, expect, it } from 'vitest'
import { countRestarts } from '../../../federation/signing/dkg.ts'
import { decodeDkgMessage } from '../../../federation/signing/dkg-messages.ts'
import { decodeEnvelope } from '../../../federation/signing/envelope.ts'
import { DkgNetwork } from './dkg-network.ts'

function isCertificate(sealed: Uint8Array): boolean {
  return decodeDkgMessage(decodeEnvelope(sealed).body).payload.kind === 'certify'
}

describe('a member of a key generation', () => {
  it('is followed less and less often, and named, when it begins again and again', () => {
    const network = new DkgNetwork(4, 3, 'restarts', { loss: 0, duplication: 0 })
    const begun = [0, 0, 0, 0]
    network.crashBefore = (member, effect) => {
      if (effect.kind === 'persist' && effect.record.kind === 'attempt') begun[member]! += 1
      return false
    }
    network.tamper = (from, _to, sealed) =>
      from === 3 && isCertificate(sealed) ? undefined : sealed
    network.startAll()
    for (let round = 0; round < 120; round++) {
      network.crash(3)
      // Without its shares it begins the next attempt.
      network.disks.get(3)!.shares.length = 0
      network.start(3)
      network.round()
    }
    expect(begun[3]).toBe(121)
    for (const member of [0, 1, 2]) {
      expect(begun[member]).toBeLessThan(30)
      expect(network.disks.get(member)!.shares.length).toBeLessThan(30)
      const restarts = network.restartsAt(member)
      const others = countRestarts(restarts) - (restarts.get(3) ?? 0)
      expect(restarts.get(3)).toBeGreaterThan(3 * others)
    }
    // It did nothing that proves a fault; when it stops, all is well.
    network.tamper = (_from, _to, sealed) => sealed
    expect(network.blames).toEqual([])
    expect(network.run(60)).toBeLessThanOrEqual(60)
    expect(network.announced.size).toBe(4)
  })
})
