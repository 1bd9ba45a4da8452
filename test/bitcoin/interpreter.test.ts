/** Rules of the interpreter that the published vectors leave out, and this chain's hash budget. */

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hashBudget } from '../../src/bitcoin/hash-operations.ts'
import { executeWitnessScript } from '../../src/bitcoin/interpreter.ts'
import { CONSENSUS_FLAGS, type ScriptFlags } from '../../src/bitcoin/script-flags.ts'
import type { ScriptContext, SignatureChecker } from '../../src/bitcoin/script-machine.ts'
import type { TapscriptExtension } from '../../src/bitcoin/sighash.ts'
import { bytesToHex, concatBytes } from '../../src/primitives/bytes.ts'
import { parseScript } from './vectors.ts'

const V0: ScriptContext = { version: 'witness-v0' }
const TAPSCRIPT: ScriptContext = {
  version: 'tapscript',
  leafHash: new Uint8Array(32),
  witnessBytes: 100,
}
const KEY = new Uint8Array(32).fill(2)
const SIGNATURE = new Uint8Array(64).fill(1)
const ONE = Uint8Array.of(1)

interface Setup {
  readonly flags?: ScriptFlags
  readonly checker?: Partial<SignatureChecker>
  readonly budget?: number
}

/** Every signature is good unless the checker says otherwise. */
function run(
  context: ScriptContext,
  script: string | Uint8Array,
  initialStack: readonly Uint8Array[] = [],
  { flags = CONSENSUS_FLAGS, checker = {}, budget = Number.POSITIVE_INFINITY }: Setup = {},
): string {
  const failure = executeWitnessScript({
    script: typeof script === 'string' ? parseScript(script) : script,
    initialStack,
    context,
    flags,
    checker: {
      checkEcdsa: () => true,
      requireEcdsa: checker.checkEcdsa ?? (() => true),
      checkSchnorr: () => undefined,
      checkLockTime: () => true,
      checkSequence: () => true,
      ...checker,
    },
    hashBudget: budget,
  })
  return failure ?? 'OK'
}

/** `0x20 <key>` as words. */
const key = `0x20 0x${bytesToHex(KEY)}`

function nops(count: number): Uint8Array {
  return concatBytes(new Uint8Array(count).fill(0x61), parseScript('1'))
}

describe('any script', () => {
  /** Mostly opcodes that do something, so that runs get far. */
  const opcodes = fc.oneof(
    fc.integer({ min: 0x4f, max: 0xba }),
    fc.integer({ min: 0, max: 3 }),
    fc.nat(255),
  )
  const scripts = fc.array(opcodes, { maxLength: 60 }).map((codes) => Uint8Array.from(codes))
  const stacks = fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 8 })

  it.each([V0, TAPSCRIPT])('ends with a verdict in $version', (context) => {
    fc.assert(
      fc.property(scripts, stacks, fc.nat(CONSENSUS_FLAGS), (script, stack, flags) => {
        expect(run(context, script, stack, { flags })).toMatch(/^[A-Z_0-9]+$/)
      }),
      { numRuns: 3_000 },
    )
  })

  it.each([V0, TAPSCRIPT])(
    'accepted under more flags is accepted under fewer: $version',
    (context) => {
      fc.assert(
        fc.property(scripts, stacks, fc.nat(CONSENSUS_FLAGS), (script, stack, flags) => {
          const strict = run(context, script, stack)
          if (strict === 'OK') expect(run(context, script, stack, { flags })).toBe('OK')
        }),
        { numRuns: 3_000 },
      )
    },
  )

  it('leaves the items of its witness as they were', () => {
    fc.assert(
      fc.property(scripts, stacks, (script, stack) => {
        const before = stack.map(bytesToHex)
        run(TAPSCRIPT, script, stack, { flags: 0 })
        expect(stack.map(bytesToHex)).toEqual(before)
      }),
      { numRuns: 1_000 },
    )
  })
})

