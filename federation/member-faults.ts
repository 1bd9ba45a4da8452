/**
 * What other members were caught at, for the operator: counted by the member's key and kind, and written to the
 * log so often that it is seen and so seldom that a liar cannot fill the disk. It changes nothing in the
 * protocols; what follows from a fault is decided where it is found. Nor does it make this member
 * unhealthy: a liar must not take others out of service.
 */

import type { XOnlyKey } from '../src/primitives/hashes.ts'
import type { Clock, Logger } from '../src/runtime/runtime.ts'

export interface MemberFault {
  readonly member: XOnlyKey
  /** A fault of key generation or signing, as the protocol names it. */
  readonly kind: string
  readonly count: number
}

export interface MemberFaults {
  /** `detail`: what else the log should say. */
  note(member: XOnlyKey, kind: string, detail?: object): void
  /** In order of member, then kind. */
  list(): readonly MemberFault[]
}

const LINES_PER_MINUTE = 20
const MINUTE_MS = 60_000

interface Entry {
  readonly member: XOnlyKey
  readonly kind: string
  count: number
}

export function createMemberFaults(clock: Clock, log: Logger): MemberFaults {
  const entries = new Map<string, Entry>()
  let minute = Number.NEGATIVE_INFINITY
  let lines = 0

  function mayLog(nowMs: number): boolean {
    if (nowMs - minute >= MINUTE_MS) {
      minute = nowMs
      lines = 0
    }
    lines += 1
    return lines <= LINES_PER_MINUTE
  }

  function list(): readonly Entry[] {
    return [...entries.values()].toSorted(
      (a, b) => a.member.localeCompare(b.member) || a.kind.localeCompare(b.kind),
    )
  }

  return {
    note(member, kind, detail = {}) {
      const nowMs = clock.monotonicMs()
      const name = `${member}/${kind}`
      const entry = entries.get(name) ?? { member, kind, count: 0 }
      entry.count += 1
      entries.set(name, entry)
      if (mayLog(nowMs)) log.warn({ member, fault: kind, ...detail }, 'a member misbehaved')
    },
    list: () => list().map(({ member, kind, count }) => ({ member, kind, count })),
  }
}
