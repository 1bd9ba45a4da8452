/** Witness programs of every version and length, and BIP341's control blocks and annex. */

import * as tiny from 'tiny-secp256k1'
import {
  p2trScript,
  p2wpkhScript,
  p2wshScript,
  witnessScript,
} from '../../../src/bitcoin/script.ts'
import { TAPSCRIPT_LEAF_VERSION, taprootOutputKey } from '../../../src/bitcoin/taproot.ts'
import { present } from '../../../src/primitives/assert.ts'
import { concatBytes, hexToBytes } from '../../../src/primitives/bytes.ts'
import { hash160, sha256, taggedHash } from '../../../src/primitives/sha256.ts'
import {
  compressedKey,
  leafCase,
  type SpendCase,
  secretOf,
  uncompressedKey,
  xOnlyKey,
} from './spend-case.ts'

const EMPTY = new Uint8Array()
const ONE = Uint8Array.of(0x51)
const ANNEX = Uint8Array.of(0x50, 1, 2, 3)

function bare(name: string, output: Uint8Array, witness: readonly Uint8Array[]): SpendCase {
  return { name, output, witness: () => witness }
}

/** Whatever the version and length, with an empty and some witness; also programs that are false. */
function versionCases(): SpendCase[] {
  const versions = Array.from({ length: 17 }, (_, version) => version)
  return versions.flatMap((version) =>
    [2, 3, 19, 20, 21, 31, 32, 33, 39, 40].flatMap((length) =>
      [
        new Uint8Array(length).fill(1),
        new Uint8Array(length),
        new Uint8Array(length).with(length - 1, 0x80),
      ].flatMap((program) => {
        const output = witnessScript({ version, program })
        const name = `version ${version}, ${length} bytes ending in ${program.at(-1)}`
        return [
          bare(`${name}, no witness`, output, []),
          bare(`${name}, an empty item`, output, [EMPTY]),
          bare(`${name}, two items`, output, [ONE, ONE]),
        ]
      }),
    ),
  )
}

function anchorCases(): SpendCase[] {
  const anchor = hexToBytes('51024e73')
  return [
    bare('anchor', anchor, []),
    bare('anchor with a witness', anchor, [ONE]),
    bare('version 2 with the bytes of an anchor', hexToBytes('52024e73'), []),
    bare('version 1 with other two bytes', hexToBytes('51024e74'), []),
  ]
}

/** The script of P2PKH, which P2WPKH signs. */
function signedScript(output: Uint8Array): Uint8Array {
  return concatBytes(hexToBytes('76a914'), output.subarray(2), hexToBytes('88ac'))
}

function keyHashCases(): SpendCase[] {
  const key = compressedKey(0)
  const output = p2wpkhScript(hash160(key))
  const long = p2wpkhScript(hash160(uncompressedKey(0)))
  const signing = (
    name: string,
    make: (signature: Uint8Array) => readonly Uint8Array[],
    hashType = 1,
  ): SpendCase => ({
    name: `P2WPKH: ${name}`,
    output,
    witness: (signer) => make(signer.ecdsa(0, signedScript(output), hashType)),
  })
  return [
    signing('good', (signature) => [signature, key]),
    signing('one item', (signature) => [signature]),
    signing('three items', (signature) => [EMPTY, signature, key]),
    signing('no items', () => []),
    signing('another key', (signature) => [signature, compressedKey(1)]),
    signing('items swapped', (signature) => [key, signature]),
    signing('empty signature', () => [EMPTY, key]),
    signing('long item', () => [new Uint8Array(521), key]),
    ...Array.from({ length: 256 }, (_, hashType) =>
      signing(`hash type ${hashType}`, (signature) => [signature, key], hashType),
    ),
    {
      name: 'P2WPKH: uncompressed key',
      output: long,
      witness: (signer) => [signer.ecdsa(0, signedScript(long)), uncompressedKey(0)],
    },
  ]
}

function scriptHashProgramCases(): SpendCase[] {
  const output = p2wshScript(sha256(ONE))
  return [
    bare('P2WSH: no items', output, []),
    bare('P2WSH: another script', output, [Uint8Array.of(0x52)]),
    bare('P2WSH: the script is not last', output, [ONE, EMPTY]),
    bare('P2WSH: a false item left', output, [EMPTY, ONE]),
    bare('P2WSH: the empty script', p2wshScript(sha256(EMPTY)), [EMPTY]),
    bare('P2WSH: the empty script and a true item', p2wshScript(sha256(EMPTY)), [ONE, EMPTY]),
    bare('P2WSH: the empty script and negative zero', p2wshScript(sha256(EMPTY)), [
      Uint8Array.of(0x80),
      EMPTY,
    ]),
  ]
}

