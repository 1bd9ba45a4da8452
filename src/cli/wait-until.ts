/** Waiting for a state of the chain: asks, reports every change, gives up in time. */

import { CliError } from './cli-error.ts'
import type { CommandContext } from './command-context.ts'
import { EXIT } from './exit-codes.ts'

/** Between two questions to the node. Blocks take well under a second; L1 takes minutes. */
const POLL_INTERVAL_MS = 1_000

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
  for (;;) {
    const state = await options.ask()
    const line = options.describe(state)
    if (line !== shown) context.output.progress(line)
    shown = line
    if (options.isDone(state)) return state
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
