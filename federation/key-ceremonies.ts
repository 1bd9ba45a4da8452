/**
 * All group keys of this member: one ceremony for every key epoch that it belongs to. Those in the chain
 * give their shares, for as long as anything is left to sign; and while the chain asks for a new key,
 * one more makes it beside them. What the chain asks for may change before it is done: then the
 * ceremony is given up for the next. A key generation that fails leaves everything as it was.
 */

import type { ChainParams } from '../src/chain/params.ts'
import type { KeyEpochAnnouncement } from '../src/chain/peg/key-epoch-announcement.ts'
import { findKeyEpoch } from '../src/chain/peg/key-epochs.ts'
import type { StateView } from '../src/chain/state.ts'
import { DecodeError } from '../src/primitives/codec.ts'
import type { XOnlyKey } from '../src/primitives/hashes.ts'
import type { Runtime } from '../src/runtime/runtime.ts'
import { createKeyCeremony, type KeyCeremony } from './key-ceremony.ts'
import { isKeyNeeded } from './key-remains.ts'
import { announcedKeyTerms, type KeyTerms, wantedKeyTerms } from './key-terms.ts'
import type { MemberFaults } from './member-faults.ts'
import { type MemberNetwork, networkOfEpoch } from './member-network.ts'
import { countRestarts, type DkgStatus, JOINS_AT_ONCE } from './signing/dkg.ts'
import { decodeEnvelope } from './signing/envelope.ts'
import type { KeyShare } from './signing/frost.ts'
import type { KeyStore } from './signing/key-store.ts'
import type { SigningWork } from './signing/work-jobs.ts'

export interface KeyCeremoniesParts {
  readonly params: ChainParams
  /** This member's validator key; it may be in no set yet, or in none any more. */
  readonly publicKey: XOnlyKey
  /** BIP340 by the validator key. */
  readonly sign: (digest: Uint8Array) => Uint8Array
  readonly network: MemberNetwork
  readonly runtime: Runtime
  readonly keyStore: KeyStore
  readonly view: () => StateView
  /** Where the arithmetic is done; without, here. */
  readonly work?: SigningWork
  /** Without, they are counted for the log only. */
  readonly faults?: MemberFaults
}

/** A share, and the members that sign with it. */
export interface EpochShare {
  readonly share: KeyShare
  readonly terms: KeyTerms
}

export interface CeremonyProgress extends DkgStatus {
  readonly terms: KeyTerms
}

export interface KeyCeremonies {
  /** Resolves when the shares of the keys in the chain are read. @throws KeyStoreError */
  start(): Promise<void>
  /** About once a second. */
  tick(): void
  receive(sealed: Uint8Array): void
  /** A finished key that the chain does not know yet. */
  announcement(): KeyEpochAnnouncement | undefined
  /** This member's shares of the keys in the chain, oldest epoch first. */
  shares(): readonly EpochShare[]
  /** Of the key generations under way with this member. */
  progress(): readonly CeremonyProgress[]
  /** What an operator must know or do. */
  problems(): readonly string[]
  onFinished(handler: () => void): void
  /** Resolves when nothing is being written; nothing more will be. */
  stop(): Promise<void>
}

export function createKeyCeremonies(parts: KeyCeremoniesParts): KeyCeremonies {
  return new Ceremonies(parts)
}

/** A key generation takes seconds; one that waits this long waits for somebody. */
const WAITING_MS = 60_000

class Ceremonies implements KeyCeremonies {
  readonly #parts: KeyCeremoniesParts
  readonly #handlers: (() => void)[] = []
  /** By epoch. */
  readonly #ceremonies = new Map<number, KeyCeremony>()
  /** Since when each key is being made (monotonic ms), by epoch. */
  readonly #making = new Map<number, number>()
  /** Ceremonies that have been given up and may still be writing. */
  #leaving: Promise<void> = Promise.resolve()
  #failure: string | undefined
  #stopped = false

  constructor(parts: KeyCeremoniesParts) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    await Promise.all(this.#follow())
  }

