/**
 * Arguments of bitcoind's JSON-RPC, by position or by name, checked with bitcoind's error codes
 * (`rpc/protocol.h`). An absent argument and null mean the same.
 */

import { hexToBytes, isHex } from '../../src/primitives/bytes.ts'
import { type BlockHash, type Txid, toBlockHash, toTxid } from '../../src/primitives/hashes.ts'

/** A call that fails, as the caller is told. */
export class RpcFailure extends Error {
  override readonly name = 'RpcFailure'
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}

export const RpcCode = {
  MISC: -1,
  TYPE: -3,
  NOT_FOUND: -5,
  PARAMETER: -8,
  UNDECODABLE: -22,
  REFUSED: -25,
  REJECTED: -26,
  IN_CHAIN: -27,
  INVALID_REQUEST: -32600,
  UNKNOWN_METHOD: -32601,
  INTERNAL: -32603,
  PARSE: -32700,
} as const

export class RpcArguments {
  readonly #names: readonly string[]
  readonly #values: readonly unknown[]

  /** @throws RpcFailure for too many arguments, or a name that the method does not have. */
  constructor(names: readonly string[], parameters: unknown) {
    this.#names = names
    this.#values = positional(names, parameters)
  }

  has(index: number): boolean {
    return this.#values[index] !== undefined && this.#values[index] !== null
  }

  text(index: number): string {
    const value = this.#required(index)
    if (typeof value !== 'string') throw this.#typeFailure(index, 'string')
    return value
  }

  integer(index: number, fallback?: number): number {
    if (!this.has(index) && fallback !== undefined) return fallback
    const value = this.#required(index)
    if (typeof value !== 'number') throw this.#typeFailure(index, 'number')
    if (!Number.isSafeInteger(value)) {
      throw new RpcFailure(RpcCode.MISC, 'JSON integer out of range')
    }
    return value
  }

  /** Bitcoin per 1,000 virtual bytes, as a number or text. */
  rate(index: number, fallback: number): number {
    if (!this.has(index)) return fallback
    const value = this.#values[index]
    const rate = typeof value === 'string' && value !== '' ? Number(value) : value
    if (typeof rate !== 'number' || !Number.isFinite(rate) || rate < 0) {
      throw new RpcFailure(RpcCode.TYPE, 'Invalid amount')
    }
    return rate
  }

  boolean(index: number, fallback: boolean): boolean {
    if (!this.has(index)) return fallback
    const value = this.#values[index]
    if (typeof value !== 'boolean') throw this.#typeFailure(index, 'bool')
    return value
  }

  /** 0 … 3, or the boolean that older clients send for 0 and 1. */
  verbosity(index: number, fallback: number): number {
    const value = this.#values[index]
    return typeof value === 'boolean' ? Number(value) : this.integer(index, fallback)
  }

  texts(index: number): readonly string[] {
    const value = this.#required(index)
    if (!Array.isArray(value)) throw this.#typeFailure(index, 'array')
    return value.map((item: unknown) => {
      if (typeof item !== 'string') throw this.#typeFailure(index, 'array of strings')
      return item
    })
  }

  blockHash(index: number): BlockHash {
    return toBlockHash(this.#hash(index))
  }

  txid(index: number): Txid {
    return toTxid(this.#hash(index))
  }

  #hash(index: number): string {
    const value = this.text(index).toLowerCase()
    if (isHex(value, 32)) return value
    const name = this.#names[index] ?? ''
    const why =
      value.length === 64
        ? `must be hexadecimal string (not '${value}')`
        : `must be of length 64 (not ${value.length}, for '${value.slice(0, 80)}')`
    throw new RpcFailure(RpcCode.PARAMETER, `${name} ${why}`)
  }

  #required(index: number): unknown {
    if (this.has(index)) return this.#values[index]
    throw new RpcFailure(RpcCode.MISC, `missing argument "${this.#names[index] ?? ''}"`)
  }

  #typeFailure(index: number, expected: string): RpcFailure {
    const name = this.#names[index] ?? ''
    return new RpcFailure(
      RpcCode.TYPE,
      `argument ${index + 1} (${name}) is not of type ${expected}`,
    )
  }
}

function positional(names: readonly string[], parameters: unknown): readonly unknown[] {
  if (parameters === undefined || parameters === null) return []
  if (Array.isArray(parameters)) {
    if (parameters.length <= names.length) return parameters
    throw new RpcFailure(RpcCode.MISC, `at most ${names.length} arguments: ${names.join(' ')}`)
  }
  if (typeof parameters !== 'object') {
    throw new RpcFailure(RpcCode.INVALID_REQUEST, 'Params must be an array or object')
  }
  const named = new Map<string, unknown>(Object.entries(parameters))
  for (const name of named.keys()) {
    if (!names.includes(name)) {
      throw new RpcFailure(RpcCode.PARAMETER, `Unknown named parameter ${name.slice(0, 80)}`)
    }
  }
  return names.map((name) => named.get(name))
}

/** Bytes of a hex argument; undefined when it is not hex. */
export function hexArgument(text: string): Uint8Array | undefined {
  const lower = text.toLowerCase()
  return isHex(lower) ? hexToBytes(lower) : undefined
}
