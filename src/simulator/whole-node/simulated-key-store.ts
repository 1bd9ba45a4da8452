/**
 * The key store's port on a simulated device: what the files would hold, without their encryption. A
 * record is there when its write has been waited for, or, after a crash, perhaps.
 */

import type { DkgRecord } from '../../../federation/signing/dkg.ts'
import type { KeyShare } from '../../../federation/signing/frost.ts'
import { type KeyStore, KeyStoreError } from '../../../federation/signing/key-store.ts'
import { never, type ProcessLife } from './process-life.ts'
import type { StorageDevice } from './storage-device.ts'

interface StoredKeys {
  attempt: number
  readonly shares: Map<number, KeyShare>
}

/** What outlives the process. */
export class KeyFolder {
  readonly #device: StorageDevice
  readonly #epochs = new Map<number, StoredKeys>()
  #underWay: { readonly epoch: number; readonly record: DkgRecord }[] = []

  constructor(device: StorageDevice) {
    this.#device = device
  }

  /** A share that was made before the run. */
  put(epoch: number, share: KeyShare): void {
    this.#write(epoch, { kind: 'share', attempt: share.attempt, share })
  }

  crash(): void {
    const kept = this.#device.random.below(this.#underWay.length + 1)
    for (const { epoch, record } of this.#underWay.slice(0, kept)) this.#write(epoch, record)
    this.#underWay = []
  }

  open(life: ProcessLife): KeyStore {
    return {
      findEpoch: async (epoch) => {
        if (!life.enter()) return never()
        await this.#device.access(life)
        const stored = this.#epochs.get(epoch)
        return stored && { attempt: stored.attempt, shares: [...stored.shares.values()] }
      },
      save: async (epoch, record) => {
        const pending = { epoch, record }
        this.#underWay.push(pending)
        await this.#device.sync(life)
        this.#underWay = this.#underWay.filter((other) => other !== pending)
        this.#write(epoch, record)
      },
      settle: async (epoch, attempt) => {
        await this.#device.sync(life)
        const shares = this.#epochs.get(epoch)?.shares
        if (shares?.has(attempt) !== true) throw new KeyStoreError(`no share of attempt ${attempt}`)
        for (const other of shares.keys()) if (other !== attempt) shares.delete(other)
      },
      destroy: async (epoch) => {
        await this.#device.sync(life)
        this.#epochs.delete(epoch)
      },
      close: async () => undefined,
    }
  }

  #write(epoch: number, record: DkgRecord): void {
    const stored = this.#epochs.get(epoch) ?? { attempt: 0, shares: new Map<number, KeyShare>() }
    this.#epochs.set(epoch, stored)
    stored.attempt = Math.max(stored.attempt, record.attempt)
    if (record.kind === 'share') stored.shares.set(record.attempt, record.share)
  }
}
