/** A child process whose output goes to a log file and which ends with its parent's wish. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'

export interface Child {
  readonly name: string
  readonly logFile: string
  readonly pid: number | undefined
  isRunning(): boolean
  /** SIGTERM, then SIGKILL when it does not listen. */
  stop(): Promise<void>
  /** SIGKILL: what a power failure looks like to the others. */
  kill(): Promise<void>
  onExit(handler: (code: number | null) => void): void
}

const STOP_TIMEOUT_MS = 10_000

export interface ChildOptions {
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
  readonly logFile: string
  readonly cwd?: string
}

export function startChild(options: ChildOptions): Child {
  const log = openSync(options.logFile, 'a', 0o600)
  const process = spawn(options.program, options.args, {
    // The pipe closes when this process ends in whatever way; validators then stop by themselves.
    stdio: ['pipe', log, log],
    // Its own group: Ctrl-C reaches the parent alone, which ends its children in order.
    detached: true,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  closeSync(log)
  const exited = new Promise<void>((resolve) => {
    process.once('exit', () => resolve())
    process.once('error', () => resolve())
  })
  return {
    name: options.name,
    logFile: options.logFile,
    pid: process.pid,
    isRunning: () => isRunning(process),
    async stop() {
      if (!isRunning(process)) return
      process.kill('SIGTERM')
      const timer = setTimeout(() => process.kill('SIGKILL'), STOP_TIMEOUT_MS)
      await exited
      clearTimeout(timer)
    },
    async kill() {
      if (!isRunning(process)) return
      process.kill('SIGKILL')
      await exited
    },
    onExit(handler) {
      void once(process, 'exit').then(() => handler(process.exitCode))
    },
  }
}

function isRunning(process: ChildProcess): boolean {
  return process.pid !== undefined && process.exitCode === null && process.signalCode === null
}
