/**
 * Results and progress. With `--json` standard output gets exactly one JSON document; else text
 * for people, coloured only on a terminal that wants it (NO_COLOR, FORCE_COLOR, TERM=dumb).
 */

import { styleText } from 'node:util'
import { formatBtc } from '../primitives/units.ts'
import type { CliError } from './cli-error.ts'
import type { CliIo } from './cli-io.ts'

export type Style = 'bold' | 'dim' | 'green' | 'red' | 'yellow'

export class Output {
  readonly json: boolean
  readonly #io: CliIo
  readonly #quiet: boolean

  constructor(io: CliIo, options: { readonly json: boolean; readonly quiet: boolean }) {
    this.#io = io
    this.json = options.json
    this.#quiet = options.quiet
  }

  /** The result of the command, once. Amounts (bigint) become JSON integers. */
  result(data: object, human: () => string): void {
    this.#io.out(this.json ? `${toJson(data)}\n` : `${human().trimEnd()}\n`)
  }

  /** A line about what goes on, for standard error. */
  progress(text: string): void {
    if (!this.#quiet) this.#io.err(`${text}\n`)
  }

  /** A heading, a name … on standard output. */
  paint(style: Style, text: string): string {
    return wantsColour(this.#io) ? styleText(style, text, { validateStream: false }) : text
  }
}

/** Prints an error: what and its code, next step. As JSON it is the command's one document. */
export function reportError(io: CliIo, error: CliError, json: boolean): void {
  if (json) {
    const { code, message, hint } = error
    io.out(`${toJson({ error: { code, message, hint: hint ?? null } })}\n`)
    return
  }
  io.err(`causeway: ${error.message} (${error.code})\n`)
  if (error.hint !== undefined) io.err(`  ${error.hint}\n`)
}

function toJson(data: object): string {
  return JSON.stringify(
    data,
    // Amounts stay below 2^53: 21 million bitcoin are 2.1e15 satoshis.
    (_key, value: unknown) => (typeof value === 'bigint' ? Number(value) : value),
    2,
  )
}

function wantsColour(io: CliIo): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = io.env
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '' && FORCE_COLOR !== '0') return true
  return io.stdoutIsTerminal && TERM !== 'dumb'
}

/** "1.50000000 BTC". */
export function btc(amount: bigint | number): string {
  return `${formatBtc(BigInt(amount))} BTC`
}

/** Label and value lines, the values in one column. Undefined values are left out. */
export function fields(rows: readonly (readonly [string, string | undefined])[]): string {
  const present = rows.flatMap(([label, value]) =>
    value === undefined ? [] : [[label, value] as const],
  )
  const width = Math.max(0, ...present.map(([label]) => label.length))
  return present.map(([label, value]) => `${label.padEnd(width)}  ${value}`).join('\n')
}

/** A table with a header line. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows]
  const widths = header.map((_, column) =>
    Math.max(...lines.map((cells) => (cells[column] ?? '').length)),
  )
  return lines
    .map((cells) =>
      widths
        .map((width, i) => (cells[i] ?? '').padEnd(width))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Seconds since the Unix epoch as UTC, to the second. */
export function utcTime(seconds: number): string {
  return `${new Date(seconds * 1_000).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** "90 s", "12 min", "3.5 h": for expected times. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`
  return `${Math.round(seconds / 360) / 10} h`
}
