/** The executable behind `scripts/causeway`: runs the program on the real terminal. */

import { runCli } from '../src/cli/main.ts'

process.exitCode = await runCli(process.argv.slice(2))
