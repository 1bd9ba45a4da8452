/**
 * What a process has opened, to be closed in reverse: when it stops, and when it could not start. One
 * that fails to close does not keep the others open.
 */

export interface OpenResources {
  /** Remembers how to close something that has just been opened. */
  add(close: () => Promise<void>): void
  /** Closes everything, last opened first. @throws AggregateError of what failed. */
  close(): Promise<void>
}

export function createOpenResources(): OpenResources {
  const closers: (() => Promise<void>)[] = []
  return {
    add(close) {
      closers.push(close)
    },
    async close() {
      const failures: unknown[] = []
      for (let close = closers.pop(); close !== undefined; close = closers.pop()) {
        await close().catch((error: unknown) => failures.push(error))
      }
      if (failures.length > 0) throw new AggregateError(failures, 'not everything could be closed')
    },
  }
}
