/** The record of a member change on a simulated device: a small file that is replaced at once. */

import type { ChangeRecord } from '../../../federation/membership-pool.ts'
import { never, type ProcessLife } from './process-life.ts'
import type { StorageDevice } from './storage-device.ts'

/** What outlives the process. */
export class ChangeFile {
  readonly #device: StorageDevice
  #bytes: Uint8Array | undefined

  constructor(device: StorageDevice) {
    this.#device = device
  }

  open(life: ProcessLife): ChangeRecord {
    return {
      read: async () => {
        if (!life.enter()) return never()
        await this.#device.access(life)
        return this.#bytes?.slice()
      },
      write: async (bytes) => {
        await this.#device.sync(life)
        this.#bytes = bytes?.slice()
      },
    }
  }
}
