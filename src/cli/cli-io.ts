/**
 * The terminal, the environment and the clock, as the commands see them. Results go to standard
 * output; progress, questions and errors go to standard error. Questions are asked only where
 * standard input is a terminal.
 */

import { homedir } from 'node:os'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import type { Clock, Random, Timers } from '../runtime/runtime.ts'
import { createSystemRuntime } from '../runtime/system-runtime.ts'
import { InterruptedError, usageError } from './cli-error.ts'

export interface CliIo {
  readonly env: Readonly<Record<string, string | undefined>>
  /** The user's home directory. */
  readonly userHome: string
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly stdinIsTerminal: boolean
  readonly stdoutIsTerminal: boolean
  readonly stderrIsTerminal: boolean
  /** Aborted, with an `InterruptedError`, by Ctrl-C or SIGTERM. */
  readonly interrupted: AbortSignal
  /** Standard output; the text brings its own line ends. */
  out(text: string): void
  /** Standard error. */
  err(text: string): void
  /** One line from the terminal; a secret is not echoed. @throws InterruptedError */
  ask(question: string, options?: { readonly secret?: boolean }): Promise<string>
  /** All of standard input. @throws CliError beyond `maxBytes`. */
  readInput(maxBytes: number): Promise<string>
}

/** The process's own. The first signal asks to stop, the second one kills. */
export function createSystemIo(): CliIo {
  const { clock, timers, random } = createSystemRuntime({ logLevel: 'silent' })
  const controller = new AbortController()
  const interrupt = (): void => controller.abort(new InterruptedError('interrupted'))
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever reads has seen enough (`| head`): there is nobody left to tell, and nothing went wrong.
    if (error.code === 'EPIPE') process.exit()
    throw error
  })
  return {
    env: process.env,
    userHome: homedir(),
    clock,
    timers,
    random,
    stdinIsTerminal: process.stdin.isTTY,
    stdoutIsTerminal: process.stdout.isTTY,
    stderrIsTerminal: process.stderr.isTTY,
    interrupted: controller.signal,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    ask: (question, options) => askTerminal(question, options?.secret === true, controller.signal),
    readInput,
  }
}

async function askTerminal(
  question: string,
  secret: boolean,
  interrupted: AbortSignal,
): Promise<string> {
  const sink = new Writable({
    write(chunk: Uint8Array, _encoding, done) {
      if (!secret) process.stderr.write(chunk)
      done()
    },
  })
  // From here on the terminal does not echo by itself: only then may the question appear.
  const lines = createInterface({ input: process.stdin, output: sink, terminal: true })
  process.stderr.write(question)
  const stop = new AbortController()
  lines.on('SIGINT', () => stop.abort())
  lines.on('close', () => stop.abort())
  try {
    return await lines.question('', { signal: AbortSignal.any([stop.signal, interrupted]) })
  } catch (cause) {
    throw new InterruptedError('no answer', { cause })
  } finally {
    lines.close()
    if (secret) process.stderr.write('\n')
  }
}

async function readInput(maxBytes: number): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let length = 0
  for await (const chunk of process.stdin) {
    if (!(chunk instanceof Uint8Array)) continue
    length += chunk.length
    if (length > maxBytes) throw usageError(`more than ${maxBytes} bytes on standard input`)
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}
