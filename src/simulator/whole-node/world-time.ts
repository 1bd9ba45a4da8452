/**
 * Virtual time for programs with promises. Production code awaits; nothing that it awaits here is real,
 * so whatever can settle settles in microtasks. Between two events of virtual time the event loop is let
 * round once: `setImmediate` runs only when no microtask is left, those included that microtasks have
 * made. So the order of everything follows from the order of events, and that from the seed.
 *
 * What must not happen inside: real timers, files, sockets, threads, `crypto.scrypt`: their answers come
 * from the event loop and not from the heap of virtual time.
 */

import { VirtualTime } from '../virtual-time.ts'

/** Where wall clocks stand when virtual time begins, ms since 1970. */
export const WORLD_START_MS = 1_800_000_000_000

export class WorldTime extends VirtualTime {
  /** Lets virtual time pass until the condition holds or the time has come; true when it holds. */
  async runWhile(goesOn: () => boolean, untilMs: number): Promise<boolean> {
    await settled()
    while (goesOn()) {
      if (!this.runNext(untilMs)) {
        this.runUntil(untilMs)
        return false
      }
      await settled()
    }
    return true
  }

  async pass(ms: number): Promise<void> {
    await this.runWhile(() => true, this.nowMs + ms)
  }

  /** Resolves after so much virtual time. */
  delay(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve))
  }
}

/** Every promise callback that is due has run, and those that they made due. */
function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
