/**
 * `signing`: key generation and ROAST signing of all members in one process and one thread, so a
 * federation on machines of its own has about the total divided by its members, plus the network.
 */

import { randomBytes } from 'node:crypto'
import type { KeyShare } from '../../federation/signing/frost.ts'
import type { SigningInput } from '../../federation/signing/roast-session.ts'
import { xOnly } from '../../src/chain/peg/key-tweak.ts'
import { present } from '../../src/primitives/assert.ts'
import { utf8 } from '../../src/primitives/bytes.ts'
import { hash32FromBytes } from '../../src/primitives/hashes.ts'
import { signSchnorr, verifySchnorr } from '../../src/primitives/secp256k1.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { type Benchmark, BenchmarkError, type BenchmarkRun } from './benchmark.ts'
import { median, percentile } from './distribution.ts'
import { type Figure, figure, type Section } from './report.ts'
import { watchEventLoop } from './signing-event-loop.ts'
import {
  createFederation,
  createSigners,
  type Federation,
  generateKey,
  type SigningOutcome,
  signingInputs,
} from './signing-federation.ts'

export const signingBenchmark: Benchmark = {
  name: 'signing',
  measures: 'key generation and threshold signing in memory, all members in one thread',
  options: {
    rounds: { fallback: 3, about: 'times each is done' },
    small: { fallback: false, about: 'only 3 of 4, not 11 of 15 and 14 of 20' },
  },
  run: runSigningBenchmark,
}

const systemRandom = (length: number): Uint8Array => new Uint8Array(randomBytes(length))

const INPUT_COUNTS = [1, 20]
/** Members and threshold. */
const SIZES = [
  [4, 3],
  [15, 11],
  [20, 14],
] as const

async function runSigningBenchmark(run: BenchmarkRun): Promise<readonly Section[]> {
  const rounds = run.number('rounds')
  const sizes = run.flag('small') ? SIZES.slice(0, 1) : SIZES
  const sections: Section[] = []
  for (const [members, threshold] of sizes) {
    const federation = createFederation(members, threshold, systemRandom)
    sections.push(await measureFederation(run, federation, rounds))
  }
  return [...sections, referenceSection(rounds)]
}

async function measureFederation(
  run: BenchmarkRun,
  federation: Federation,
  rounds: number,
): Promise<Section> {
  const name = `${federation.threshold} of ${federation.members.length}`
  const generated = Array.from({ length: rounds }, (_, round) => {
    run.signal.throwIfAborted()
    run.progress(`${name}: key generation ${round + 1} of ${rounds}`)
    const startedMs = performance.now()
    return { ...generateKey(federation), tookMs: performance.now() - startedMs }
  })
  const { shares, traffic } = present(generated.at(-1), 'a generated key')
  return {
    title: `Federation of ${name}`,
    about:
      'Milliseconds of computing by all members together, one after another. No network, no disk. ' +
      '"first" is when the first member has every signature, and the L1 transaction leaves; ' +
      '"coordinator" and "signer" are the share of that member and of another. The event loop is the ' +
      "coordinator's, with the others on another thread: the longest step upon a message, in processor time, " +
      'and the longest that anything else had to wait, this machine being as busy as it is.',
    figures: [
      ...medianAndBest(
        'key generation',
        generated.map(({ tookMs }) => tookMs),
      ),
      figure('key generation, messages', traffic.messages),
      figure('key generation, bytes', traffic.bytes, 'bytes'),
      ...INPUT_COUNTS.flatMap((inputs) =>
        measureSigning(run, { federation, shares, inputs, rounds }),
      ),
      ...(await measureEventLoop(run, federation, shares)),
    ],
  }
}

interface SigningPlan {
  readonly federation: Federation
  readonly shares: readonly KeyShare[]
  readonly inputs: number
  readonly rounds: number
}

function measureSigning(run: BenchmarkRun, plan: SigningPlan): readonly Figure[] {
  const { federation, shares, rounds } = plan
  const inputs = signingInputs(federation, shares, plan.inputs)
  const sign = createSigners(federation, shares, () => ({ inputs }))
  const outcomes: SigningOutcome[] = []
  for (let round = 0; round < rounds; round++) {
    run.signal.throwIfAborted()
    run.progress(`signing ${plan.inputs} inputs, ${round + 1} of ${rounds}`)
    const batchId = hash32FromBytes(sha256(utf8(`benchmark batch ${plan.inputs} ${round}`)))
    const outcome = sign({ batchId, version: 0 })
    checkSignatures(inputs, outcome.signatures)
    outcomes.push(outcome)
  }
  const name = `signing ${plan.inputs} inputs`
  const traffic = present(outcomes.at(-1), 'a signing').traffic
  return [
    ...medianAndBest(
      `${name}, first`,
      outcomes.map(({ firstMs }) => firstMs),
    ),
    ...medianAndBest(
      `${name}, all`,
      outcomes.map(({ allMs }) => allMs),
    ),
    figure(`${name}, coordinator`, median(outcomes.map((o) => o.coordinatorMs)) ?? null, 'ms'),
    figure(`${name}, signer`, median(outcomes.map((o) => o.signerMs)) ?? null, 'ms'),
    figure(`${name}, messages`, traffic.messages),
    figure(`${name}, bytes`, traffic.bytes, 'bytes'),
  ]
}

async function measureEventLoop(
  run: BenchmarkRun,
  federation: Federation,
  shares: readonly KeyShare[],
): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const place of ['here', 'thread'] as const) {
    run.progress(`event loop, arithmetic ${place === 'here' ? 'on it' : 'on a thread'}`)
    const inputs = signingInputs(federation, shares, 20)
    const { longestWaitMs, longestStepMs } = await watchEventLoop({
      federation,
      shares,
      inputs,
      place,
    })
    const where = place === 'here' ? 'arithmetic on it' : 'arithmetic on a thread'
    figures.push(
      figure(`event loop, 20 inputs, ${where}: longest step`, longestStepMs, 'ms'),
      figure(`event loop, 20 inputs, ${where}: longest wait`, longestWaitMs, 'ms'),
    )
  }
  return figures
}

function checkSignatures(inputs: readonly SigningInput[], signatures: readonly Uint8Array[]): void {
  for (const [index, { sighash, tweak }] of inputs.entries()) {
    const signature = signatures[index] ?? new Uint8Array()
    if (!verifySchnorr(signature, sighash, xOnly(tweak.point))) {
      throw new BenchmarkError(`the signature of input ${index} does not verify`)
    }
  }
}

const REFERENCE_SIGNATURES = 20

/** What one key alone costs with the same code. */
function referenceSection(rounds: number): Section {
  const secret = sha256(utf8('benchmark single signer'))
  const samples = Array.from({ length: rounds }, (_, round) => {
    const startedMs = performance.now()
    for (let index = 0; index < REFERENCE_SIGNATURES; index++) {
      signSchnorr(sha256(utf8(`${round}/${index}`)), secret, new Uint8Array(32))
    }
    return (performance.now() - startedMs) / REFERENCE_SIGNATURES
  })
  return {
    title: 'Reference',
    about: 'One signer with one key, the arithmetic that also signs every message between members.',
    figures: medianAndBest('BIP340 signature', samples),
  }
}

function medianAndBest(name: string, samples: readonly number[]): readonly Figure[] {
  return [
    figure(`${name}, median`, median(samples) ?? null, 'ms'),
    figure(`${name}, best`, percentile(samples, 0) ?? null, 'ms'),
  ]
}
