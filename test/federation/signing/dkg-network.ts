/** Members generating a key over a network that loses, repeats and reorders; any of them can crash. */

import { createDkg, type Dkg, type DkgEffect } from '../../../federation/signing/dkg.ts'
import type { KeyShare } from '../../../federation/signing/frost.ts'
import type { KeyEpochAnnouncement } from '../../../src/chain/peg/key-epoch-announcement.ts'
import { CHAIN_ID, hostSigner, memberKeys, pick, seededRandom } from './test-federation.ts'

export interface Faults {
  /** Per cent of messages lost. */
  readonly loss: number
  /** Per cent of messages delivered twice. */
  readonly duplication: number
}

interface Frame {
  readonly to: number
  readonly sealed: Uint8Array
}

interface Disk {
  attempt: number
  readonly shares: KeyShare[]
}

/** Changes or swallows what a member sends to another. */
export type Tamper = (from: number, to: number, sealed: Uint8Array) => Uint8Array | undefined

export class DkgNetwork {
  readonly members: ReturnType<typeof memberKeys>
  readonly disks = new Map<number, Disk>()
  readonly announced = new Map<number, KeyEpochAnnouncement[]>()
  readonly blames: { by: number; member: number; fault: string }[] = []
  tamper: Tamper = (_from, _to, sealed) => sealed
  /** Called before each effect takes place; true crashes the member instead. */
  crashBefore: (member: number, effect: DkgEffect) => boolean = () => false
  readonly #running = new Map<number, Dkg>()
  readonly #random: (length: number) => Uint8Array
  readonly #faults: Faults
  readonly #threshold: number
  readonly #seed: string
  readonly #pool: Frame[] = []
  #lives = 0

  constructor(count: number, threshold: number, seed: string, faults: Faults) {
    this.members = memberKeys(count)
    this.#threshold = threshold
    this.#seed = seed
    this.#random = seededRandom(`network ${seed}`)
    this.#faults = faults
  }

  start(member: number): void {
    const disk = this.disks.get(member)
    const dkg = createDkg(
      {
        chainId: CHAIN_ID,
        epoch: 0,
        members: this.members,
        self: member,
        threshold: this.#threshold,
        ...(disk === undefined ? {} : { resume: { attempt: disk.attempt, shares: disk.shares } }),
      },
      {
        sign: hostSigner(member),
        random: seededRandom(`${this.#seed} member ${member} life ${this.#lives++}`),
      },
    )
    this.#running.set(member, dkg)
    this.#perform(member, dkg, dkg.step({ kind: 'start' }))
  }

  startAll(): void {
    for (const member of this.members.keys()) this.start(member)
  }

  crash(member: number): void {
    this.#running.delete(member)
  }

  isRunning(member: number): boolean {
    return this.#running.has(member)
  }

  phaseOf(member: number): string {
    return this.#running.get(member)?.status().phase ?? 'down'
  }

  waitingFor(member: number): readonly number[] {
    return this.#running.get(member)?.status().waitingFor ?? []
  }

  restartsAt(member: number): ReadonlyMap<number, number> {
    return this.#running.get(member)?.status().restarts ?? new Map()
  }

  /** Delivers everything in flight in random order, then one tick for everybody. */
  round(): void {
    while (this.#pool.length > 0) {
      const at = pick(this.#random, this.#pool.length)
      const [frame] = this.#pool.splice(at, 1)
      const dkg = this.#running.get(frame!.to)
      if (dkg === undefined) continue
      this.#perform(frame!.to, dkg, dkg.step({ kind: 'received', sealed: frame!.sealed }))
    }
    for (const [member, dkg] of this.#running) {
      this.#perform(member, dkg, dkg.step({ kind: 'tick' }))
    }
  }

  /** Rounds until every running member has announced; the number of rounds it took. */
  run(maxRounds: number): number {
    for (let round = 1; round <= maxRounds; round++) {
      this.round()
      const done = [...this.#running.keys()].every((member) => this.phaseOf(member) === 'done')
      if (done && this.#running.size === this.members.length) return round
    }
    return Number.POSITIVE_INFINITY
  }

  inject(to: number, sealed: Uint8Array): void {
    this.#pool.push({ to, sealed })
  }

  #perform(member: number, dkg: Dkg, effects: readonly DkgEffect[]): void {
    for (const effect of effects) {
      if (this.#running.get(member) !== dkg) return
      if (this.crashBefore(member, effect)) {
        this.crash(member)
        return
      }
      this.#act(member, dkg, effect)
    }
  }

  #act(member: number, dkg: Dkg, effect: DkgEffect): void {
    switch (effect.kind) {
      case 'send':
        this.#post(member, effect.to, effect.sealed)
        return
      case 'broadcast':
        for (const to of this.members.keys()) {
          if (to !== member) this.#post(member, to, effect.sealed)
        }
        return
      case 'persist': {
        const { record } = effect
        const disk = this.disks.get(member) ?? { attempt: 0, shares: [] }
        this.disks.set(member, disk)
        disk.attempt = Math.max(disk.attempt, record.attempt)
        if (record.kind === 'share') disk.shares.push(record.share)
        const { attempt, kind } = record
        this.#perform(member, dkg, dkg.step({ kind: 'persisted', attempt, record: kind }))
        return
      }
      case 'blame':
        this.blames.push({ by: member, member: effect.member, fault: effect.fault })
        return
      case 'announce':
        this.announced.set(member, [...(this.announced.get(member) ?? []), effect.announcement])
    }
  }

  #post(from: number, to: number, sealed: Uint8Array): void {
    const tampered = this.tamper(from, to, sealed)
    if (tampered === undefined || pick(this.#random, 100) < this.#faults.loss) return
    this.#pool.push({ to, sealed: tampered })
    if (pick(this.#random, 100) < this.#faults.duplication)
      this.#pool.push({ to, sealed: tampered })
  }
}