  tick(): void {
    if (this.#stopped) return
    for (const starting of this.#follow()) {
      starting.catch((error: unknown) => {
        this.#failure = `the key store failed: ${String(error)}`
        this.#parts.runtime.log.error({ error: String(error) }, 'a key ceremony cannot begin')
      })
    }
    for (const ceremony of this.#ceremonies.values()) ceremony.tick()
  }

  receive(sealed: Uint8Array): void {
    try {
      this.#ceremonies.get(decodeEnvelope(sealed).epoch)?.receive(sealed)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }

  announcement(): KeyEpochAnnouncement | undefined {
    for (const ceremony of this.#ceremonies.values()) {
      const announcement = ceremony.announcement()
      if (announcement !== undefined) return announcement
    }
    return undefined
  }

  shares(): readonly EpochShare[] {
    return [...this.#ceremonies.values()]
      .flatMap((ceremony) => {
        const share = ceremony.share()
        return share === undefined ? [] : [{ share, terms: ceremony.terms }]
      })
      .toSorted((a, b) => a.terms.epoch - b.terms.epoch)
  }

  progress(): readonly CeremonyProgress[] {
    return [...this.#ceremonies.values()].flatMap((ceremony) => {
      const status = ceremony.progress()
      return status === undefined ? [] : [{ ...status, terms: ceremony.terms }]
    })
  }

  problems(): readonly string[] {
    const problems = this.#failure === undefined ? [] : [this.#failure]
    const view = this.#parts.view()
    for (const [epoch, ceremony] of this.#ceremonies) {
      const problem = ceremony.problem()
      if (problem !== undefined) problems.push(problem)
      if (!ceremony.isShareMissing() || !isKeyNeeded(view, epoch)) continue
      problems.push(
        `this member has no share of the key of epoch ${epoch}, and cannot sign for it; ` +
          'restore keys/shares and keys/share.key from a backup, then restart',
      )
    }
    return [...problems, ...this.#waits(), ...this.#restarts()]
  }

  onFinished(handler: () => void): void {
    this.#handlers.push(handler)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all([...this.#ceremonies.values()].map((ceremony) => ceremony.stop()))
    await this.#leaving
  }

  #waits(): readonly string[] {
    const nowMs = this.#parts.runtime.clock.monotonicMs()
    return this.progress()
      .filter(({ terms }) => nowMs - (this.#making.get(terms.epoch) ?? nowMs) >= WAITING_MS)
      .map(({ terms, attempt, phase, waitingFor }) => {
        const keys = waitingFor.map((member) => terms.members[member] ?? '').join(', ')
        return (
          `the key generation of epoch ${terms.epoch} (attempt ${attempt}, ${phase}) waits` +
          (keys === '' ? '' : ` for ${keys}`)
        )
      })
  }

  /** Honest members do that a few times; one that does not stop keeps the key from being made. */
  #restarts(): readonly string[] {
    return this.progress()
      .filter(({ restarts }) => countRestarts(restarts) > JOINS_AT_ONCE)
      .map(({ terms, restarts }) => {
        const parts = [...restarts]
          .toSorted(([, a], [, b]) => b - a)
          .map(([member, count]) => `${count} times by ${terms.members[member] ?? ''}`)
        return `the key generation of epoch ${terms.epoch} was begun anew ${parts.join(', ')}`
      })
  }

  /** Lets the ceremonies be those that the chain asks for. */
  #follow(): readonly Promise<void>[] {
    const state = this.#parts.view()
    const wanted = wantedKeyTerms(state)
    this.#leaveOthers(state, wanted)
    const missing = [...announcedKeyTerms(state), ...wanted].filter(
      ({ epoch }) => !this.#ceremonies.has(epoch),
    )
    const nowMs = this.#parts.runtime.clock.monotonicMs()
    for (const { epoch } of wanted) {
      if (!this.#making.has(epoch)) this.#making.set(epoch, nowMs)
    }
    return missing.flatMap((terms) => this.#open(terms))
  }

  /** Gives up a key that the chain does not ask for any more. */
  #leaveOthers(state: StateView, wanted: readonly KeyTerms[]): void {
    for (const [epoch, ceremony] of this.#ceremonies) {
      if (findKeyEpoch(state, epoch) !== undefined) continue
      if (wanted.some((terms) => terms.epoch === epoch)) continue
      this.#parts.runtime.log.warn({ epoch }, 'a key generation is given up: it is not wanted')
      this.#ceremonies.delete(epoch)
      const left = ceremony.stop()
      this.#leaving = this.#leaving.then(() => left)
    }
  }

  /** Nothing is begun for a key of other members. */
  #open(terms: KeyTerms): readonly Promise<void>[] {
    const { params, publicKey, sign, network, runtime, keyStore, view, work, faults } = this.#parts
    const self = terms.members.indexOf(publicKey)
    if (self === -1) return []
    const ceremony = createKeyCeremony({
      params,
      terms,
      self,
      sign,
      network: networkOfEpoch(network, terms.members, self),
      runtime,
      keyStore,
      announced: () => findKeyEpoch(view(), terms.epoch),
      ...(work === undefined ? {} : { work }),
      ...(faults === undefined ? {} : { faults }),
    })
    this.#ceremonies.set(terms.epoch, ceremony)
    ceremony.onFinished(() => {
      for (const handler of this.#handlers) handler()
    })
    return [ceremony.start()]
  }
}