describe('limits', () => {
  it('of stack items hold at every step', () => {
    const items = Array.from({ length: 1_000 }, () => ONE)
    expect(run(V0, 'DUP', items)).toBe('STACK_SIZE')
    expect(run(V0, 'TOALTSTACK DUP', items)).toBe('STACK_SIZE')
    expect(run(TAPSCRIPT, 'DROP', [...items, ONE])).toBe('STACK_SIZE')
    expect(run(TAPSCRIPT, 'NOP', items)).toBe('CLEANSTACK')
  })

  it('of element length hold for the witness and in branches that do not run', () => {
    expect(run(V0, 'DROP 1', [new Uint8Array(521)])).toBe('PUSH_SIZE')
    expect(run(V0, 'DROP 1', [new Uint8Array(520)])).toBe('OK')
    const long = concatBytes(Uint8Array.of(0x4d, 0x09, 0x02), new Uint8Array(521))
    const dead = concatBytes(parseScript('0 IF'), long, parseScript('ENDIF 1'))
    expect(run(TAPSCRIPT, dead)).toBe('PUSH_SIZE')
  })

  it('of operations and script length are for witness v0 only', () => {
    expect(run(V0, nops(201))).toBe('OK')
    expect(run(V0, nops(202))).toBe('OP_COUNT')
    expect(run(TAPSCRIPT, nops(20_000))).toBe('OK')
    const zeros = new Uint8Array(10_001).fill(0x51)
    expect(run(V0, zeros)).toBe('SCRIPT_SIZE')
    expect(run(V0, zeros.subarray(1))).toBe('STACK_SIZE')
  })

  it('count the keys of a multisignature as operations', () => {
    const pushes = '1 '.repeat(20)
    const check = `0 0 ${pushes} 0x01 0x14 CHECKMULTISIG DROP `
    expect(run(V0, `${check.repeat(9)} 1`)).toBe('OK')
    expect(run(V0, `${check.repeat(10)} 1`)).toBe('OP_COUNT')
  })
})

describe('branches', () => {
  it('nest deeply at no cost', () => {
    const depth = 50_000
    const script = concatBytes(
      parseScript('0'),
      Uint8Array.of(0x63),
      new Uint8Array(depth).fill(0x63),
      new Uint8Array(depth).fill(0x68),
      parseScript('ENDIF 1'),
    )
    expect(run(TAPSCRIPT, script)).toBe('OK')
  })

  it('are ended by the last ENDIF, toggled by every ELSE', () => {
    expect(run(V0, '1 IF 0 ELSE RETURN ELSE 1 ENDIF NIP')).toBe('OK')
    expect(run(V0, '0 IF 0 ELSE 1 ELSE RETURN ENDIF')).toBe('OK')
    expect(run(V0, '0 IF 1 IF RETURN ELSE RETURN ENDIF ELSE 1 ENDIF')).toBe('OK')
    expect(run(V0, '1 IF 1')).toBe('UNBALANCED_CONDITIONAL')
    expect(run(V0, '1 ENDIF')).toBe('UNBALANCED_CONDITIONAL')
    expect(run(V0, 'IF 1 ENDIF')).toBe('INVALID_STACK_OPERATION')
  })

  it('that do not run still refuse VERIF and disabled opcodes, not unknown ones', () => {
    expect(run(V0, '0 IF VERIF ENDIF 1')).toBe('BAD_OPCODE')
    expect(run(TAPSCRIPT, '0 IF VERNOTIF ENDIF 1')).toBe('BAD_OPCODE')
    expect(run(V0, '0 IF CAT ENDIF 1')).toBe('DISABLED_OPCODE')
    expect(run(V0, '0 IF 0xff 0xba 0x50 0x62 0x89 ENDIF 1')).toBe('OK')
    expect(run(V0, '0xba')).toBe('BAD_OPCODE')
  })

  it('take minimal arguments', () => {
    expect(run(V0, 'IF 1 ENDIF', [Uint8Array.of(2)])).toBe('MINIMALIF')
    expect(run(V0, 'IF 1 ENDIF', [Uint8Array.of(2)], { flags: 0 })).toBe('OK')
    expect(run(TAPSCRIPT, 'IF 1 ENDIF', [Uint8Array.of(2)], { flags: 0 })).toBe(
      'TAPSCRIPT_MINIMALIF',
    )
    expect(run(TAPSCRIPT, 'NOTIF 1 ENDIF', [Uint8Array.of(0)])).toBe('TAPSCRIPT_MINIMALIF')
  })
})

