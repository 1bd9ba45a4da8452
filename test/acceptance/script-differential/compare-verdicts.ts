/** Both verdicts on a list of spends, and where they part; deliberate differences are data, each with its reason. */

import { classifyOutput } from '../../../src/bitcoin/script.ts'
import type { ScriptErrorCode } from '../../../src/bitcoin/script-error.ts'
import { CONSENSUS_FLAGS, ScriptFlag, type ScriptFlags } from '../../../src/bitcoin/script-flags.ts'
import { decodeTransaction, encodeTransaction } from '../../../src/bitcoin/transaction.ts'
import { verifyInput } from '../../../src/bitcoin/verify-input.ts'
import { bytesToHex } from '../../../src/primitives/bytes.ts'
import { INLINE_CHECKS } from '../../../src/primitives/check-batch.ts'
import type { CoreOracle } from './core-oracle.ts'
import { type BuiltSpend, buildSpend, type SpendCase } from './spend-case.ts'

/** Core's STANDARD_SCRIPT_VERIFY_FLAGS. */
const STANDARD: ScriptFlags =
  CONSENSUS_FLAGS & ~(ScriptFlag.HASH_BUDGET | ScriptFlag.NO_ANNEX | ScriptFlag.EMPTY_ANCHOR)
/** Core's flags for a block after every soft fork. */
const CONSENSUS: ScriptFlags =
  ScriptFlag.DERSIG |
  ScriptFlag.NULLDUMMY |
  ScriptFlag.CHECKLOCKTIMEVERIFY |
  ScriptFlag.CHECKSEQUENCEVERIFY

/** Where this chain refuses by design what Core accepts under the same flags. */
const STRICTER: readonly { readonly code: ScriptErrorCode; readonly because: string }[] = [
  {
    code: 'DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM',
    because: 'undefined witness versions are invalid until defined, whatever the flags',
  },
]

/** Where this chain's own flags refuse what Core's standard flags do not. */
const OWN_RULES: readonly { readonly code: ScriptErrorCode; readonly because: string }[] = [
  { code: 'ANNEX', because: 'no annex has a meaning yet' },
  { code: 'HASH_BUDGET', because: 'hash opcodes are paid for by witness bytes' },
  {
    code: 'ANCHOR_WITNESS',
    because: 'a witness on an anchor would be weight that anybody can add',
  },
]

/** Where the daemon at hand uses another name than the current Bitcoin Core. */
const RENAMED: readonly {
  readonly core: string
  readonly ours: string
  readonly because: string
}[] = [
  {
    core: 'UNBALANCED_CONDITIONAL',
    ours: 'INVALID_STACK_OPERATION',
    because: 'IF on an empty stack had this name before',
  },
  {
    core: 'PUBKEYTYPE',
    ours: 'TAPSCRIPT_EMPTY_PUBKEY',
    because: 'the empty key in tapscript had this name before',
  },
]

/**
 * Bitcoin Knots applies a proposed limit on data as policy and has no option against it: elements above
 * 256 bytes, control blocks above 257, OP_IF in tapscript, the annex. Consensus decides for these.
 */
const KNOTS_DATA_LIMITS: ReadonlySet<string> = new Set([
  'PUSH_SIZE',
  'TAPSCRIPT_MINIMALIF',
  'TAPROOT_WRONG_CONTROL_SIZE',
])
const KNOTS_ELEMENT_BYTES = 256

export interface Report {
  readonly cases: number
  /** Verdict under the standard flags → how often. */
  readonly verdicts: ReadonlyMap<string, number>
  /** Deliberate differences → how often. */
  readonly deliberate: ReadonlyMap<string, number>
  /** Must be empty. */
  readonly differences: readonly string[]
}

const OK = 'OK'

function ours({ transaction, spent, index }: BuiltSpend, flags: ScriptFlags): string {
  const verdict = verifyInput(transaction, index, spent, flags)
  return verdict.ok ? OK : verdict.error.code
}

/** What a curve check that fails means where it is made at once. */
const BATCHED_CODES = {
  schnorr: 'SCHNORR_SIG',
  ecdsa: 'SIG_NULLFAIL',
  tweak: 'WITNESS_PROGRAM_MISMATCH',
} as const

/** This chain's verdict when the curve checks are put off, as in a block. */
function batched({ transaction, spent, index }: BuiltSpend): string {
  const batch = INLINE_CHECKS.begin()
  const verdict = verifyInput(transaction, index, spent, CONSENSUS_FLAGS, batch)
  const failed = batch.finish()
  // The script went on as if the check had passed: whatever it met later does not count.
  if (failed !== undefined) return BATCHED_CODES[failed.kind]
  return verdict.ok ? OK : verdict.error.code
}

class Comparison implements Report {
  readonly verdicts = new Map<string, number>()
  readonly deliberate = new Map<string, number>()
  readonly differences: string[] = []
  cases = 0

