/**
 * Runs the consensus simulation with some source text replaced, in a process of its own:
 *
 *   node run-mutant.ts '{"edits": […], "validators": 4, "profile": "lan", "seeds": 100}'
 *
 * Prints the first thing that breaks, with its seed, or "survived". The mutant exists in memory only.
 */

import { registerHooks } from 'node:module'
import { argv, env, exit, stdout } from 'node:process'
import type { AdversaryKind } from '../../src/simulator/adversaries/create-adversary.ts'
import type { ProfileName } from '../../src/simulator/latency-profiles.ts'

export interface MutantRun {
  /** Replacements of source text; each must occur. */
  readonly edits: readonly { readonly file: string; readonly from: string; readonly to: string }[]
  readonly validators: number
  readonly profile: ProfileName
  /** Default: any. */
  readonly adversaries?: readonly AdversaryKind[]
  readonly seeds: number
  /** In a world whose validators change. */
  readonly changes?: boolean
}

const mutant = JSON.parse(argv[2] ?? '') as MutantRun
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

const { installNativeBackends } = await import('../../src/runtime/native-backends.ts')
const { simulateConsensus } = await import('../../src/simulator/consensus-simulation.ts')
const { optionsOfSeed } = await import('../../src/simulator/seed-sweep.ts')
installNativeBackends(env)
if (applied.size !== mutant.edits.length) {
  stdout.write('not applied\n')
  exit(1)
}

function firstBreak(): string {
  const { seeds, adversaries, changes } = mutant
  for (let seed = 1; seed <= seeds; seed++) {
    const usual = optionsOfSeed(seed, mutant)
    const options = changes === true ? { ...usual, changes } : usual
    try {
      simulateConsensus(adversaries === undefined ? options : { ...options, adversaries })
    } catch (error) {
      return `broken at seed ${seed}: ${error instanceof Error ? `${error.name}: ${error.message}` : 'unknown'}`
    }
  }
  return 'survived'
}

stdout.write(`${firstBreak()}\n`)
