/**
 * Runs the consensus simulation, or with `"whole": true` that of whole nodes, with some source text
 * replaced, in a process of its own:
 *
 *   node run-mutant.ts '{"edits": […], "validators": 4, "profile": "lan", "seeds": 100}'
 *
 * Prints the first thing that breaks, with its seed, or "survived". The mutant exists in memory only.
 */

import { registerHooks } from 'node:module'
import { argv, env, exit, stdout } from 'node:process'
import type { AdversaryKind } from '../../src/simulator/adversaries/create-adversary.ts'
import type { ProfileName } from '../../src/simulator/latency-profiles.ts'
import type { NodeAdversaryKind } from '../../src/simulator/whole-node/adversaries/node-adversaries.ts'

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
  /** Whole nodes; files are then named from the project's folder. */
  readonly whole?: boolean
  readonly wholeAdversaries?: readonly NodeAdversaryKind[]
}

const mutant = JSON.parse(argv[2] ?? '') as MutantRun
const applied = new Set<string>()

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    const folder = mutant.whole === true ? '' : 'src/'
    const edits = mutant.edits.filter(({ file }) => url.endsWith(`/${folder}${file}`))
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
const { simulateWholeNodes } = await import('../../src/simulator/whole-node/whole-simulation.ts')
const { wholeOptionsOfSeed } = await import('../../src/simulator/whole-node/whole-sweep.ts')
installNativeBackends(env)
if (applied.size !== mutant.edits.length) {
  stdout.write('not applied\n')
  exit(1)
}

async function runSeed(seed: number): Promise<void> {
  const { adversaries, changes, wholeAdversaries } = mutant
  if (mutant.whole !== true) {
    const usual = optionsOfSeed(seed, mutant)
    const options = changes === true ? { ...usual, changes } : usual
    simulateConsensus(adversaries === undefined ? options : { ...options, adversaries })
    return
  }
  const options = wholeOptionsOfSeed(seed, mutant)
  await simulateWholeNodes(
    wholeAdversaries === undefined
      ? { ...options, ceremony: false }
      : { ...options, ceremony: false, byzantine: 1, adversaries: wholeAdversaries },
  )
}

async function firstBreak(): Promise<string> {
  for (let seed = 1; seed <= mutant.seeds; seed++) {
    try {
      await runSeed(seed)
    } catch (error) {
      return `broken at seed ${seed}: ${error instanceof Error ? `${error.name}: ${error.message}` : 'unknown'}`
    }
  }
  return 'survived'
}

stdout.write(`${await firstBreak()}\n`)
