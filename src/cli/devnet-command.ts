/** `causeway devnet`: to be replaced by the devnet's own command. */

import type { Command } from 'commander'
import type { CliIo } from './cli-io.ts'

export function addDevnetCommand(_program: Command, _io: CliIo): void {}
