/**
 * Runs the consensus simulation with one source text replaced, in a process of its own:
 *
 *   node run-mutant.ts '{"file": …, "from": …, "to": …, "validators": …, "seeds": …}'
 *
 * Prints the first violation, or "survived". The mutant exists in memory only.
 */

import { registerHooks } from 'node:module'
import { argv, exit, stdout } from 'node:process'

export interface Mutant {
  /** Replacements of source text; each must occur. */
  readonly edits: readonly { readonly file: string; readonly from: string; readonly to: string }[]
  readonly validators: number
  readonly seeds: number
}

const mutant = JSON.parse(argv[2] ?? '') as Mutant
const applied = new Set<string>()

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    const edits = mutant.edits.filter(({ file }) => url.endsWith(`/src/${file}`))
    if (edits.length === 0) return loaded
    let source = new TextDecoder().decode(loaded.source as Uint8Array)
    for (const { file, from, to } of edits) {
      if (source.includes(from)) applied.add(`${file}:${from}`)
      source = source.replaceAll(from, to)
    }
    return { ...loaded, source }
  },
})

const { simulateConsensus } = await import('../../src/simulator/consensus-simulation.ts')
if (applied.size !== mutant.edits.length) {
  stdout.write('not applied\n')
  exit(1)
}

function firstViolation(): string {
  for (let seed = 1; seed <= mutant.seeds; seed++) {
    try {
      const { validators } = mutant
      simulateConsensus({ seed, validators, faultyMs: 8_000, transactions: 40 })
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : 'unknown'
    }
  }
  return 'survived'
}

stdout.write(`${firstViolation()}\n`)
