/** A child process whose output goes to a log file and which ends with its parent, however that ends. */

import { type ChildProcess, spawn } from 'node:child_process'
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
}

const STOP_TIMEOUT_MS = 20_000

export interface ChildOptions {
  readonly name: string
  readonly program: string
  readonly args: readonly string[]
  readonly logFile: string
  /**
   * For a program that does not watch its standard input: a shell between us and it does, and asks it
   * to end when this process has gone.
   */
  readonly watched?: boolean
}

/** Ends with its program, and ends its program when standard input ends or SIGTERM comes. */
const WATCHING_SHELL = `
exec 3<&0
"$0" "$@" </dev/null 3<&- &
program=$!
{ cat <&3; kill "$program"; } >/dev/null 2>&1 &
exec 3<&-
trap 'kill "$program" 2>/dev/null' TERM
while kill -0 "$program" 2>/dev/null; do wait "$program"; code=$?; done
exit "$code"
`

export function startChild(options: ChildOptions): Child {
  const log = openSync(options.logFile, 'a', 0o600)
  const { program, args } = options
  const [command, commandArgs] =
    options.watched === true
      ? ['/bin/sh', ['-c', WATCHING_SHELL, program, ...args]]
      : [program, args]
  const process = spawn(command, commandArgs, {
    // The pipe closes when this process ends in whatever way.
    stdio: ['pipe', log, log],
    // Its own group: Ctrl-C reaches the parent alone, which ends its children in order.
    detached: true,
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
      const timer = setTimeout(() => killGroup(process), STOP_TIMEOUT_MS)
      await exited
      clearTimeout(timer)
    },
    async kill() {
      if (!isRunning(process)) return
      killGroup(process)
      await exited
    },
  }
}

function isRunning(process: ChildProcess): boolean {
  return process.pid !== undefined && process.exitCode === null && process.signalCode === null
}

/** The shell and its program alike. */
function killGroup(child: ChildProcess): void {
  if (child.pid !== undefined && isRunning(child)) process.kill(-child.pid, 'SIGKILL')
}
