/** Why a script failed: Bitcoin Core's names without SCRIPT_ERR_, and this chain's own. */

export type ScriptErrorCode =
  // Results
  | 'EVAL_FALSE'
  | 'CLEANSTACK'
  | 'OP_RETURN'
  | 'VERIFY'
  | 'EQUALVERIFY'
  | 'NUMEQUALVERIFY'
  | 'CHECKSIGVERIFY'
  | 'CHECKMULTISIGVERIFY'
  // Sizes and counts
  | 'SCRIPT_SIZE'
  | 'PUSH_SIZE'
  | 'OP_COUNT'
  | 'STACK_SIZE'
  | 'SIG_COUNT'
  | 'PUBKEY_COUNT'
  // Operations and operands
  | 'BAD_OPCODE'
  | 'DISABLED_OPCODE'
  | 'INVALID_STACK_OPERATION'
  | 'INVALID_ALTSTACK_OPERATION'
  | 'UNBALANCED_CONDITIONAL'
  | 'SCRIPTNUM'
  | 'MINIMALDATA'
  | 'MINIMALIF'
  | 'NEGATIVE_LOCKTIME'
  | 'UNSATISFIED_LOCKTIME'
  // Signatures of witness v0
  | 'SIG_DER'
  | 'SIG_HIGH_S'
  | 'SIG_HASHTYPE'
  | 'SIG_NULLDUMMY'
  | 'SIG_NULLFAIL'
  | 'PUBKEYTYPE'
  | 'WITNESS_PUBKEYTYPE'
  // Witness programs
  | 'WITNESS_PROGRAM_WRONG_LENGTH'
  | 'WITNESS_PROGRAM_WITNESS_EMPTY'
  | 'WITNESS_PROGRAM_MISMATCH'
  | 'WITNESS_MALLEATED'
  // Taproot and tapscript
  | 'SCHNORR_SIG_SIZE'
  | 'SCHNORR_SIG_HASHTYPE'
  | 'SCHNORR_SIG'
  | 'TAPROOT_WRONG_CONTROL_SIZE'
  | 'TAPSCRIPT_VALIDATION_WEIGHT'
  | 'TAPSCRIPT_CHECKMULTISIG'
  | 'TAPSCRIPT_MINIMALIF'
  | 'TAPSCRIPT_EMPTY_PUBKEY'
  // Reserved for upgrades
  | 'DISCOURAGE_UPGRADABLE_NOPS'
  | 'DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM'
  | 'DISCOURAGE_UPGRADABLE_TAPROOT_VERSION'
  | 'DISCOURAGE_OP_SUCCESS'
  | 'DISCOURAGE_UPGRADABLE_PUBKEYTYPE'
  // This chain's own: an output that nobody can spend here, and three narrower rules
  | 'OUTPUT_TYPE'
  | 'HASH_BUDGET'
  | 'ANNEX'
  | 'ANCHOR_WITNESS'

/** Undefined means success. */
export type ScriptFailure = ScriptErrorCode | undefined
