/**
 * Shows certificates in which only its own signature is good, or that have no other, or valid ones
 * with a signer added: as ENTER and as DECIDED.
 */

import { bitmapIndexes, bitmapOf, type Certificate } from '../../consensus/certificate.ts'
import { quorumSize } from '../../consensus/quorum.ts'
import type { Statement } from '../../consensus/votes.ts'
import { makeCounterBlock } from '../counter-block.ts'
import { type Adversary, type AdversaryTools, somebody } from './adversary.ts'

export function createCertificatePadder(tools: AdversaryTools): Adversary {
  const { validators, random } = tools
  let heard: Certificate | undefined

  const garbage = (): Uint8Array => Uint8Array.from({ length: 64 }, () => random.below(256))
  /** A quorum of signers: itself and names without signatures, some of them its own again. */
  const fake = (statement: Statement): Certificate => {
    const own = tools.vote(statement)
    const signers = [tools.self]
    if (random.chance(0.3)) {
      return { ...statement, bitmap: bitmapOf(signers, validators), signatures: [own.signature] }
    }
    for (let i = 0; signers.length < quorumSize(validators); i++) {
      if (i !== tools.self) signers.push(i)
    }
    const signatures = signers
      .toSorted((a, b) => a - b)
      .map((signer) => (signer === tools.self || random.chance(0.3) ? own.signature : garbage()))
    return { ...statement, bitmap: bitmapOf(signers, validators), signatures }
  }
  /** One signer more than there is a signature for. */
  const pad = (certificate: Certificate): Certificate => {
    const signers = bitmapIndexes(certificate.bitmap)
    const more = Array.from({ length: validators }, (_, i) => i).find((i) => !signers.includes(i))
    if (more === undefined) return certificate
    const all = [...signers, more].toSorted((a, b) => a - b)
    const signatures = [...certificate.signatures]
    signatures.splice(all.indexOf(more), 0, garbage())
    return { ...certificate, bitmap: bitmapOf(all, validators), signatures }
  }

  return {
    overhear(message) {
      if (message.kind === 'enter') heard = message.certificates[0] ?? heard
    },
    speak() {
      const place = tools.place()
      if (place === undefined) return []
      const { height, view, parentHash } = place
      const block = makeCounterBlock({ height, view, proposer: tools.self, parentHash }, [])
      const blockHash = block.hash
      const certificates = [
        fake({ type: 'nullify', height, view }),
        fake({ type: 'notarize', height, view, blockHash }),
        ...(heard === undefined ? [] : [pad(heard)]),
      ]
      const certificate = fake({ type: 'finalize', height, view, blockHash })
      return [
        ...certificates.map((one) => ({
          to: somebody(tools),
          message: { kind: 'enter' as const, height, view: view + 1, certificates: [one] },
        })),
        { to: somebody(tools), message: { kind: 'decided', block: block.bytes, certificate } },
      ]
    },
  }
}
