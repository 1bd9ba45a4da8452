/** Changes of members with the test validators' signatures, and the keys that their members make. */

import type { MemberChange, MemberChangeTerms } from '../../src/chain/member-change.ts'
import { memberChangeDigest } from '../../src/chain/member-change.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import type { KeyEpochAnnouncement } from '../../src/chain/peg/key-epoch-announcement.ts'
import { hashOfSet } from '../../src/chain/validators.ts'
import type { ValidatorSet } from '../../src/consensus/validator-set.ts'
import { signSchnorr } from '../../src/primitives/secp256k1.ts'
import { aKeyEpoch, secretOf, validatorKey } from './chain-world.ts'

const AUX = new Uint8Array(32)

/** Test validators by number. */
export interface Crew {
  readonly epoch: number
  readonly threshold: number
  readonly members: readonly number[]
}

export function setOfCrew({ epoch, members }: Crew): ValidatorSet {
  return { epoch, keys: members.map(validatorKey) }
}

/** From one crew to another, approved by those of the first (positions in it; all unless told). */
export function aMemberChange(
  params: ChainParams,
  from: Pick<Crew, 'epoch' | 'members'>,
  to: Crew,
  approving: readonly number[] = [...from.members.keys()],
): MemberChange {
  const terms: MemberChangeTerms = {
    epoch: to.epoch,
    threshold: to.threshold,
    members: to.members.map(validatorKey),
  }
  const setHash = hashOfSet(setOfCrew({ ...from, threshold: 0 }))
  const digest = memberChangeDigest({ chainId: params.chainId, setHash }, terms)
  const approvals = approving.map((signer) => ({
    signer,
    signature: signSchnorr(digest, secretOf(`validator ${from.members[signer] ?? -1}`), AUX),
  }))
  return { ...terms, approvals }
}

export function keyOfCrew(params: ChainParams, crew: Crew): KeyEpochAnnouncement {
  return aKeyEpoch(params, crew).announcement
}
