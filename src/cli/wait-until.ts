/** Waiting for a state of the chain: asks, reports every change, gives up in time. */

import { SourceError, type SourceFailure } from '../wallet/chain-source.ts'
import { CliError } from './cli-error.ts'
import type { CommandContext } from './command-context.ts'
import { EXIT } from './exit-codes.ts'

/** Between two questions to the node. Blocks take well under a second; L1 takes minutes. */
const POLL_INTERVAL_MS = 1_000
const AWAY: ReadonlySet<SourceFailure> = new Set(['unreachable', 'timeout'])

export interface WaitOptions<T> {
  readonly ask: () => Promise<T>
  readonly isDone: (state: T) => boolean
  /** One line; printed when it differs from the one before. */
  readonly describe: (state: T) => string
  readonly timeoutSeconds: number
}

/** @throws CliError `timed-out`; InterruptedError on Ctrl-C. What is waited for goes on regardless. */
export async function waitUntil<T>(context: CommandContext, options: WaitOptions<T>): Promise<T> {
  const { clock, interrupted } = context.io
  const deadlineMs = clock.monotonicMs() + options.timeoutSeconds * 1_000
  let shown = ''
  let asked = false
  for (;;) {
    const state = await askAgain(options.ask, asked)
    asked = true
    const line =
      state === undefined ? 'the node does not answer; trying again' : options.describe(state.value)
    if (line !== shown) context.output.progress(line)
    shown = line
    if (state !== undefined && options.isDone(state.value)) return state.value
    if (clock.monotonicMs() >= deadlineMs) {
      throw new CliError(
        EXIT.timedOut,
        'timed-out',
        `not done after ${options.timeoutSeconds} s: ${line}`,
        { hint: 'it goes on without you; look again later, or wait longer with --timeout SECONDS' },
      )
    }
    await pause(context, POLL_INTERVAL_MS)
    interrupted.throwIfAborted()
  }
}

/**
 * A node that answered once may be restarted while we wait: undefined then.
 * @throws SourceError when it has never answered.
 */
async function askAgain<T>(
  ask: () => Promise<T>,
  asked: boolean,
): Promise<{ readonly value: T } | undefined> {
  try {
    return { value: await ask() }
  } catch (error) {
    const isAway = error instanceof SourceError && AWAY.has(error.kind)
    if (asked && isAway) return undefined
    throw error
  }
}

function pause(context: CommandContext, delayMs: number): Promise<void> {
  const { timers, interrupted } = context.io
  return new Promise((resolve) => {
    const cancel = timers.after(delayMs, finish)
    function finish(): void {
      interrupted.removeEventListener('abort', finish)
      cancel()
      resolve()
    }
    interrupted.addEventListener('abort', finish)
  })
}
