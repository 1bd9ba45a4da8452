/**
 * The federation as the HTTP API shows it: the members of today, the change under way and what it waits
 * for, every key and what is left of it; and approved changes as anybody hands them in.
 */

import { type CoinsOfKey, coinsByKey, NO_COINS } from '../../../federation/key-remains.ts'
import type { Member } from '../../../federation/member.ts'
import type { MembershipPool } from '../../../federation/membership-pool.ts'
import type { NodeFacade } from '../../api/ports.ts'
import type { FederationView } from '../../api/schemas.ts'
import type { MemberChange } from '../../chain/member-change.ts'
import {
  getEpochBooks,
  type MemberSet,
  memberSets,
  pendingMemberSet,
} from '../../chain/member-sets.ts'
import { findKeyEpoch } from '../../chain/peg/key-epochs.ts'
import type { StateView } from '../../chain/state.ts'
import { activeMemberSet, hashOfSet } from '../../chain/validators.ts'
import type { Node } from '../../node/node.ts'
import { bytesToHex } from '../../primitives/bytes.ts'
import type { BlockHash, XOnlyKey } from '../../primitives/hashes.ts'

export interface FederationReportParts {
  readonly node: Pick<Node, 'chain'> & { readonly links: Pick<Node['links'], 'connectedKeys'> }
  readonly member: Pick<Member, 'keyProgress'> | undefined
  readonly membership: Pick<MembershipPool, 'submit' | 'change'>
  /** This node's validator key, whether or not a set names it. */
  readonly publicKey: XOnlyKey | undefined
}

export function createFederationReports(
  parts: FederationReportParts,
): Pick<NodeFacade, 'federation' | 'submitMemberChange'> {
  const coins = rememberedCoins(parts.node.chain)
  return {
    federation: () => federationOf(parts, coins()),
    submitMemberChange: (change) => parts.membership.submit(change),
  }
}

type Coins = ReadonlyMap<number, CoinsOfKey>

/** Every coin is looked at, so at most once for a block. */
function rememberedCoins(chain: FederationReportParts['node']['chain']): () => Coins {
  let known: { readonly hash: BlockHash; readonly coins: Coins } | undefined
  return () => {
    const { tip, view } = chain.state()
    if (known?.hash !== tip.hash) known = { hash: tip.hash, coins: coinsByKey(view) }
    return known.coins
  }
}

function federationOf(parts: FederationReportParts, coins: Coins): FederationView {
  const { node, membership } = parts
  const { view } = node.chain.state()
  const active = activeMemberSet(view)
  const waiting = membership.change()
  return {
    epoch: active.epoch,
    setHash: hashOfSet(active),
    nextEpoch: getEpochBooks(view).next,
    threshold: active.threshold,
    members: membersOf(parts, active.keys),
    pending: pendingOf(parts, view),
    waitingChange: waiting === undefined ? null : changeOf(waiting),
    keyEpochs: [...memberSets(view)].flatMap((set) => keyEpochOf(view, set, coins)),
  }
}

function membersOf(
  { node, publicKey: own }: FederationReportParts,
  keys: readonly XOnlyKey[],
): FederationView['members'] {
  const linked = new Set(node.links.connectedKeys())
  return keys.map((publicKey, index) => ({
    index,
    publicKey,
    online: linked.has(publicKey) || publicKey === own,
    self: publicKey === own,
  }))
}

function pendingOf(parts: FederationReportParts, view: StateView): FederationView['pending'] {
  const set = pendingMemberSet(view)
  if (set === undefined) return null
  const progress = parts.member?.keyProgress().find(({ terms }) => terms.epoch === set.epoch)
  return {
    epoch: set.epoch,
    threshold: set.threshold,
    members: membersOf(parts, set.keys),
    approvedHeight: set.approvedHeight,
    stage: stageOf(set),
    probeL1Height: set.probeL1Height === 0 ? null : set.probeL1Height,
    keyGeneration:
      progress === undefined
        ? null
        : {
            attempt: progress.attempt,
            phase: progress.phase,
            waitingFor: [...progress.waitingFor],
          },
  }
}

/** The key is made, then waits for a coin to be proved with, then spends it. */
function stageOf({ status, probeL1Height }: MemberSet): 'key-generation' | 'funding' | 'probe' {
  if (status === 'pending') return 'key-generation'
  return probeL1Height === 0 ? 'funding' : 'probe'
}

function changeOf({ epoch, threshold, members }: MemberChange): FederationView['waitingChange'] {
  return { epoch, threshold, members: [...members] }
}

function keyEpochOf(view: StateView, set: MemberSet, coins: Coins): FederationView['keyEpochs'] {
  const key = findKeyEpoch(view, set.epoch)
  if (key === undefined) return []
  const isProved = set.status === 'active' || set.status === 'retired'
  const held = coins.get(set.epoch) ?? NO_COINS
  return [
    {
      epoch: set.epoch,
      groupKey: bytesToHex(key.groupKey),
      threshold: key.threshold,
      state: set.status,
      members: [...set.keys],
      announcedHeight: key.height,
      activatedHeight: isProved ? Math.max(set.activeFrom, key.height) : null,
      coins: held.coins,
      coinsSats: Number(held.sats),
    },
  ]
}
