/**
 * The heavy arithmetic of signing and key generation as jobs: what a state machine asks for, and what it
 * is told. A workbench does them, on the same thread or on another; secrets stay with it, named by
 * handles. Everything here can be copied between threads.
 *
 * A workbench may die and be replaced by an empty one. It answers `lost` to whatever names a secret that
 * it does not have: nonces, sessions and polynomials are gone then, as after a restart of the member.
 */

import type { GroupKey, KeyShare, NonceCommitment } from './frost.ts'
import type { Dealing, KeyGenerationSize } from './key-generation.ts'
import type { SigningInput } from './roast-session.ts'
import type { StartMessage } from './signing-messages.ts'

/** Nonces that do not exist yet: one pair for each of `count` inputs. */
export interface NonceOrder {
  readonly handle: bigint
  readonly count: number
}

export type WorkJob =
  | { readonly kind: 'make-nonces'; readonly key: string; readonly order: NonceOrder }
  | { readonly kind: 'forget-nonces'; readonly key: string; readonly handle: bigint }
  | {
      /** Uses up the nonces of `handle`, whatever comes of it. */
      readonly kind: 'sign'
      readonly key: string
      readonly handle: bigint
      readonly inputs: readonly SigningInput[]
      readonly participants: StartMessage['participants']
      readonly next: NonceOrder | undefined
    }
  | {
      readonly kind: 'open-session'
      readonly key: string
      /** Unique: names the session in later jobs. */
      readonly session: string
      readonly inputs: readonly SigningInput[]
      readonly participants: StartMessage['participants']
    }
  | {
      readonly kind: 'check-shares'
      readonly session: string
      readonly member: number
      /** 32 bytes each, by input. */
      readonly shares: readonly Uint8Array[]
    }
  | { readonly kind: 'close-session'; readonly session: string }
  | {
      readonly kind: 'deal'
      /** Names the polynomial in later jobs. */
      readonly run: string
      readonly member: number
      readonly size: KeyGenerationSize
    }
  | { readonly kind: 'deal-shares'; readonly run: string; readonly dealings: readonly Dealing[] }
  | {
      readonly kind: 'take-shares'
      readonly run: string
      readonly dealings: readonly Dealing[]
      /** By dealer, without our own. */
      readonly shares: ReadonlyMap<number, Uint8Array>
    }
  | { readonly kind: 'forget-dealing'; readonly run: string }

export type WorkResult =
  | { readonly kind: 'done' }
  | { readonly kind: 'lost' }
  | { readonly kind: 'nonces'; readonly nonces: readonly NonceCommitment[] }
  | {
      readonly kind: 'shares'
      /** 32 bytes each, by input. */
      readonly shares: readonly Uint8Array[]
      readonly next: readonly NonceCommitment[] | undefined
    }
  /** Nobody can sign under these participants: one's nonce is no point. */
  | { readonly kind: 'unusable' }
  /** Not opened when there are culprits: their nonces are no points. */
  | { readonly kind: 'opened'; readonly culprits: readonly number[] }
  | { readonly kind: 'checked'; readonly isGood: boolean }
  /** That was the last good share that the session needed: 64 bytes each, by input. */
  | { readonly kind: 'signatures'; readonly signatures: readonly Uint8Array[] }
  | { readonly kind: 'dealing'; readonly dealing: Dealing }
  | { readonly kind: 'dealt'; readonly shares: ReadonlyMap<number, Uint8Array> }
  | { readonly kind: 'bad-dealers'; readonly dealers: readonly number[] }
  | {
      readonly kind: 'key'
      readonly group: GroupKey
      /** This member's share, 32 bytes. */
      readonly secret: Uint8Array
    }

/** A place where jobs are done, one after the other in the order of asking. */
export interface SigningWork {
  /** Hands the secret over, once; jobs name it by `keyName`. */
  addShare(share: KeyShare): void
  /** Never rejects. */
  perform(job: WorkJob): Promise<WorkResult>
  /** Why nothing is done at present, for the operator. */
  problem(): string | undefined
}

export function keyName(share: Pick<KeyShare, 'epoch' | 'attempt'>): string {
  return `${share.epoch}/${share.attempt}`
}