  async judge(oracle: CoreOracle, spend: SpendCase, built: BuiltSpend): Promise<void> {
    this.cases += 1
    const standard = ours(built, STANDARD)
    count(this.verdicts, standard)
    const core = await oracle.judgeStandard(built.transaction)
    this.#compare(spend, built, { flags: 'standard', core, mine: standard })
    // Valid under more flags is valid under fewer: there is nothing left to ask.
    const bitcoin = core === OK ? OK : await oracle.judgeConsensus(built.transaction)
    this.#compare(spend, built, { flags: 'consensus', core: bitcoin, mine: ours(built, CONSENSUS) })
    this.#checkOwnRules(spend, built, standard)
  }

  #compare(spend: SpendCase, built: BuiltSpend, { flags, core, mine }: Comparable): void {
    if (core === mine) return
    const reason = reasonFor(built, { flags, core, mine })
    if (reason !== undefined) count(this.deliberate, reason)
    else
      this.differences.push(`${flags}: bitcoind ${core}, engine ${mine}: ${describe(spend, built)}`)
  }

  /** What this chain accepts is what the standard flags accept, less its own rules. */
  #checkOwnRules(spend: SpendCase, built: BuiltSpend, standard: string): void {
    const chain = ours(built, CONSENSUS_FLAGS)
    const late = batched(built)
    if (late !== chain)
      this.differences.push(`batched: ${late}, not ${chain}: ${describe(spend, built)}`)
    if (chain === standard) return
    const rule = OWN_RULES.find(({ code }) => code === chain)
    if (rule !== undefined) count(this.deliberate, `${rule.code}: ${rule.because}`)
    else this.differences.push(`chain: ${chain}, not ${standard}: ${describe(spend, built)}`)
  }
}

interface Verdicts {
  readonly core: string
  readonly mine: string
}

interface Comparable extends Verdicts {
  readonly flags: 'standard' | 'consensus'
}

function reasonFor(built: BuiltSpend, { flags, core, mine }: Comparable): string | undefined {
  const renamed = RENAMED.find((entry) => entry.core === core && entry.ours === mine)
  if (renamed !== undefined) return `named ${core}, not ${mine}: ${renamed.because}`
  const stricter = STRICTER.find(({ code }) => code === mine && core === OK)
  if (stricter !== undefined) return `${stricter.code}: ${stricter.because}`
  return flags === 'standard' ? knotsReason(built, { core, mine }) : undefined
}

function knotsReason(built: BuiltSpend, { core, mine }: Verdicts): string | undefined {
  if (KNOTS_DATA_LIMITS.has(core) && hasMuchData(built)) {
    return `${core}: a data limit that is policy in Bitcoin Knots`
  }
  const { kind } = classifyOutput(built.spent[built.index]?.script ?? new Uint8Array())
  // Core leaves this to a policy beside the script, and this chain to a rule of its own.
  const isStuffedAnchor = kind === 'p2a' && core === 'DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM'
  return isStuffedAnchor && mine === OK ? 'an anchor with a witness, in Bitcoin Knots' : undefined
}

/** Whether the data limits of Bitcoin Knots can touch this spend. */
function hasMuchData({ transaction, spent, index }: BuiltSpend): boolean {
  const witness = transaction.inputs[index]?.witness ?? []
  const isTaproot = spent[index]?.script[0] === 0x51
  const script = witness.at(isTaproot ? -2 : -1)
  const hasAnnex = isTaproot && witness.length >= 2 && witness.at(-1)?.[0] === 0x50
  const hasIf = isTaproot && (script?.includes(0x63) === true || script?.includes(0x64) === true)
  const hasBulk = witness.some((item) => item.length > KNOTS_ELEMENT_BYTES)
  return hasAnnex || hasIf || hasBulk
}

function describe({ name }: SpendCase, { transaction, spent, index }: BuiltSpend): string {
  const script = bytesToHex(spent[index]?.script ?? new Uint8Array())
  return `${name}: input ${index} of ${bytesToHex(encodeTransaction(transaction))} spends ${script}`
}

function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1)
}

export async function compareVerdicts(
  oracle: CoreOracle,
  cases: readonly SpendCase[],
): Promise<Report> {
  const comparison = new Comparison()
  for (const funded of await oracle.fund(cases)) {
    const built = buildSpend(funded)
    // As a node meets it: read from bytes.
    const transaction = decodeTransaction(encodeTransaction(built.transaction))
    await comparison.judge(oracle, funded.spend, { ...built, transaction })
  }
  return comparison
}

/** For the test's output. */
export function tableOf({ cases, verdicts, deliberate }: Report): string {
  const rows = [...verdicts].toSorted((a, b) => b[1] - a[1])
  return [
    `${cases} spends, ${verdicts.size} verdicts`,
    ...rows.map(([verdict, times]) => `${String(times).padStart(8)}  ${verdict}`),
    ...[...deliberate].map(([reason, times]) => `${String(times).padStart(8)}  (${reason})`),
  ].join('\n')
}
