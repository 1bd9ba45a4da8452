/** Esplora's path parameters, with the texts that electrs answers to bad ones. */

import { type AddressNetwork, decodeAddress } from '../bitcoin/address.ts'
import {
  type BlockHash,
  type Hash32,
  hash32FromBytes,
  type Txid,
  toBlockHash,
  toHash32,
  toTxid,
} from '../primitives/hashes.ts'
import { sha256 } from '../primitives/sha256.ts'
import { HttpError } from './problem.ts'
import { hashText, hexText, u32Text } from './schemas.ts'

function parseHash(text: string): string {
  const parsed = hashText.safeParse(text)
  if (!parsed.success) throw new HttpError(400, 'Invalid hash string')
  return parsed.data
}

/** @throws HttpError 400, as all of these. */
export function parseTxid(text: string): Txid {
  return toTxid(parseHash(text))
}

export function parseBlockHash(text: string): BlockHash {
  return toBlockHash(parseHash(text))
}

/** A height, a position or an output's index. */
export function parseNumber(text: string): number {
  const parsed = u32Text.safeParse(text)
  if (!parsed.success) throw new HttpError(400, 'Invalid number')
  return parsed.data
}

/** SHA-256 of a script in natural order. */
export function parseScriptHash(text: string): Hash32 {
  if (!hexText.safeParse(text).success) throw new HttpError(400, 'Invalid hex string')
  const parsed = hashText.safeParse(text)
  if (!parsed.success) throw new HttpError(400, 'Invalid scripthash')
  return toHash32(parsed.data)
}

/** An address of this chain, as the hash of its script. */
export function parseAddress(text: string, network: AddressNetwork): Hash32 {
  const script = decodeAddress(text, network)
  if (script.ok) return hash32FromBytes(sha256(script.value))
  if (script.error.code === 'address-network') {
    throw new HttpError(400, 'Address on invalid network')
  }
  throw new HttpError(400, 'Invalid Bitcoin address')
}
