/**
 * Drives the distributed generation of one epoch's key until the chain has that key, and hands out this
 * member's share of the key that the chain settled on. The state machine decides (`signing/dkg.ts`);
 * this file moves its messages and makes its records durable.
 */

import type { ChainParams } from '../src/chain/params.ts'
import type { KeyEpochAnnouncement } from '../src/chain/peg/key-epoch-announcement.ts'
import { present } from '../src/primitives/assert.ts'
import { equalBytes } from '../src/primitives/bytes.ts'
import type { Runtime } from '../src/runtime/runtime.ts'
import type { KeyTerms } from './key-terms.ts'
import { createMemberFaults, type MemberFaults } from './member-faults.ts'
import type { EpochNetwork } from './member-network.ts'
import {
  createDkg,
  type Dkg,
  type DkgEffect,
  type DkgEvent,
  type DkgRecord,
  type DkgStatus,
} from './signing/dkg.ts'
import type { KeyShare } from './signing/frost.ts'
import type { KeyStore } from './signing/key-store.ts'
import type { SigningWork } from './signing/work-jobs.ts'
import type { Offload } from './signing/work-place.ts'

export interface KeyCeremonyParts {
  readonly params: Pick<ChainParams, 'chainId'>
  readonly terms: KeyTerms
  /** This member's position in the terms. */
  readonly self: number
  /** BIP340 by the validator key. */
  readonly sign: (digest: Uint8Array) => Uint8Array
  readonly network: EpochNetwork
  readonly runtime: Runtime
  readonly keyStore: KeyStore
  /** The epoch's key, once the chain has it. */
  readonly announced: () => KeyEpochAnnouncement | undefined
  /** Where the arithmetic is done; without, here. */
  readonly work?: SigningWork
  /** Without, they are counted for the log only. */
  readonly faults?: MemberFaults
}

export interface KeyCeremony {
  readonly terms: KeyTerms
  /** Resolves when the store has been read. @throws KeyStoreError */
  start(): Promise<void>
  /** About once a second. */
  tick(): void
  receive(sealed: Uint8Array): void
  /** A finished key that the chain does not know yet. */
  announcement(): KeyEpochAnnouncement | undefined
  /** This member's share of the key in the chain. */
  share(): KeyShare | undefined
  /** True when the chain has a key of which this member has no share: the store was read. */
  isShareMissing(): boolean
  /** Of the key generation; undefined before and after it. */
  progress(): DkgStatus | undefined
  /** What keeps this member's store from being written. */
  problem(): string | undefined
  onFinished(handler: () => void): void
  /** Resolves when nothing is being written; nothing more will be. */
  stop(): Promise<void>
}

export function createKeyCeremony(parts: KeyCeremonyParts): KeyCeremony {
  return new Ceremony(parts)
}

