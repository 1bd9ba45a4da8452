/**
 * Where the coins to recover are known from: the data of a stopped node, a proof of reserves, or L1 itself.
 * Whatever the source says, L1 decides which coins are there, when a bitcoind is named.
 */

import { join } from 'node:path'
import { openDepositBook } from '../../../federation/deposits/deposit-book.ts'
import type { BitcoinL1 } from '../../../federation/l1/bitcoin-l1.ts'
import {
  leafSpendOf,
  type RecoveryCoin,
  type RecoveryNetwork,
} from '../../../federation/wallet/recovery-leaf.ts'
import { type ScannedAddress, scanForCoins } from '../../../federation/wallet/recovery-scan.ts'
import { chainParams, parseGenesis } from '../../../genesis/network.ts'
import { decodeAddress } from '../../bitcoin/address.ts'
import { outPointKey } from '../../bitcoin/transaction.ts'
import { memberSets } from '../../chain/member-sets.ts'
import { getPegBooks } from '../../chain/peg/books.ts'
import { CHANGE_RECIPIENT } from '../../chain/peg/deposit-address.ts'
import { findClaimHeight } from '../../chain/peg/deposits.ts'
import { findKeyEpoch } from '../../chain/peg/key-epochs.ts'
import { type ReserveCoin, reserveCoins } from '../../chain/peg/reserves.ts'
import { NAMESPACE, type StateView } from '../../chain/state.ts'
import { checkReservesProof } from '../../chain/verify-reserves-proof.ts'
import { RangedRecords } from '../../node/ranged-records.ts'
import { present } from '../../primitives/assert.ts'
import { bytesToHex, equalBytes, hexToBytes, isHex } from '../../primitives/bytes.ts'
import { installNativeBackends } from '../../runtime/native-backends.ts'
import { openChainDatabase } from '../../storage/chain-database.ts'
import { openDataDirectory } from '../../storage/data-directory.ts'
import { openLevelStore } from '../../storage/level-store.ts'
import { StorageLockedError } from '../../storage/storage-error.ts'
import { CliError, usageError } from '../cli-error.ts'
import type { CommandContext } from '../command-context.ts'
import { EXIT } from '../exit-codes.ts'
import { readJsonFile } from '../json-file.ts'
import { exists, homePaths, openNodeHome } from '../node/node-home.ts'
import { readProofFile, unproven } from '../reserves-verify.ts'
import { type KnownNetwork, knownNetwork, type L1Access } from './recovery-options.ts'

export interface SourceOptions {
  readonly genesis?: string | undefined
  readonly proof?: string | undefined
  readonly scan: boolean
  /** "epoch:key", both as the API shows them. */
  readonly groupKey: readonly string[]
  /** Sidechain addresses. */
  readonly recipient: readonly string[]
}

export interface KnownCoins {
  readonly network: KnownNetwork
  readonly coins: readonly RecoveryCoin[]
  /** Every address of the federation that the source knows. */
  readonly addresses: readonly ScannedAddress[]
  /** Last L1 block that the source knows of; undefined when it knows none. */
  readonly l1Height: number | undefined
}

/** @throws CliError for sources that cannot be used. */
export async function knownCoins(
  context: CommandContext,
  options: SourceOptions,
): Promise<KnownCoins> {
  installNativeBackends(context.io.env)
  if (options.proof !== undefined) return fromProof(options.proof, options.genesis)
  if (options.groupKey.length > 0) return fromKeys(options)
  return fromHome(context)
}

async function networkOf(genesis: string | undefined): Promise<KnownNetwork> {
  if (genesis === undefined) throw usageError('name the network with --genesis FILE')
  return knownNetwork(parseGenesis(await readJsonFile(genesis)))
}

