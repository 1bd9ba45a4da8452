/**
 * L1 over the JSON-RPC of a bitcoind: Bitcoin Core 26 or later, or Knots. It works pruned, without
 * transaction index and without wallet. Hashes, headers and blocks are checked against each other, so
 * a node can lie about what is in its chain but not about what a block contains. Tips come by
 * polling; ZMQ is not used.
 */

import { decodeHeader, headerHash } from '../../src/bitcoin/header.ts'
import {
  decodeTransaction,
  type OutPoint,
  type Transaction,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import type { L1Network } from '../../src/chain/params.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import type { BlockHash, Txid } from '../../src/primitives/hashes.ts'
import type { Logger, Timers } from '../../src/runtime/runtime.ts'
import {
  type BitcoinL1,
  L1_GENESIS,
  type L1Acceptance,
  type L1Block,
  type L1BlockSummary,
  type L1BroadcastOutcome,
  type L1HeaderStatus,
  type L1Unspent,
  type Unsubscribe,
} from './bitcoin-l1.ts'
import {
  ACCEPTANCE_ANSWER,
  BLOCK_HASH_ANSWER,
  checkAnswer,
  decodeAnswer,
  FEE_ESTIMATE_ANSWER,
  HEADER_ANSWER,
  MEMPOOL_ENTRY_ANSWER,
  MEMPOOL_INFO_ANSWER,
  RAW_ANSWER,
  RAW_HEADER_ANSWER,
  TXID_ANSWER,
  TXIDS_ANSWER,
  UNSPENT_ANSWER,
} from './bitcoind-answers.ts'
import { decodeBitcoinBlock, L1_BLOCK_BYTES_MAX } from './block-codec.ts'
import { createJsonRpcClient, type JsonRpcClient } from './json-rpc-client.ts'
import { L1ProtocolError, L1RpcError, L1WrongNetworkError } from './l1-error.ts'
import { TipPoller } from './tip-poller.ts'

export interface BitcoindOptions {
  readonly network: L1Network
  /** `http://host:port`, or `http://user:password@host:port`. */
  readonly url: string
  /** bitcoind's `.cookie`, where the URL holds no credentials. */
  readonly cookiePath?: string
  /** Of one call; by default 30 seconds. */
  readonly timeoutMs?: number
  /** How often the tip is asked for; by default every second. */
  readonly pollIntervalMs?: number
}

const POLL_INTERVAL_MS = 1_000
/** Two hex digits a byte, and the envelope. */
const BLOCK_RESPONSE_BYTES_MAX = 2 * L1_BLOCK_BYTES_MAX + 1_024
/** 500,000 txids of 67 characters. */
const MEMPOOL_RESPONSE_BYTES_MAX = 40 << 20

/** bitcoind's error codes, `rpc/protocol.h`. */
const CODE_MISC = -1
const CODE_NOT_FOUND = -5
const CODE_OUT_OF_RANGE = -8
const CODE_UNDECODABLE = -22
const CODE_REFUSED = -25
const CODE_REJECTED = -26
const CODE_IN_CHAIN = -27
const REFUSALS: ReadonlySet<number> = new Set([CODE_UNDECODABLE, CODE_REFUSED, CODE_REJECTED])

/** @throws L1ConfigurationError */
export function createBitcoindL1(
  options: BitcoindOptions,
  runtime: { readonly timers: Timers; readonly log: Logger },
): BitcoinL1 {
  return new BitcoindL1(options, createJsonRpcClient(options), runtime)
}

class BitcoindL1 implements BitcoinL1 {
  readonly network: L1Network
  readonly #rpc: JsonRpcClient
  readonly #poller: TipPoller

  constructor(
    options: BitcoindOptions,
    rpc: JsonRpcClient,
    { timers, log }: { readonly timers: Timers; readonly log: Logger },
  ) {
    this.network = options.network
    this.#rpc = rpc
    this.#poller = new TipPoller({
      intervalMs: options.pollIntervalMs ?? POLL_INTERVAL_MS,
      askTip: () => this.tip(),
      timers,
      log,
    })
  }

  async checkNetwork(): Promise<void> {
    const expected = L1_GENESIS[this.network]
    const actual = await this.blockHashAt(0)
    if (actual !== expected) throw new L1WrongNetworkError(this.network, expected, actual)
  }

  async tip(): Promise<L1BlockSummary> {
    const hash = checkAnswer(
      'getbestblockhash',
      BLOCK_HASH_ANSWER,
      await this.#rpc.call('getbestblockhash', []),
    )
    const status = await this.header(hash)
    if (status === undefined) {
      throw new L1ProtocolError('getblockheader: the node does not know its own tip')
    }
    return { hash, height: status.height, header: status.header }
  }

  async blockHashAt(height: number): Promise<BlockHash | undefined> {
    const answer = await this.#findable('getblockhash', [height], isOutOfRange)
    if (answer === undefined) return undefined
    return checkAnswer('getblockhash', BLOCK_HASH_ANSWER, answer)
  }

  async header(hash: BlockHash): Promise<L1HeaderStatus | undefined> {
    const verbose = await this.#findable('getblockheader', [hash, true], isNotFound)
    if (verbose === undefined) return undefined
    const { height, confirmations, ...named } = checkAnswer(
      'getblockheader',
      HEADER_ANSWER,
      verbose,
    )
    const raw = await this.#rpc.call('getblockheader', [hash, false])
    const header = checkAnswer('getblockheader', RAW_HEADER_ANSWER, raw)
    if (named.hash !== hash || headerHash(decodeHeader(header)) !== hash) {
      throw new L1ProtocolError('getblockheader: the header of another block')
    }
    const inBestChain = confirmations > 0
    return { header, height, inBestChain, confirmations: inBestChain ? confirmations : 0 }
  }

  async block(hash: BlockHash): Promise<L1Block | undefined> {
    const status = await this.header(hash)
    if (status === undefined) return undefined
    const limits = { responseBytesMax: BLOCK_RESPONSE_BYTES_MAX }
    const answer = await this.#findable('getblock', [hash, 0], isBlockUnavailable, limits)
    if (answer === undefined) return undefined
    const bytes = checkAnswer('getblock', RAW_ANSWER, answer)
    const { header, transactions } = decodeAnswer('getblock', () => decodeBitcoinBlock(bytes))
    if (headerHash(header) !== hash) throw new L1ProtocolError('getblock: another block')
    return { hash, height: status.height, header: status.header, transactions }
  }

  async findUnspent(
    { txid, vout }: OutPoint,
    options: { readonly includeMempool?: boolean } = {},
  ): Promise<L1Unspent | undefined> {
    const parameters = [txid, vout, options.includeMempool ?? false]
    const answer = await this.#rpc.call('gettxout', parameters)
    const coin = checkAnswer('gettxout', UNSPENT_ANSWER, answer)
    if (coin === null) return undefined
    const { value, confirmations, coinbase, scriptPubKey } = coin
    return { value, script: scriptPubKey.hex, confirmations, coinbase }
  }

  async testAccept(rawTransaction: Uint8Array): Promise<L1Acceptance> {
    // The second parameter, 0, lifts bitcoind's own ceiling on the fee rate: ours is consensus.
    const parameters = [[bytesToHex(rawTransaction)], 0]
    let answer: unknown
    try {
      answer = await this.#rpc.call('testmempoolaccept', parameters)
    } catch (error) {
      if (!hasCode(error, CODE_UNDECODABLE)) throw error
      return { allowed: false, reason: error.reason }
    }
    const [entry] = checkAnswer('testmempoolaccept', ACCEPTANCE_ANSWER, answer)
    if (entry.allowed === true) return { allowed: true }
    const reason = entry['reject-reason'] ?? entry['package-error'] ?? 'refused without a reason'
    return { allowed: false, reason }
  }

  async broadcast(rawTransaction: Uint8Array): Promise<L1BroadcastOutcome> {
    // bitcoind says the same for a transaction that is new and for one that its mempool holds.
    const known = await this.#isKnown(rawTransaction)
    try {
      const answer = await this.#rpc.call('sendrawtransaction', [bytesToHex(rawTransaction), 0])
      checkAnswer('sendrawtransaction', TXID_ANSWER, answer)
      return { result: known ? 'already-known' : 'accepted' }
    } catch (error) {
      if (!(error instanceof L1RpcError)) throw error
      if (error.code === CODE_IN_CHAIN) return { result: 'confirmed' }
      if (REFUSALS.has(error.code)) return { result: 'rejected', reason: error.reason }
      throw error
    }
  }

  async #isKnown(rawTransaction: Uint8Array): Promise<boolean> {
    const txid = findTxid(rawTransaction)
    return txid !== undefined && (await this.isInMempool(txid))
  }

  async isInMempool(txid: Txid): Promise<boolean> {
    const answer = await this.#findable('getmempoolentry', [txid], isNotFound)
    if (answer === undefined) return false
    checkAnswer('getmempoolentry', MEMPOOL_ENTRY_ANSWER, answer)
    return true
  }

  async mempoolTransaction(txid: Txid): Promise<Transaction | undefined> {
    // With a transaction index getrawtransaction finds confirmed ones too: ask the mempool first.
    if (!(await this.isInMempool(txid))) return undefined
    const limits = { responseBytesMax: BLOCK_RESPONSE_BYTES_MAX }
    const answer = await this.#findable('getrawtransaction', [txid, false], isNotFound, limits)
    if (answer === undefined) return undefined
    const bytes = checkAnswer('getrawtransaction', RAW_ANSWER, answer)
    const transaction = decodeAnswer('getrawtransaction', () => decodeTransaction(bytes))
    if (transactionId(transaction) !== txid) {
      throw new L1ProtocolError('getrawtransaction: another transaction')
    }
    return transaction
  }

  async mempoolTransactionIds(): Promise<readonly Txid[]> {
    const limits = { responseBytesMax: MEMPOOL_RESPONSE_BYTES_MAX }
    return checkAnswer(
      'getrawmempool',
      TXIDS_ANSWER,
      await this.#rpc.call('getrawmempool', [], limits),
    )
  }

  async estimateFeeRate(targetBlocks: number): Promise<number | undefined> {
    const answer = await this.#rpc.call('estimatesmartfee', [targetBlocks])
    const { feerate } = checkAnswer('estimatesmartfee', FEE_ESTIMATE_ANSWER, answer)
    if (feerate === undefined) return undefined
    const info = await this.#rpc.call('getmempoolinfo', [])
    const { mempoolminfee } = checkAnswer('getmempoolinfo', MEMPOOL_INFO_ANSWER, info)
    return Math.max(feerate, mempoolminfee)
  }

  onBlock(handler: (tip: L1BlockSummary) => void): Unsubscribe {
    return this.#poller.subscribe(handler)
  }

  close(): Promise<void> {
    this.#poller.close()
    this.#rpc.close()
    return Promise.resolve()
  }

  /** The result of a call; undefined when the node's error means that there is none. */
  async #findable(
    method: string,
    parameters: readonly unknown[],
    meansAbsent: (error: L1RpcError) => boolean,
    limits: { readonly responseBytesMax?: number } = {},
  ): Promise<unknown> {
    try {
      return (await this.#rpc.call(method, parameters, limits)) ?? null
    } catch (error) {
      if (error instanceof L1RpcError && meansAbsent(error)) return undefined
      throw error
    }
  }
}

function hasCode(error: unknown, code: number): error is L1RpcError {
  return error instanceof L1RpcError && error.code === code
}

function isNotFound(error: L1RpcError): boolean {
  return error.code === CODE_NOT_FOUND
}

function isOutOfRange(error: L1RpcError): boolean {
  return error.code === CODE_OUT_OF_RANGE
}

/** Pruned away, or its header came before its body. */
function isBlockUnavailable(error: L1RpcError): boolean {
  return isNotFound(error) || (error.code === CODE_MISC && /not available/i.test(error.reason))
}

/** Of bytes that decode as a transaction; the node judges the others. */
function findTxid(rawTransaction: Uint8Array): Txid | undefined {
  try {
    return transactionId(decodeTransaction(rawTransaction))
  } catch (cause) {
    if (cause instanceof DecodeError) return undefined
    throw cause
  }
}
