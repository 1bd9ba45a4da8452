/**
 * `block`: what a validator pays for a full block of transactions that it has never seen, in one
 * process, without network, disk or mempool. Every round decodes the block anew, so that no hash is
 * remembered from the round before.
 */

import { type Block, decodeBlock, encodeBlock } from '../../src/chain/block.ts'
import { checkBinding, connectBlock } from '../../src/chain/connect-block.ts'
import { NO_SCRIPT_CACHE, type ScriptCache } from '../../src/chain/connect-transaction.ts'
import { updateStateTrie } from '../../src/chain/state-trie.ts'
import { type Benchmark, BenchmarkError, type BenchmarkRun } from './benchmark.ts'
import { median, percentile } from './distribution.ts'
import { createFullBlock, type FullBlock } from './full-block.ts'
import { timeChecks } from './references.ts'
import { type Figure, figure, type Section } from './report.ts'

export const blockBenchmark: Benchmark = {
  name: 'block',
  measures: 'validation of a full block of one-input two-output P2TR spends, caches cold',
  options: {
    rounds: { fallback: 10, about: 'times the block is validated; two more warm up' },
    coins: { fallback: 100_000, about: 'coins in the state before the block' },
    transactions: { fallback: 100_000, about: 'at most so many; else as many as fit' },
  },
  run: runBlockBenchmark,
}

const WARM_UP_ROUNDS = 2

/** Every script counts as checked: what is left is everything but the signatures. */
const ALL_CHECKED: ScriptCache = { has: () => true, add: () => undefined }

const PHASES = ['decode', 'binding', 'connect', 'connectWarm', 'trie', 'signatures'] as const
type Phase = (typeof PHASES)[number]
/** Milliseconds of each phase. */
type Round = Readonly<Record<Phase, number>>

async function runBlockBenchmark(run: BenchmarkRun): Promise<readonly Section[]> {
  run.progress('making the block')
  const full = createFullBlock({
    coins: run.number('coins'),
    transactions: run.number('transactions'),
  })
  const bytes = encodeBlock(full.block)
  const rounds: Round[] = []
  for (let index = 0; index < WARM_UP_ROUNDS + run.number('rounds'); index++) {
    run.signal.throwIfAborted()
    const round = validateOnce(full, bytes)
    run.progress(`round ${index + 1}: connect ${round.connect.toFixed(1)} ms`)
    if (index >= WARM_UP_ROUNDS) rounds.push(round)
  }
  return [
    validationSection(full, rounds),
    {
      title: 'Reference',
      about: 'The signatures of the same block, checked alone in the same rounds.',
      figures: perInput(
        'signature check',
        rounds,
        full.records.length,
        ({ signatures }) => signatures,
      ),
    },
    {
      title: 'The block',
      about: 'Certificate and L1 section are not part of it.',
      figures: [
        figure('inputs', full.records.length),
        figure('block', bytes.length, 'bytes'),
        figure('coins in the state', Math.max(run.number('coins'), full.records.length)),
      ],
    },
  ]
}

function validationSection(full: FullBlock, rounds: readonly Round[]): Section {
  const inputs = full.records.length
  const cold = (round: Round): number => round.decode + round.binding + round.connect
  const warm = (round: Round): number => round.decode + round.binding + round.connectWarm
  const ratio = median(rounds.map((round) => cold(round) / round.signatures))
  return {
    title: 'Validation',
    about:
      'Microseconds per input, median and best round. "cold": every signature is checked. "warm": all ' +
      'scripts were checked before, as when the transactions waited in the mempool.',
    figures: [
      ...perInput('cold, all', rounds, inputs, cold),
      ...perInput('warm, all', rounds, inputs, warm),
      ...perInput('decode', rounds, inputs, ({ decode }) => decode),
      ...perInput('binding (txids, Merkle roots, coinbase)', rounds, inputs, (r) => r.binding),
      ...perInput('connect, cold', rounds, inputs, (round) => round.connect),
      ...perInput('connect, warm', rounds, inputs, ({ connectWarm }) => connectWarm),
      ...perInput('of which state trie', rounds, inputs, ({ trie }) => trie),
      figure('cold, whole block', median(rounds.map(cold)) ?? null, 'ms'),
      figure('cold, times the signature checks alone', ratio ?? null),
    ],
  }
}

function perInput(
  name: string,
  rounds: readonly Round[],
  inputs: number,
  of: (round: Round) => number,
): readonly Figure[] {
  const samples = rounds.map((round) => (of(round) * 1000) / inputs)
  return [
    figure(`${name}, median`, median(samples) ?? null, 'µs/input'),
    figure(`${name}, best`, percentile(samples, 0) ?? null, 'µs/input'),
  ]
}

function validateOnce(full: FullBlock, bytes: Uint8Array): Round {
  const decoded = timed(() => decodeBlock(bytes))
  const binding = timed(() => checkBinding(decoded.value))
  if (!binding.value.ok) throw new BenchmarkError(`not bound: ${binding.value.error.code}`)
  const cold = timed(() => connect(full, decoded.value, NO_SCRIPT_CACHE))
  const again = decodeBlock(bytes)
  checkBinding(again)
  const warm = timed(() => connect(full, again, ALL_CHECKED))
  const trie = timed(() => updateStateTrie(full.state.trie, cold.value.delta))
  return {
    decode: decoded.tookMs,
    binding: binding.tookMs,
    connect: cold.tookMs,
    connectWarm: warm.tookMs,
    trie: trie.tookMs,
    signatures: timeChecks(full.records),
  }
}

function connect(
  { params, state }: FullBlock,
  block: Block,
  cache: ScriptCache,
): Extract<ReturnType<typeof connectBlock>, { ok: true }>['value'] {
  const connected = connectBlock(params, state, block, cache)
  if (!connected.ok) throw new BenchmarkError(`refused: ${connected.error.code}`)
  return connected.value
}

function timed<T>(work: () => T): { readonly value: T; readonly tookMs: number } {
  const startedMs = performance.now()
  const value = work()
  return { value, tookMs: performance.now() - startedMs }
}