async function fromProof(path: string, genesis: string | undefined): Promise<KnownCoins> {
  if (genesis === undefined) throw usageError('name the network with --genesis FILE')
  const params = chainParams(parseGenesis(await readJsonFile(genesis)))
  const checked = checkReservesProof(params, await readProofFile(path))
  if (!checked.ok) throw unproven(checked.error.code, checked.error.detail)
  const { coins, keyEpochs, l1Height } = checked.value
  const keys = new Map(keyEpochs.map(({ epoch, groupKey }) => [epoch, groupKey]))
  return { ...reserves(coins, keys), network: await networkOf(genesis), l1Height }
}

/** Nothing but the keys: the coins are to be found on L1. */
async function fromKeys({ groupKey, genesis }: SourceOptions): Promise<KnownCoins> {
  const keys = new Map(
    groupKey.map((text) => {
      const [epoch = '', key = ''] = text.split(':')
      if (/^\d{1,6}$/.test(epoch) && isHex(key, 33))
        return [Number(epoch), hexToBytes(key)] as const
      throw usageError(
        `not a key epoch and its group key: ${text}`,
        'e.g. 0:02ab…, 33 bytes of hex',
      )
    }),
  )
  return { ...reserves([], keys), network: await networkOf(genesis), l1Height: undefined }
}

function reserves(
  coins: readonly ReserveCoin[],
  keys: ReadonlyMap<number, Uint8Array>,
): Pick<KnownCoins, 'coins' | 'addresses'> {
  const known = coins.map((coin) => ({
    ...coin,
    groupKey: present(keys.get(coin.keyEpoch), 'group key of a coin'),
  }))
  const change = [...keys].map(([keyEpoch, groupKey]) => ({
    keyEpoch,
    groupKey,
    recipient: CHANGE_RECIPIENT,
  }))
  return { coins: known, addresses: [...change, ...known] }
}

async function fromHome(context: CommandContext): Promise<KnownCoins> {
  const home = await openNodeHome(join(context.home, 'node'), context.io.env)
  const paths = homePaths(home.path)
  if (!(await exists(paths.chain))) {
    throw new CliError(EXIT.notFound, 'no-chain', `the node in ${home.path} has never run`)
  }
  const directory = await openDataDirectory(home.path).catch((cause: unknown) => {
    if (!(cause instanceof StorageLockedError)) throw cause
    throw new CliError(EXIT.failed, 'node-running', cause.message, {
      cause,
      hint: 'stop the node first; or take a proof of reserves: causeway chain verify --out FILE',
    })
  })
  try {
    const network = knownNetwork(home.genesis)
    const view = await stateOnDisk(paths.chain, network)
    const keys = new Map<number, Uint8Array>()
    const { l1Height } = getPegBooks(view)
    for (const { epoch } of memberSets(view)) {
      const key = findKeyEpoch(view, epoch)
      if (key !== undefined) keys.set(epoch, key.groupKey)
    }
    const minted = reserves([...reserveCoins(view)], keys)
    const waiting = await depositsOnDisk(paths.federation, view, keys)
    return {
      network,
      coins: [...minted.coins, ...waiting.coins],
      addresses: [...minted.addresses, ...waiting.addresses],
      l1Height,
    }
  } finally {
    await directory.release()
  }
}

/** What recovery asks of the state, read while the store was open. */
async function stateOnDisk(path: string, network: KnownNetwork): Promise<StateView> {
  const store = await openLevelStore(path)
  try {
    const database = await openChainDatabase(store, { chainId: network.chainId })
    const ranged = new RangedRecords()
    const records = new Map<string, Uint8Array>()
    const wanted = [
      NAMESPACE.reserve,
      NAMESPACE.pegBooks,
      NAMESPACE.epochBooks,
      NAMESPACE.memberSet,
      NAMESPACE.keyEpoch,
      NAMESPACE.claimedDeposit,
    ]
    for (const namespace of wanted) {
      for await (const [key, value] of database.stateRange(namespace)) {
        ranged.load(key, value)
        records.set(key, value)
      }
    }
    return { get: (key) => records.get(key), range: (namespace) => ranged.range(namespace) }
  } finally {
    await store.close()
  }
}