describe('tapscript', () => {
  it('is invalid with an OP_SUCCESS anywhere, until it means something', () => {
    expect(run(TAPSCRIPT, '1 RETURN CAT')).toBe('DISCOURAGE_OP_SUCCESS')
    expect(run(TAPSCRIPT, '1 RETURN CAT', [], { flags: 0 })).toBe('OK')
    expect(run(TAPSCRIPT, '0xfe 0x4b', [new Uint8Array(521)], { flags: 0 })).toBe('OK')
    expect(run(TAPSCRIPT, '0x4b 0xfe', [], { flags: 0 })).toBe('BAD_OPCODE')
    expect(run(TAPSCRIPT, '0xff', [], { flags: 0 })).toBe('BAD_OPCODE')
  })

  it('has no CHECKMULTISIG, whatever its arguments', () => {
    expect(run(TAPSCRIPT, 'CHECKMULTISIG')).toBe('TAPSCRIPT_CHECKMULTISIG')
    expect(run(TAPSCRIPT, 'CHECKMULTISIGVERIFY')).toBe('TAPSCRIPT_CHECKMULTISIG')
    expect(run(TAPSCRIPT, '0 IF CHECKMULTISIG ENDIF 1')).toBe('OK')
  })

  it('counts signatures with CHECKSIGADD', () => {
    const script = `0 ${key} CHECKSIGADD 1 NUMEQUAL`
    expect(run(TAPSCRIPT, script, [SIGNATURE])).toBe('OK')
    expect(run(TAPSCRIPT, script, [new Uint8Array()])).toBe('EVAL_FALSE')
    expect(run(TAPSCRIPT, `${key} CHECKSIGADD`, [SIGNATURE])).toBe('INVALID_STACK_OPERATION')
    const bad: Setup = { checker: { checkSchnorr: () => 'SCHNORR_SIG' } }
    expect(run(TAPSCRIPT, script, [SIGNATURE], bad)).toBe('SCHNORR_SIG')
  })

  it('knows keys of 32 bytes only', () => {
    expect(run(TAPSCRIPT, '0 CHECKSIG', [SIGNATURE])).toBe('TAPSCRIPT_EMPTY_PUBKEY')
    expect(run(TAPSCRIPT, '0 CHECKSIG NOT', [new Uint8Array()])).toBe('TAPSCRIPT_EMPTY_PUBKEY')
    expect(run(TAPSCRIPT, '1 CHECKSIG', [SIGNATURE])).toBe('DISCOURAGE_UPGRADABLE_PUBKEYTYPE')
    expect(run(TAPSCRIPT, '1 CHECKSIG', [SIGNATURE], { flags: 0 })).toBe('OK')
    expect(run(TAPSCRIPT, '1 CHECKSIG NOT', [new Uint8Array()], { flags: 0 })).toBe('OK')
  })

  it('pays 50 for each signature before anything else about it is looked at', () => {
    const context: ScriptContext = { ...TAPSCRIPT, witnessBytes: 99 }
    const script = `DUP ${key} CHECKSIGVERIFY DUP ${key} CHECKSIGVERIFY`
    expect(run(context, `${script} DROP 1`, [SIGNATURE])).toBe('OK')
    expect(run(context, `${script} 0 CHECKSIG`, [SIGNATURE])).toBe('TAPSCRIPT_VALIDATION_WEIGHT')
    const empty = `DUP ${key} CHECKSIG DROP `.repeat(5)
    expect(run(context, `${empty} DROP 1`, [new Uint8Array()])).toBe('OK')
  })

  it('commits to the index of the last executed OP_CODESEPARATOR', () => {
    const seen: number[] = []
    const checkSchnorr = (_s: Uint8Array, _k: Uint8Array, extension?: TapscriptExtension) => {
      seen.push(extension?.codeSeparator ?? -1)
      return undefined
    }
    const check = `DUP ${key} CHECKSIGVERIFY`
    const script = `${check} CODESEPARATOR ${check} 0 IF CODESEPARATOR ENDIF ${check} DROP 1`
    expect(run(TAPSCRIPT, script, [SIGNATURE], { checker: { checkSchnorr } })).toBe('OK')
    expect(seen).toEqual([0xffff_ffff, 3, 3])
  })
})

