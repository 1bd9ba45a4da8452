/** A terminal for tests: captures what is written, answers questions from a list, and has virtual time. */

import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { InterruptedError } from '../../src/cli/cli-error.ts'
import type { CliIo } from '../../src/cli/cli-io.ts'
import { runCli } from '../../src/cli/main.ts'
import { countingRandom } from '../wallet/test-wallet.ts'

export interface TestTerminal {
  readonly env?: Readonly<Record<string, string>>
  readonly isTerminal?: boolean
  /** Answers to questions, in order. */
  readonly answers?: readonly string[]
  /** Standard input. */
  readonly input?: string
  readonly home?: string
  /** Called with every line of progress. */
  readonly onProgress?: (text: string, interrupt: () => void) => void
}

export interface CliRun {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  readonly questions: readonly string[]
}

export function newHome(): string {
  return mkdtempSync(join(tmpdir(), 'causeway-cli-'))
}

/** Runs one command line in a terminal of its own. */
export async function cli(args: readonly string[], terminal: TestTerminal = {}): Promise<CliRun> {
  const controller = new AbortController()
  const answers = [...(terminal.answers ?? [])]
  const questions: string[] = []
  let stdout = ''
  let stderr = ''
  let nowMs = 1_700_000_000_000
  const isTerminal = terminal.isTerminal ?? false
  const io: CliIo = {
    env: { NO_COLOR: '1', ...terminal.env },
    userHome: terminal.home ?? newHome(),
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    timers: {
      after(delayMs, run) {
        nowMs += delayMs
        const immediate = setImmediate(run)
        return () => clearImmediate(immediate)
      },
    },
    random: countingRandom(),
    stdinIsTerminal: isTerminal,
    stdoutIsTerminal: isTerminal,
    stderrIsTerminal: isTerminal,
    interrupted: controller.signal,
    out: (text) => {
      stdout += text
    },
    err: (text) => {
      stderr += text
      terminal.onProgress?.(text, () => controller.abort(new InterruptedError('interrupted')))
    },
    ask: (question) => {
      questions.push(question)
      const answer = answers.shift()
      return answer === undefined
        ? Promise.reject(new InterruptedError('no answer'))
        : Promise.resolve(answer)
    },
    readInput: () => Promise.resolve(terminal.input ?? ''),
  }
  const exitCode = await runCli(args, io)
  return { exitCode, stdout, stderr, questions }
}

/** The one JSON document of a run with --json. */
export function json(run: CliRun): unknown {
  return JSON.parse(run.stdout)
}