/** Deposits that were paid and never minted, and the addresses that were given out. */
async function depositsOnDisk(
  path: string,
  view: StateView,
  keys: ReadonlyMap<number, Uint8Array>,
): Promise<Pick<KnownCoins, 'coins' | 'addresses'>> {
  if (!(await exists(path))) return { coins: [], addresses: [] }
  const store = await openLevelStore(path)
  try {
    const isMinted = (outPoint: ReserveCoin['outPoint']): boolean =>
      findClaimHeight(view, outPoint) !== undefined
    const book = await openDepositBook(store, { isMinted })
    const withKey = <T extends { readonly keyEpoch: number }>(
      item: T,
    ): readonly (T & { readonly groupKey: Uint8Array })[] => {
      const groupKey = keys.get(item.keyEpoch)
      return groupKey === undefined ? [] : [{ ...item, groupKey }]
    }
    return {
      coins: [...book.waiting.values()].flatMap(withKey),
      addresses: [...book.registrations.values()].flatMap(withKey),
    }
  } finally {
    await store.close()
  }
}

/** Addresses of recipients that the user names, for every key epoch known. */
export function namedAddresses(
  { network, addresses }: KnownCoins,
  recipients: readonly string[],
): readonly ScannedAddress[] {
  const epochs = new Map(addresses.map((address) => [address.keyEpoch, address.groupKey]))
  return recipients.flatMap((text) => {
    const recipient = decodeAddress(text, { bech32: network.addressPrefix })
    if (!recipient.ok) throw usageError(`not an address of the sidechain: ${text}`)
    return [...epochs].map(([keyEpoch, groupKey]) => ({
      keyEpoch,
      groupKey,
      recipient: recipient.value,
    }))
  })
}

export interface FoundCoins {
  readonly coins: readonly RecoveryCoin[]
  /** Known to the source, but not among L1's unspent outputs. */
  readonly gone: readonly RecoveryCoin[]
}

/**
 * The coins whose script derives, each once; with a bitcoind, those that are there, at the height where
 * they are. @throws RecoveryError `address-mismatch`.
 */
export async function coinsToRecover(
  known: KnownCoins,
  access: L1Access | undefined,
  options: SourceOptions,
): Promise<FoundCoins> {
  const found = new Map(known.coins.map((coin) => [outPointKey(coin.outPoint), coin]))
  if (options.scan || options.groupKey.length > 0) {
    if (access === undefined) throw usageError('a scan needs a bitcoind: name it with --l1 URL')
    const addresses = [...known.addresses, ...namedAddresses(known, options.recipient)]
    const scanned = await scanForCoins(access.rpc, known.network, unique(addresses))
    for (const coin of scanned) found.set(outPointKey(coin.outPoint), coin)
  }
  const coins: RecoveryCoin[] = []
  const gone: RecoveryCoin[] = []
  const tip = await access?.l1.tip()
  for (const coin of found.values()) {
    leafSpendOf(known.network, coin)
    const there =
      access === undefined || tip === undefined ? coin : await onL1(access.l1, coin, tip.height)
    if (there === undefined) gone.push(coin)
    else coins.push(there)
  }
  return { coins, gone }
}

function unique(addresses: readonly ScannedAddress[]): readonly ScannedAddress[] {
  const byText = addresses.map(
    (address) => [`${address.keyEpoch}:${bytesToHex(address.recipient)}`, address] as const,
  )
  return [...new Map(byText).values()]
}

async function onL1(
  l1: BitcoinL1,
  coin: RecoveryCoin,
  tipHeight: number,
): Promise<RecoveryCoin | undefined> {
  const found = await l1.findUnspent(coin.outPoint)
  if (found === undefined || found.confirmations === 0) return undefined
  if (found.value !== coin.value || !equalBytes(found.script, coin.script)) return undefined
  return { ...coin, l1Height: tipHeight - found.confirmations + 1 }
}

/** For messages: how many keys of how many. */
export function policyText({ recovery }: RecoveryNetwork): string {
  return `${recovery.threshold} of ${recovery.keys.length} keys, after ${recovery.delayBlocks} L1 blocks`
}