describe('witness v0', () => {
  const der = parseScript('0x300602010102010101')
  const compressed = `0x21 0x02${bytesToHex(KEY)}`

  it('signs from the last executed OP_CODESEPARATOR on, later ones included', () => {
    const seen: string[] = []
    const checkEcdsa = (_s: Uint8Array, _k: Uint8Array, code: Uint8Array) => {
      seen.push(bytesToHex(code))
      return true
    }
    const script = `CODESEPARATOR ${compressed} CHECKSIGVERIFY CODESEPARATOR 1`
    expect(run(V0, script, [der], { checker: { checkEcdsa } })).toBe('OK')
    expect(seen).toEqual([bytesToHex(parseScript(script)).slice(2)])
  })

  it('never removes the signature from what it signs', () => {
    const push = `0x09 0x${bytesToHex(der)}`
    const seen: string[] = []
    const checkEcdsa = (_s: Uint8Array, _k: Uint8Array, code: Uint8Array) => {
      seen.push(bytesToHex(code))
      return true
    }
    const script = `${push} ${compressed} CHECKSIG`
    expect(run(V0, script, [], { checker: { checkEcdsa } })).toBe('OK')
    expect(seen).toEqual([bytesToHex(parseScript(script))])
  })

  it('wants failed signatures to be empty', () => {
    const bad = { checker: { checkEcdsa: () => false } }
    expect(run(V0, `${compressed} CHECKSIG NOT`, [der], bad)).toBe('SIG_NULLFAIL')
    expect(run(V0, `${compressed} CHECKSIG NOT`, [der], { ...bad, flags: 0 })).toBe('OK')
    const empty = new Uint8Array()
    expect(run(V0, `${compressed} CHECKSIG NOT`, [empty], bad)).toBe('OK')
    const multisig = `1 ${compressed} ${compressed} 2 CHECKMULTISIG NOT`
    expect(run(V0, multisig, [empty, der], bad)).toBe('SIG_NULLFAIL')
    expect(run(V0, multisig, [empty, empty], bad)).toBe('OK')
    expect(run(V0, multisig, [ONE, empty], bad)).toBe('SIG_NULLDUMMY')
    expect(run(V0, multisig, [empty], bad)).toBe('INVALID_STACK_OPERATION')
    // The missing dummy is found before the signature is looked at.
    expect(run(V0, multisig, [ONE], bad)).toBe('INVALID_STACK_OPERATION')
  })

  it('has no CHECKSIGADD', () => {
    expect(run(V0, `0 0 ${compressed} CHECKSIGADD`)).toBe('BAD_OPCODE')
  })
})

describe('lock times', () => {
  it('are numbers of up to five bytes that stay on the stack', () => {
    const seen: number[] = []
    const checkLockTime = (value: number) => seen.push(value) > 0
    const five = '0x05 0xffffffff7f'
    const setup = { checker: { checkLockTime } }
    expect(run(V0, `${five} CHECKLOCKTIMEVERIFY SIZE NIP`, [], setup)).toBe('OK')
    expect(seen).toEqual([2 ** 39 - 1])
    expect(run(V0, '0x06 0x010000000001 CHECKLOCKTIMEVERIFY')).toBe('SCRIPTNUM')
    expect(run(V0, '-1 CHECKLOCKTIMEVERIFY')).toBe('NEGATIVE_LOCKTIME')
  })

  it('of CHECKSEQUENCEVERIFY do nothing with bit 31 set', () => {
    const never = { checker: { checkSequence: () => false } }
    expect(run(V0, '0x05 0x0000008000 CHECKSEQUENCEVERIFY', [], never)).toBe('OK')
    expect(run(V0, '0x05 0x0000008001 CHECKSEQUENCEVERIFY', [], never)).toBe('OK')
    expect(run(V0, '0x05 0x0000000001 CHECKSEQUENCEVERIFY', [], never)).toBe('UNSATISFIED_LOCKTIME')
    expect(run(V0, '0x04 0xffffff7f CHECKSEQUENCEVERIFY', [], never)).toBe('UNSATISFIED_LOCKTIME')
  })
})

describe('the hash budget', () => {
  it('is 200 and half of the witness', () => {
    expect(hashBudget(0)).toBe(200)
    expect(hashBudget(108)).toBe(254)
    expect(hashBudget(109)).toBe(254)
  })

  it.each(['RIPEMD160', 'SHA1', 'SHA256', 'HASH160', 'HASH256'])(
    'is charged by %s: two, and one per 64 bytes begun',
    (opcode) => {
      const script = `${opcode} DROP 1`
      for (const [length, cost] of [
        [0, 2],
        [1, 3],
        [64, 3],
        [65, 4],
        [520, 11],
      ] as const) {
        const stack = [new Uint8Array(length)]
        expect(run(V0, script, stack, { budget: cost })).toBe('OK')
        expect(run(TAPSCRIPT, script, stack, { budget: cost - 1 })).toBe('HASH_BUDGET')
      }
    },
  )

  it('is not charged where nothing runs', () => {
    expect(run(V0, '0 IF SHA256 ENDIF 1', [], { budget: 0 })).toBe('OK')
  })
})
