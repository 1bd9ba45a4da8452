/**
 * Addresses: bech32 for witness v0 (BIP173), bech32m for v1 to v16 (BIP350), base58check for P2PKH
 * and P2SH where the network has them. Witness version 16 with an L1 script is a withdraw address.
 */

import { bech32, bech32m, createBase58check } from '@scure/base'
import { concatBytes } from '../primitives/bytes.ts'
import { ok, type Rejection, type Result, reject } from '../primitives/result.ts'
import { sha256 } from '../primitives/sha256.ts'
import {
  classifyOutput,
  findWitnessProgram,
  p2pkhScript,
  p2shScript,
  witnessScript,
} from './script.ts'

export interface AddressNetwork {
  /** The part before "1", lower case. */
  readonly bech32: string
  /** Base58 version bytes; a network without them has no such addresses. */
  readonly p2pkh?: number
  readonly p2sh?: number
}

export type L1NetworkName = 'mainnet' | 'testnet4' | 'signet' | 'regtest'

export const L1_ADDRESS_NETWORKS: Readonly<Record<L1NetworkName, AddressNetwork>> = {
  mainnet: { bech32: 'bc', p2pkh: 0, p2sh: 5 },
  testnet4: { bech32: 'tb', p2pkh: 111, p2sh: 196 },
  signet: { bech32: 'tb', p2pkh: 111, p2sh: 196 },
  regtest: { bech32: 'bcrt', p2pkh: 111, p2sh: 196 },
}

/** BIP173: no address is longer. */
const ADDRESS_LENGTH_MAX = 90
const base58check = createBase58check(sha256)

/** The address of an output script; undefined where it has none on this network. */
export function encodeAddress(script: Uint8Array, network: AddressNetwork): string | undefined {
  const witness = findWitnessProgram(script)
  if (witness !== undefined) {
    const { version, program } = witness
    if (version === 0 && program.length !== 20 && program.length !== 32) return undefined
    const codec = version === 0 ? bech32 : bech32m
    return codec.encode(network.bech32, [version, ...codec.toWords(program)], ADDRESS_LENGTH_MAX)
  }
  const output = classifyOutput(script)
  if (output.kind === 'p2pkh') return encodeBase58(network.p2pkh, output.hash)
  if (output.kind === 'p2sh') return encodeBase58(network.p2sh, output.hash)
  return undefined
}

function encodeBase58(version: number | undefined, hash: Uint8Array): string | undefined {
  if (version === undefined) return undefined
  return base58check.encode(concatBytes(Uint8Array.of(version), hash))
}

/**
 * The output script of an address. Any witness version is understood: whether the chain accepts
 * such an output is `classifyOutput`'s answer.
 * Codes: address-format, address-checksum, address-network, address-program.
 */
export function decodeAddress(
  text: string,
  network: AddressNetwork,
): Result<Uint8Array, Rejection> {
  if (text.length > ADDRESS_LENGTH_MAX) return reject('address-format', 'invalid', 'too long')
  if (looksLikeBech32(text, network)) return decodeBech32(text, network)
  return decodeBase58(text, network)
}

/** Base58 has no "0" or "l"; text of the bech32 alphabet after its last "1" is read as bech32. */
function looksLikeBech32(text: string, network: AddressNetwork): boolean {
  const lower = text.toLowerCase()
  if (lower.startsWith(`${network.bech32}1`)) return true
  const isOneCase = text === lower || text === text.toUpperCase()
  return isOneCase && /^[\x21-\x7e]{1,83}1[02-9ac-hj-np-z]{6,}$/.test(lower)
}

function decodeBech32(text: string, network: AddressNetwork): Result<Uint8Array, Rejection> {
  const isMixedCase = text !== text.toLowerCase() && text !== text.toUpperCase()
  if (isMixedCase) return reject('address-format', 'invalid', 'mixed case')
  const plain = bech32.decodeUnsafe(text, ADDRESS_LENGTH_MAX)
  const decoded = plain ?? bech32m.decodeUnsafe(text, ADDRESS_LENGTH_MAX)
  if (decoded === undefined) return reject('address-checksum', 'invalid', 'a typing mistake?')
  if (decoded.prefix !== network.bech32) {
    return reject('address-network', 'invalid', `${decoded.prefix}1… is not ${network.bech32}1…`)
  }
  const [version, ...words] = decoded.words
  // BIP173: 5-bit groups to bytes, with at most four zero bits of padding.
  const program = bech32.fromWordsUnsafe(words)
  if (version === undefined || program === undefined) return reject('address-program')
  if (version > 16 || program.length < 2 || program.length > 40) return reject('address-program')
  if (version === 0 && program.length !== 20 && program.length !== 32) {
    return reject('address-program')
  }
  // BIP350: version 0 keeps bech32, all others use bech32m.
  if ((version === 0) !== (plain !== undefined)) {
    return reject('address-checksum', 'invalid', 'wrong checksum kind for the version')
  }
  return ok(witnessScript({ version, program }))
}

function decodeBase58(text: string, network: AddressNetwork): Result<Uint8Array, Rejection> {
  if (!/^[1-9A-HJ-NP-Za-km-z]+$/.test(text)) return reject('address-format')
  const payload = decodeBase58check(text)
  if (payload === undefined) return reject('address-checksum', 'invalid', 'a typing mistake?')
  if (payload.length !== 21) return reject('address-format')
  const hash = payload.subarray(1)
  if (payload[0] === network.p2pkh) return ok(p2pkhScript(hash))
  if (payload[0] === network.p2sh) return ok(p2shScript(hash))
  return reject('address-network', 'invalid', 'an address of another network')
}

function decodeBase58check(text: string): Uint8Array | undefined {
  try {
    return base58check.decode(text)
  } catch {
    return undefined
  }
}
