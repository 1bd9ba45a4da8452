/** A node as a process of its own, of which a test wants to know how it ended and what it said. */

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Child } from '../../src/cli/devnet/child-process.ts'

export interface NodeProcess extends Child {
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
  /** All that it and its predecessors have written. */
  log(): string
}

export interface NodeProcessOptions {
  readonly name: string
  /** What `--home` gets. */
  readonly home: string
  readonly logFile: string
  /** Program and arguments to start it by. */
  readonly launcher?: readonly string[]
}

const run = promisify(execFile)
const PROGRAM = join(import.meta.dirname, '../../scripts/causeway.ts')

export function startNodeProcess(options: NodeProcessOptions): NodeProcess {
  const { name, home, logFile, launcher = [] } = options
  const log = openSync(logFile, 'a', 0o600)
  const start = ['node', 'start', '--home', home, '--stop-with-parent', '--quiet']
  const [program = '', ...args] = [...launcher, process.execPath, PROGRAM, ...start]
  const foreign = Object.entries(process.env).filter(([key]) => !key.startsWith('CAUSEWAY_'))
  const child = spawn(program, args, {
    env: Object.fromEntries(foreign),
    // Ends with this process, however that ends.
    stdio: ['pipe', log, log],
    detached: true,
  })
  closeSync(log)
  const ended = Promise.race([
    once(child, 'exit').then(([code, signal]): number | string => code ?? signal),
    once(child, 'error').then(([error]): string => String(error)),
  ])
  const isRunning = (): boolean =>
    child.pid !== undefined && child.exitCode === null && child.signalCode === null
  return {
    name,
    logFile,
    pid: child.pid,
    ended,
    isRunning,
    log: () => readFileSync(logFile, 'utf8'),
    async stop() {
      if (isRunning()) child.kill('SIGTERM')
      await ended
    },
    async kill() {
      if (isRunning()) child.kill('SIGKILL')
      await ended
    },
  }
}

/** Runs a command of the program in a process of its own. @throws when it does not succeed. */
export async function runCauseway(...args: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [PROGRAM, ...args, '--json', '--quiet'])
  return stdout
}
