/** What one attempt of the key generation needs, says and finds wrong: the words of `dkg-attempt.ts`. */

import type { KeyEpochAnnouncement } from '../../src/chain/peg/key-epoch-announcement.ts'
import type { Asking, ComputeEffect } from './computations.ts'
import type { DkgMessage } from './dkg-messages.ts'
import type { HostSigner } from './envelope.ts'
import type { KeyShare } from './frost.ts'

export type DkgFault =
  | 'malformed'
  | 'bad-deal'
  | 'two-deals'
  | 'bad-share'
  | 'bad-echo'
  | 'bad-certificate'
  | 'bad-test-share'
  | 'bad-test-start'

/** Those whose evidence convinces whoever sees it: broadcasts, and shares that nobody needs any more. */
export const EVIDENCE_SHOWN: ReadonlySet<DkgFault> = new Set([
  'bad-deal',
  'two-deals',
  'bad-share',
  'bad-echo',
  'bad-certificate',
])

export type DkgPhase =
  | 'dealing'
  | 'echoing'
  | 'sharing'
  | 'persisting'
  | 'certifying'
  | 'testing'
  | 'done'

export type AttemptEffect =
  | ComputeEffect
  | { readonly kind: 'send'; readonly to: number; readonly sealed: Uint8Array }
  | { readonly kind: 'broadcast'; readonly sealed: Uint8Array }
  | { readonly kind: 'persist-share'; readonly share: KeyShare }
  | {
      readonly kind: 'blame'
      readonly member: number
      readonly fault: DkgFault
      readonly evidence: readonly Uint8Array[]
    }
  | { readonly kind: 'failed'; readonly reason: DkgFault | 'deal-lost' }
  | { readonly kind: 'announce'; readonly announcement: KeyEpochAnnouncement }

export interface AttemptDeps {
  readonly self: number
  readonly sign: HostSigner
  readonly random: (length: number) => Uint8Array
  readonly work: Asking<AttemptEffect>
  /** Hands a share to where the jobs are done. */
  readonly addShare: (share: KeyShare) => void
  /** Another member's sealed broadcast; undefined when it is none, or not proved. */
  readonly open: (
    sealed: Uint8Array,
  ) => { readonly sender: number; readonly message: DkgMessage } | undefined
  /** Seals a message of this attempt; undefined recipient: everybody. */
  readonly seal: (message: DkgMessage, recipient: number | undefined) => Uint8Array
}
