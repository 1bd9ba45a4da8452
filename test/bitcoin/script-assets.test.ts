/** Bitcoin Core's script_assets_test: spends from the functional test of taproot. */

import { expect, test } from 'vitest'
import { classifyOutput } from '../../src/bitcoin/script.ts'
import { CONSENSUS_FLAGS, ScriptFlag } from '../../src/bitcoin/script-flags.ts'
import {
  decodeTransaction,
  type Transaction,
  type TxOutput,
} from '../../src/bitcoin/transaction.ts'
import { verifyInput } from '../../src/bitcoin/verify-input.ts'
import { hexToBytes } from '../../src/primitives/bytes.ts'
import { ByteReader } from '../../src/primitives/codec.ts'
import { sats } from '../../src/primitives/units.ts'
import { loadVectors, parseFlags, printCounts, withInput } from './vectors.ts'

interface Spend {
  readonly scriptSig: string
  readonly witness: readonly string[]
}

interface Vector {
  readonly tx: string
  readonly prevouts: readonly string[]
  readonly index: number
  readonly flags: string
  readonly comment: string
  readonly success?: Spend
  readonly failure?: Spend
  readonly final?: boolean
}

/** Core's ALL_CONSENSUS_FLAGS, under which a "final" vector must pass. */
const CORE_CONSENSUS = parseFlags(
  'P2SH,DERSIG,NULLDUMMY,CHECKLOCKTIMEVERIFY,CHECKSEQUENCEVERIFY,WITNESS,TAPROOT',
)

function readPrevout(hex: string): TxOutput {
  const reader = new ByteReader(hexToBytes(hex))
  return { value: sats(reader.u64()), script: reader.varBytes(100_000) }
}

function passes(
  transaction: Transaction,
  index: number,
  spend: Spend,
  spent: readonly TxOutput[],
  flags: number,
): boolean {
  const witness = spend.witness.map(hexToBytes)
  const changed = withInput(transaction, index, hexToBytes(spend.scriptSig), witness)
  return verifyInput(changed, index, spent, flags).ok
}

/** Why a spend says nothing about this chain; undefined when it must come out as labelled. */
function notApplicable(vector: Vector, script: Uint8Array, label: string): string | undefined {
  const { kind } = classifyOutput(script)
  if (kind === 'p2pkh' || kind === 'p2sh') return `legacy output (${kind})`
  if (kind === 'unknown') return 'bare script or unknown witness version'
  // Without TAPROOT Core lets anybody spend v1; here the rules always hold.
  const isBefore = !vector.flags.includes('TAPROOT') && kind === 'p2tr'
  if (!isBefore) return undefined
  if (label === 'failure') return 'fails for what held before taproot'
  return vector.final === true ? undefined : 'passes only before taproot'
}

test('every native segwit and taproot spend of script_assets comes out as labelled', () => {
  const vectors = loadVectors('bitcoind/script_assets_test.json') as readonly Vector[]
  const counts = new Map<string, number>()
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1)
  const wrong: string[] = []
  for (const vector of vectors) {
    const { index, comment } = vector
    const transaction = decodeTransaction(hexToBytes(vector.tx))
    const spent = vector.prevouts.map(readPrevout)
    const script = spent[index]?.script ?? new Uint8Array()
    for (const label of ['success', 'failure'] as const) {
      const spend = vector[label]
      if (spend === undefined) continue
      const reason = notApplicable(vector, script, label)
      if (reason !== undefined) {
        count(`not applicable: ${reason}`)
        continue
      }
      count(`${label}: ${classifyOutput(script).kind}`)
      const flags = parseFlags(vector.flags)
      const verdict = passes(transaction, index, spend, spent, flags)
      if (verdict !== (label === 'success')) wrong.push(`${comment} ${label}`)
      const isFinal = label === 'success' && vector.final === true
      if (isFinal && !passes(transaction, index, spend, spent, CORE_CONSENSUS)) {
        wrong.push(`${comment} final`)
      }
      if (label === 'failure' && passes(transaction, index, spend, spent, CONSENSUS_FLAGS)) {
        wrong.push(`${comment} fails, but not under this chain's rules`)
      }
    }
  }
  printCounts('script_assets_test', counts)
  expect(wrong).toEqual([])
  expect(vectors.length).toBe(2243)
  expect(Object.fromEntries(counts)).toMatchInlineSnapshot(`
    {
      "failure: p2tr": 1112,
      "failure: p2wpkh": 85,
      "failure: p2wsh": 15,
      "not applicable: bare script or unknown witness version": 523,
      "not applicable: legacy output (p2pkh)": 48,
      "not applicable: legacy output (p2sh)": 380,
      "not applicable: passes only before taproot": 284,
      "success: p2tr": 1188,
      "success: p2wpkh": 85,
      "success: p2wsh": 15,
    }
  `)
}, 60_000)

test('whatever this chain accepts, fewer flags accept too', () => {
  const vectors = loadVectors('bitcoind/script_assets_test.json') as readonly Vector[]
  const flags = Object.values(ScriptFlag)
  let accepted = 0
  for (const [i, vector] of vectors.entries()) {
    if (i % 8 !== 0 || vector.success === undefined) continue
    const transaction = decodeTransaction(hexToBytes(vector.tx))
    const spent = vector.prevouts.map(readPrevout)
    const { index, success } = vector
    if (!passes(transaction, index, success, spent, CONSENSUS_FLAGS)) continue
    accepted += 1
    const without = flags.filter((_, bit) => (i >> (bit % 8)) % 2 === 0)
    const fewer = without.reduce((rest, flag) => rest & ~flag, CONSENSUS_FLAGS)
    expect(passes(transaction, index, success, spent, fewer), vector.comment).toBe(true)
    expect(passes(transaction, index, success, spent, 0), vector.comment).toBe(true)
  }
  expect(accepted).toBeGreaterThan(50)
})
