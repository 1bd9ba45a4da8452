/** How long validators take to answer while something else is measured: what holds up their event loops. */

import { setTimeout as delay } from 'node:timers/promises'
import { answerTimeMs } from './node-requests.ts'

export interface NodeProbe {
  /** Milliseconds of each answer. */
  stop(): Promise<readonly number[]>
}

const PROBE_EVERY_MS = 50

/** Asks one validator after the other. */
export function startProbe(apiUrls: readonly string[], signal: AbortSignal): NodeProbe {
  const samples: number[] = []
  const stopped = new AbortController()
  const probe = async (): Promise<void> => {
    for (let turn = 0; !stopped.signal.aborted && !signal.aborted; turn++) {
      const url = apiUrls[turn % apiUrls.length] ?? ''
      const tookMs = await answerTimeMs(url, signal).catch(() => undefined)
      if (tookMs !== undefined) samples.push(tookMs)
      await delay(PROBE_EVERY_MS)
    }
  }
  const running = probe()
  return {
    async stop() {
      stopped.abort()
      await running
      return samples
    },
  }
}
