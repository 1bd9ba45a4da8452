/**
 * Script verification flags, named as in Bitcoin Core so that its test vectors apply. A spend that
 * passes under more flags passes under fewer. P2SH, WITNESS, TAPROOT, CLEANSTACK, SIGPUSHONLY and
 * DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM have no flag: this engine always keeps those rules.
 */

export const ScriptFlag = {
  /** BIP66 */
  DERSIG: 1 << 0,
  /** BIP146 */
  LOW_S: 1 << 1,
  STRICTENC: 1 << 2,
  /** BIP147 */
  NULLDUMMY: 1 << 3,
  /** BIP146 */
  NULLFAIL: 1 << 4,
  /** BIP62 rules 3 and 4 */
  MINIMALDATA: 1 << 5,
  MINIMALIF: 1 << 6,
  WITNESS_PUBKEYTYPE: 1 << 7,
  /** BIP65 */
  CHECKLOCKTIMEVERIFY: 1 << 8,
  /** BIP112 */
  CHECKSEQUENCEVERIFY: 1 << 9,
  DISCOURAGE_UPGRADABLE_NOPS: 1 << 10,
  DISCOURAGE_UPGRADABLE_TAPROOT_VERSION: 1 << 11,
  DISCOURAGE_OP_SUCCESS: 1 << 12,
  DISCOURAGE_UPGRADABLE_PUBKEYTYPE: 1 << 13,
  /** Ours: the input's hash opcodes are paid for by its witness. */
  HASH_BUDGET: 1 << 14,
  /** Ours: no taproot annex. */
  NO_ANNEX: 1 << 15,
  /** Ours: a pay-to-anchor input has no witness, so nobody can pad it. */
  EMPTY_ANCHOR: 1 << 16,
} as const

/** A sum of `ScriptFlag` values. */
export type ScriptFlags = number

/** Consensus-critical: this chain keeps all of Core's standard rules and its own. */
export const CONSENSUS_FLAGS: ScriptFlags = Object.values(ScriptFlag).reduce((a, b) => a | b)

export function hasFlag(flags: ScriptFlags, flag: number): boolean {
  return (flags & flag) !== 0
}