class Ceremony implements KeyCeremony {
  readonly #parts: KeyCeremonyParts
  readonly #faults: MemberFaults
  readonly #handlers: (() => void)[] = []
  readonly #shares = new Map<number, KeyShare>()
  #isLoaded = false
  #dkg: Dkg | undefined
  #announcement: KeyEpochAnnouncement | undefined
  /** The chain has a key; the share of it, if this member has one. */
  #settled: { readonly share: KeyShare | undefined } | undefined
  #problem: string | undefined
  #saving: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(parts: KeyCeremonyParts) {
    this.#parts = parts
    this.#faults = parts.faults ?? createMemberFaults(parts.runtime.clock, parts.runtime.log)
  }

  get terms(): KeyTerms {
    return this.#parts.terms
  }

  async start(): Promise<void> {
    const { params, terms, self, sign, runtime, keyStore, work } = this.#parts
    const stored = await keyStore.findEpoch(terms.epoch)
    for (const share of stored?.shares ?? []) this.#shares.set(share.attempt, share)
    this.#isLoaded = true
    if (this.#stopped || this.#settle()) return
    this.#dkg = createDkg(
      {
        chainId: params.chainId,
        ...terms,
        self,
        ...(stored === undefined ? {} : { resume: stored }),
      },
      {
        sign,
        random: (length) => runtime.random.bytes(length),
        ...(work === undefined ? {} : { offload: this.#offloadTo(work) }),
      },
    )
    this.#step({ kind: 'start' })
  }

  #offloadTo(work: SigningWork): Offload<DkgEffect> {
    return {
      work,
      later: (effects) => {
        // A ceremony that is over has nothing more to say.
        if (this.#dkg !== undefined) this.#performAll(effects)
      },
      failed: (error) => {
        this.#parts.runtime.log.error({ error: String(error) }, 'key generation work failed')
      },
    }
  }

  tick(): void {
    if (this.#dkg === undefined || this.#settle()) return
    this.#step({ kind: 'tick' })
  }

  receive(sealed: Uint8Array): void {
    this.#step({ kind: 'received', sealed })
  }

  announcement(): KeyEpochAnnouncement | undefined {
    return this.#announcement
  }

  share(): KeyShare | undefined {
    // Blocks arrive while the key store is still being read; the choice is made once and for all.
    if (!this.#isLoaded) return undefined
    this.#settle()
    return this.#settled?.share
  }

  isShareMissing(): boolean {
    return this.share() === undefined && this.#settled !== undefined
  }

  progress(): DkgStatus | undefined {
    return this.#dkg?.status()
  }

  problem(): string | undefined {
    return this.#problem
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#dkg = undefined
    await this.#saving
  }

  onFinished(handler: () => void): void {
    this.#handlers.push(handler)
  }

  /** Once the chain has a key, this member's share of it is chosen, and the ceremony is over. */
  #settle(): boolean {
    if (this.#settled !== undefined) return true
    const { runtime, keyStore, announced, terms } = this.#parts
    const key = announced()
    if (key === undefined) return false
    this.#dkg = undefined
    this.#announcement = undefined
    const { epoch } = terms
    const { attempt } = key
    const found = this.#shares.get(attempt)
    const share = found !== undefined && isShareOf(found, key) ? found : undefined
    this.#settled = { share }
    if (share === undefined) {
      runtime.log.error({ epoch, attempt }, 'this member has no share of a key in the chain')
      return true
    }
    runtime.log.info({ epoch, attempt }, 'the key is in the chain')
    this.#save(() => keyStore.settle(epoch, attempt))
    return true
  }

  #step(event: DkgEvent): void {
    if (this.#stopped) return
    this.#performAll(this.#dkg?.step(event) ?? [])
  }

  #performAll(effects: readonly DkgEffect[]): void {
    if (this.#stopped) return
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: DkgEffect): void {
    const { network, runtime, terms } = this.#parts
    switch (effect.kind) {
      case 'send':
        network.send(effect.to, effect.sealed)
        return
      case 'broadcast':
        network.broadcast(effect.sealed)
        return
      case 'persist':
        this.#persist(effect.record)
        return
      case 'blame':
        this.#faults.note(present(terms.members[effect.member], 'blamed member'), effect.fault, {
          in: 'key generation',
          epoch: terms.epoch,
        })
        return
      case 'announce':
        runtime.log.info(
          { epoch: terms.epoch, attempt: effect.announcement.attempt },
          'group key made',
        )
        this.#announcement = effect.announcement
        for (const handler of this.#handlers) handler()
        return
    }
  }

  #persist(record: DkgRecord): void {
    const { keyStore, terms } = this.#parts
    this.#save(async () => {
      await keyStore.save(terms.epoch, record)
      if (record.kind === 'share') this.#shares.set(record.attempt, record.share)
      this.#step({ kind: 'persisted', attempt: record.attempt, record: record.kind })
    })
  }

  /**
   * Writes one after the other; a failed write never leads to a message that relies on it. After `stop`
   * nothing is written: a closed key store has forgotten its key.
   */
  #save(write: () => Promise<void>): void {
    this.#saving = this.#saving
      .then(async () => {
        if (!this.#stopped) await write()
      })
      .catch((error: unknown) => {
        this.#problem = `the key store failed: ${String(error)}`
        this.#parts.runtime.log.error({ error: String(error) }, 'the key store failed')
      })
  }
}

function isShareOf(share: KeyShare, key: KeyEpochAnnouncement): boolean {
  const { commitments } = share.group
  return (
    commitments.length === key.commitments.length &&
    commitments.every((point, k) => equalBytes(point, key.commitments[k] ?? new Uint8Array()))
  )
}
