/**
 * Accounts: BIP84 (P2WPKH) and BIP86 (P2TR, key path only) over BIP32, and their BIP380 output
 * descriptors. An `Account` is public data: it makes every address, and signs nothing.
 * Only account 0 is used; only the two branches of BIP44 (0 receive, 1 change) exist.
 */

import { HDKey, type Versions } from '@scure/bip32'
import { p2trScript, p2wpkhScript } from '../bitcoin/script.ts'
import { taprootOutputKey } from '../bitcoin/taproot.ts'
import { present } from '../primitives/assert.ts'
import { hash160 } from '../primitives/sha256.ts'
import { withDescriptorChecksum } from './descriptor-checksum.ts'

export type ScriptKind = 'p2tr' | 'p2wpkh'
/** SLIP44: 0 for bitcoin with value, 1 for every test network. */
export type CoinType = 0 | 1
/** BIP44: 0 receive, 1 change. */
export type Branch = 0 | 1

export interface Account {
  readonly kind: ScriptKind
  readonly coinType: CoinType
  /** BIP32 fingerprint of the master key, 8 hex digits. */
  readonly fingerprint: string
  /** Extended public key of the account, m/purpose'/coin'/0'. */
  readonly xpub: string
}

export interface KeyPath {
  readonly branch: Branch
  readonly index: number
}

export interface DerivedScript extends KeyPath {
  readonly script: Uint8Array
  /** Compressed, 33 bytes; for P2TR the internal key before the BIP86 tweak. */
  readonly publicKey: Uint8Array
}

const PURPOSE: Readonly<Record<ScriptKind, number>> = { p2wpkh: 84, p2tr: 86 }

/** BIP32 version bytes: xpub/xprv, and tpub/tprv. */
const VERSIONS: Readonly<Record<CoinType, Versions>> = {
  0: { public: 0x0488b21e, private: 0x0488ade4 },
  1: { public: 0x043587cf, private: 0x04358394 },
}

/** Non-hardened BIP32 indices end here. */
export const MAX_KEY_INDEX = 0x7fffffff

/** "86h/1h/0h", the way descriptors write it. */
function accountPath(kind: ScriptKind, coinType: CoinType): string {
  return `${PURPOSE[kind]}h/${coinType}h/0h`
}

/** "m/86'/1'/0'/branch/index". */
export function keyPathText(account: Account, path: KeyPath): string {
  return `m/${PURPOSE[account.kind]}'/${account.coinType}'/0'/${path.branch}/${path.index}`
}

/** The account's extended private key, from a BIP39 seed. */
export function accountKey(seed: Uint8Array, kind: ScriptKind, coinType: CoinType): HDKey {
  const master = HDKey.fromMasterSeed(seed, VERSIONS[coinType])
  return master.derive(`m/${PURPOSE[kind]}'/${coinType}'/0'`)
}

export function accountFromSeed(seed: Uint8Array, kind: ScriptKind, coinType: CoinType): Account {
  const master = HDKey.fromMasterSeed(seed, VERSIONS[coinType])
  return {
    kind,
    coinType,
    fingerprint: master.fingerprint.toString(16).padStart(8, '0'),
    xpub: accountKey(seed, kind, coinType).publicExtendedKey,
  }
}

/** BIP84/BIP86 output script of a 33-byte compressed key. */
export function accountScript(kind: ScriptKind, publicKey: Uint8Array): Uint8Array {
  if (kind === 'p2wpkh') return p2wpkhScript(hash160(publicKey))
  // BIP86: the internal key is tweaked with no script tree.
  const output = taprootOutputKey(publicKey.subarray(1))
  return p2trScript(present(output, 'taproot output key of a valid key').key)
}

/** Derives an account's scripts, each at most once. */
export class AccountScripts {
  readonly account: Account
  readonly #branches: readonly [HDKey, HDKey]
  readonly #derived = new Map<string, DerivedScript>()

  /** @throws when the xpub is malformed or of another coin type. */
  constructor(account: Account) {
    const key = HDKey.fromExtendedKey(account.xpub, VERSIONS[account.coinType])
    this.account = account
    this.#branches = [key.deriveChild(0), key.deriveChild(1)]
  }

  derive(branch: Branch, index: number): DerivedScript {
    const id = `${branch}/${index}`
    const known = this.#derived.get(id)
    if (known !== undefined) return known
    const publicKey = present(
      this.#branches[branch].deriveChild(index).publicKey,
      'public key of a derived key',
    )
    const script = accountScript(this.account.kind, publicKey)
    const derived: DerivedScript = { branch, index, script, publicKey }
    this.#derived.set(id, derived)
    return derived
  }
}

/**
 * BIP389 descriptor of both branches with its BIP380 checksum, e.g.
 * `tr([73c5da0a/86h/1h/0h]tpub…/<0;1>/*)#checksum`.
 */
export function accountDescriptor(account: Account): string {
  const origin = `[${account.fingerprint}/${accountPath(account.kind, account.coinType)}]`
  const key = `${origin}${account.xpub}/<0;1>/*`
  return withDescriptorChecksum(account.kind === 'p2tr' ? `tr(${key})` : `wpkh(${key})`)
}
