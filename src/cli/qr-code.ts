/** QR codes of addresses, drawn with half blocks so that a phone reads them from the terminal. */

import { renderUnicodeCompact } from 'uqr'
import type { CommandContext } from './command-context.ts'

/**
 * The code and a line end, or nothing: by default only on a terminal; `wanted` is --qr or --no-qr.
 */
export function qrBlock(
  context: CommandContext,
  text: string,
  wanted: boolean | undefined,
): string {
  return (wanted ?? context.io.stdoutIsTerminal) ? `${renderUnicodeCompact(text)}\n` : ''
}