/** BIP86: the key that spends alone. */
function keyPathCases(): SpendCase[] {
  const internal = xOnlyKey(0)
  const output = p2trScript(present(taprootOutputKey(internal), 'output key').key)
  const secret = tweakedSecret(internal)
  const signing = (
    name: string,
    hashType: number,
    make: (signature: Uint8Array) => readonly Uint8Array[] = (signature) => [signature],
    options: { readonly annex?: Uint8Array; readonly isSecond?: boolean } = {},
  ): SpendCase => ({
    name: `key path: ${name}`,
    output,
    witness: (signer) => {
      const signed = options.annex === undefined ? {} : { annex: options.annex }
      return make(signer.schnorr(0, hashType, signed, secret))
    },
    shape: { isSecond: options.isSecond ?? false },
  })
  return [
    ...Array.from({ length: 256 }, (_, hashType) => [
      signing(`hash type ${hashType}`, hashType),
      signing(`hash type ${hashType}, second input of two`, hashType, undefined, {
        isSecond: true,
      }),
    ]).flat(),
    signing('explicit default', 0, (signature) => [concatBytes(signature, Uint8Array.of(0))]),
    signing('63 bytes', 0, (signature) => [signature.subarray(1)]),
    signing('66 bytes', 1, (signature) => [concatBytes(signature, Uint8Array.of(1))]),
    signing('empty', 0, () => [EMPTY]),
    signing('zeros', 0, () => [new Uint8Array(64)]),
    signing('annex, signed', 0, (signature) => [signature, ANNEX], { annex: ANNEX }),
    signing('annex of one byte, signed', 0, (signature) => [signature, Uint8Array.of(0x50)], {
      annex: Uint8Array.of(0x50),
    }),
    signing('annex, not signed', 0, (signature) => [signature, ANNEX]),
    signing('annex alone is a signature', 0, () => [ANNEX]),
    signing('two annexes', 0, (signature) => [signature, ANNEX, ANNEX], { annex: ANNEX }),
    signing('an empty item behind', 0, (signature) => [signature, EMPTY]),
  ]
}

function tweakedSecret(internal: Uint8Array): Uint8Array {
  const isOdd = compressedKey(0)[0] === 3
  const secret = isOdd ? tiny.privateNegate(secretOf(0)) : secretOf(0)
  return present(tiny.privateAdd(secret, taggedHash('TapTweak', internal)) ?? undefined, 'secret')
}

const node = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)
const nodes = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => node(i & 0xff))

function controlBlockCases(): SpendCase[] {
  const changed = (name: string, control: (block: Uint8Array) => Uint8Array) =>
    leafCase(`control block, ${name}`, ONE, [], {}, { control, path: [node(1)] })
  const versions = Array.from({ length: 128 }, (_, i) => i * 2)
  return [
    ...[0, 1, 2, 7, 127, 128].map((count) =>
      leafCase(`${count} nodes deep`, ONE, [], {}, { path: nodes(count) }),
    ),
    leafCase(
      '129 nodes deep',
      ONE,
      [],
      {},
      { path: nodes(128), control: (block) => concatBytes(block, node(1)) },
    ),
    changed('one byte short', (block) => block.subarray(0, -1)),
    changed('one byte long', (block) => concatBytes(block, Uint8Array.of(0))),
    changed('a node short', (block) => block.subarray(0, 33)),
    changed('a node long', (block) => concatBytes(block, node(2))),
    changed('empty', () => EMPTY),
    changed('one byte', (block) => block.subarray(0, 1)),
    changed('32 bytes', (block) => block.subarray(0, 32)),
    changed('other parity', (block) => block.with(0, present(block[0], 'first byte') ^ 1)),
    changed('other node', (block) => block.with(40, 0xff)),
    changed('other key', (block) => block.with(5, 0xff)),
    changed('key above the field', (block) =>
      concatBytes(block.subarray(0, 1), node(0xff), block.subarray(33)),
    ),
    changed('other leaf version', (block) =>
      block.with(0, (present(block[0], 'first byte') & 1) | 0xc2),
    ),
    // 0x50 with its bit would be an annex where it is last, but it is part of a control block here.
    ...versions.flatMap((leafVersion) =>
      leafVersion === TAPSCRIPT_LEAF_VERSION
        ? []
        : [leafCase(`leaf version ${leafVersion}`, ONE, [], {}, { leafVersion })],
    ),
    leafCase('annex', ONE, [], {}, { annex: ANNEX }),
    leafCase('annex of one byte', ONE, [], {}, { annex: Uint8Array.of(0x50) }),
    leafCase('annex, false script', Uint8Array.of(0), [], {}, { annex: ANNEX }),
    leafCase('almost an annex', ONE, [], {}, { annex: Uint8Array.of(0x51) }),
  ]
}

export function programCases(): SpendCase[] {
  return [
    ...versionCases(),
    ...anchorCases(),
    ...keyHashCases(),
    ...scriptHashProgramCases(),
    ...keyPathCases(),
    ...controlBlockCases(),
  ]
}
