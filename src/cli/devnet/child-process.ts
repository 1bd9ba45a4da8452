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
  const child = spawn(command, commandArgs, {
    env: environment(),
    // The pipe closes when this process ends in whatever way.
    stdio: ['pipe', log, log],
    // Its own group: Ctrl-C reaches the parent alone, which ends its children in order.
    detached: true,
  })
  closeSync(log)
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  return {
    name: options.name,
    logFile: options.logFile,
    pid: child.pid,
    isRunning: () => isRunning(child),
    async stop() {
      if (!isRunning(child)) return
      child.kill('SIGTERM')
      const timer = setTimeout(() => killGroup(child), STOP_TIMEOUT_MS)
      await exited
      clearTimeout(timer)
    },
    async kill() {
      if (!isRunning(child)) return
      killGroup(child)
      await exited
    },
  }
}

/** Without the settings of the user's own node, which would be everybody's here. */
function environment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('CAUSEWAY_'))
  return Object.fromEntries(entries)
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

/** The shell and its program alike. */
function killGroup(child: ChildProcess): void {
  if (child.pid !== undefined && isRunning(child)) process.kill(-child.pid, 'SIGKILL')
}
