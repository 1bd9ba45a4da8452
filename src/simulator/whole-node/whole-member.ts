/**
 * The production member beside a simulated node, put together as the command puts it together. The
 * arithmetic of signing is done elsewhere here as well, and that place may die.
 */

import { createKeyCeremonies, type KeyCeremonies } from '../../../federation/key-ceremonies.ts'
import type { BitcoinL1 } from '../../../federation/l1/bitcoin-l1.ts'
import { type Member, openMember } from '../../../federation/member.ts'
import { createMemberFaults } from '../../../federation/member-faults.ts'
import {
  type ChangeRecord,
  type MembershipPool,
  openMembershipPool,
} from '../../../federation/membership-pool.ts'
import type { KeyStore } from '../../../federation/signing/key-store.ts'
import type { SigningWork } from '../../../federation/signing/work-jobs.ts'
import type { ChainParams } from '../../chain/params.ts'
import type { KeyEpochAnnouncement } from '../../chain/peg/key-epoch-announcement.ts'
import { findKeyEpoch } from '../../chain/peg/key-epochs.ts'
import { lastFeeRate } from '../../node/last-fee-rate.ts'
import { connectedMembers } from '../../node/member-links.ts'
import type { Node, PegContext } from '../../node/node.ts'
import type { XOnlyKey } from '../../primitives/hashes.ts'
import type { AppendLog, KeyValueStore, Network, Runtime } from '../../runtime/runtime.ts'

export interface WholeMemberParts {
  readonly params: ChainParams
  readonly publicKey: XOnlyKey
  readonly sign: (digest: Uint8Array) => Uint8Array
  readonly runtime: Runtime
  readonly network: Network
  readonly context: PegContext
  /** Undefined while the node is opened. */
  readonly node: () => Node | undefined
  readonly l1: BitcoinL1
  readonly store: KeyValueStore
  readonly signingJournal: AppendLog
  readonly keyStore: KeyStore
  readonly change: ChangeRecord
  readonly signingWork: SigningWork
  /** A key made before the run; without one the members make it. */
  readonly announcement: KeyEpochAnnouncement | undefined
}

export async function openWholeMember(
  parts: WholeMemberParts,
): Promise<{ readonly member: Member; readonly membership: MembershipPool }> {
  const { params, publicKey, sign, runtime, network, context, node, announcement } = parts
  const { chain, links, freezeVotes } = context
  const view = () => chain.state().view
  const membership = await openMembershipPool({
    params,
    view,
    network,
    record: parts.change,
    runtime,
  })
  const members = connectedMembers(network, links)
  const faults = createMemberFaults(runtime.clock, runtime.log.child({ part: 'member' }))
  const { keyStore, signingWork } = parts
  const keys = createKeyCeremonies({
    params,
    publicKey,
    sign,
    network: members,
    runtime,
    keyStore,
    view,
    work: signingWork,
    faults,
  })
  const isOpen = (): boolean => findKeyEpoch(view(), 0) !== undefined
  const member = await openMember({
    params,
    l1: parts.l1,
    store: parts.store,
    signingJournal: parts.signingJournal,
    gossip: network,
    network: members,
    runtime,
    state: () => chain.state(),
    lastFeeRate: () => lastFeeRate(chain),
    isSynced: () => node()?.isSynced() === true,
    isHalted: () => node()?.haltReason() !== undefined,
    wantsFreeze: () => freezeVotes.newest(publicKey)?.freeze === true,
    sign,
    keys: announcement === undefined ? keys : announcing(keys, announcement, isOpen),
    membership,
    keyStore,
    signingWork,
    faults,
  })
  return { member, membership }
}

/** The key generation is over before the run begins; its result still has to get into the chain. */
function announcing(
  keys: KeyCeremonies,
  announcement: KeyEpochAnnouncement,
  isOpen: () => boolean,
): KeyCeremonies {
  return {
    start: () => keys.start(),
    tick: () => {
      if (isOpen()) keys.tick()
    },
    receive: (sealed) => {
      if (isOpen()) keys.receive(sealed)
    },
    announcement: () => (isOpen() ? keys.announcement() : announcement),
    shares: () => keys.shares(),
    progress: () => (isOpen() ? keys.progress() : []),
    problems: () => keys.problems(),
    onFinished: (handler) => keys.onFinished(handler),
    stop: () => keys.stop(),
  }
}
