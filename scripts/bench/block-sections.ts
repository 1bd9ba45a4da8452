/** What `block` tells: the two programs beside each other, and where this one's time goes. */

import { secp256k1Backend } from '../../src/primitives/secp256k1.ts'
import type { ConnectedByBitcoind } from './bitcoind-run.ts'
import type { ConnectedByCauseway } from './causeway-run.ts'
import { median, percentile } from './distribution.ts'
import { type Cell, type Figure, figure, type Section } from './report.ts'

/** Blocks that both programs connected under the same conditions. */
export interface Contested {
  readonly ours: ConnectedByCauseway[]
  /** None without bitcoind. */
  readonly theirs: ConnectedByBitcoind[]
}

export interface Samples {
  /** Of a block. */
  readonly inputs: number
  readonly cores: number
  /** Its version; undefined without one. */
  readonly bitcoind: string | undefined
  readonly allCores: Contested
  readonly oneCore: Contested
  readonly warm: Contested
}

const COLUMNS = ['', 'median, ms', 'best, ms', 'median, µs/input', 'ratio to Connect block']

/** From bytes to the new state in memory: what has to be done before a vote, and after a decision. */
function memoryMs(block: ConnectedByCauseway): number {
  return block.decodeMs + block.bindingMs + block.connectMs + block.applyMs
}

export function blockSections(samples: Samples): readonly Section[] {
  const { cores, allCores, oneCore, warm } = samples
  const reference =
    samples.bitcoind === undefined
      ? 'There is no bitcoind here to compare with.'
      : `Beside ${samples.bitcoind}, the same transactions, coins in memory on both sides.`
  return [
    contest(`Cold, ${cores} cores (-par=${cores})`, reference, samples, allCores),
    contest(
      'Cold, one core (-par=1)',
      'No other threads for scripts on either side.',
      samples,
      oneCore,
    ),
    contest(
      'Warm',
      'Every transaction was checked before: in bitcoind by its mempool, here by the script cache.',
      samples,
      warm,
    ),
    {
      title: 'Where the time goes',
      about: 'Causeway on one core, median of all blocks; microseconds per input.',
      figures: parts(samples),
    },
    {
      title: 'The blocks',
      about: 'Every block spends the one before.',
      figures: [
        figure('inputs of a block', samples.inputs),
        figure('blocks measured', allCores.ours.length),
        figure('signatures checked by', secp256k1Backend().name),
      ],
    },
  ]
}

function contest(title: string, about: string, samples: Samples, contested: Contested): Section {
  const { inputs } = samples
  const { ours, theirs } = contested
  const reference = median(theirs.map(({ connectMs }) => connectMs))
  const row = (name: string, times: readonly number[]): readonly Cell[] => {
    const middle = median(times)
    return [
      name,
      middle ?? null,
      percentile(times, 0) ?? null,
      middle === undefined ? null : (middle * 1000) / inputs,
      middle === undefined || reference === undefined ? null : middle / reference,
    ]
  }
  const bitcoind =
    theirs.length === 0
      ? []
      : [
          row(
            'bitcoind: Connect block',
            theirs.map(({ connectMs }) => connectMs),
          ),
          row(
            'bitcoind: Verify',
            theirs.map(({ verifyMs }) => verifyMs),
          ),
          row(
            'bitcoind: whole submitblock',
            theirs.map(({ submitMs }) => submitMs),
          ),
        ]
  const rows = [
    ...bitcoind,
    row(
      'Causeway: rules, scripts, state root',
      ours.map(({ connectMs }) => connectMs),
    ),
    row('Causeway: bytes to new state in memory', ours.map(memoryMs)),
    row(
      'Causeway: the same and on disk',
      ours.map((block) => memoryMs(block) + block.diskMs),
    ),
  ]
  return { title, about, figures: ratios(contested), table: { columns: COLUMNS, rows } }
}

function ratios({ ours, theirs }: Contested): readonly Figure[] {
  if (theirs.length === 0) return []
  const whole = median(ours.map(memoryMs)) ?? 0
  const connect = median(theirs.map(({ connectMs }) => connectMs)) ?? 0
  const submit = median(theirs.map(({ submitMs }) => submitMs)) ?? 0
  const onDisk = median(ours.map((block) => memoryMs(block) + block.diskMs)) ?? 0
  return [
    figure('bytes to new state, times Connect block', whole / connect),
    figure('bytes to new state and disk, times submitblock', onDisk / submit),
  ]
}

function parts({ inputs, oneCore, warm }: Samples): readonly Figure[] {
  const each = (name: string, blocks: readonly ConnectedByCauseway[], of: Part): Figure => {
    const middle = median(blocks.map(of))
    return figure(name, middle === undefined ? null : (middle * 1000) / inputs, 'µs/input')
  }
  const warmConnect = median(warm.ours.map(({ connectMs }) => connectMs)) ?? 0
  return [
    each('decode', oneCore.ours, (block) => block.decodeMs),
    each('binding: ids, Merkle roots, coinbase', oneCore.ours, (block) => block.bindingMs),
    each('scripts: signature hashes and checks', oneCore.ours, (b) => b.connectMs - warmConnect),
    each('state trie', warm.ours, (block) => block.trieMs),
    each('other rules and undo data', warm.ours, (block) => block.connectMs - block.trieMs),
    each('into memory', oneCore.ours, (block) => block.applyMs),
    each('LevelDB batch with all indexes', oneCore.ours, (block) => block.diskMs),
  ]
}

type Part = (block: ConnectedByCauseway) => number
