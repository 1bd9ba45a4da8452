/**
 * bitcoind's RPC methods over an embedded regtest chain: what nodes, explorers and `bitcoin-cli`-like
 * clients ask a node without wallet and transaction index. Codes and shapes are Bitcoin Core 29's.
 * Left out: wallets, peers, mining pools' calls; `testmempoolaccept` judges each transaction alone.
 */

import { decodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import {
  decodeTransaction,
  encodeTransaction,
  type Transaction,
  transactionId,
  transactionVsize,
  witnessTransactionId,
} from '../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { decodeBitcoinBlock } from './block-codec.ts'
import type { RegtestBlock, RegtestChain } from './regtest-chain.ts'
import { findRegtestCoin } from './regtest-coin-lookup.ts'
import type { MempoolEntry } from './regtest-mempool.ts'
import { INFORMATION_METHODS } from './regtest-rpc-information.ts'
import type { RpcMethod } from './regtest-rpc-method.ts'
import {
  blockView,
  btc,
  headerView,
  rawHeader,
  scriptView,
  transactionView,
} from './regtest-views.ts'
import { hexArgument, type RpcArguments, RpcCode, RpcFailure } from './rpc-arguments.ts'

/** Core's default -maxfeerate, bitcoin per 1,000 virtual bytes. */
const FEE_RATE_CEILING = 0.1
const TEST_ACCEPT_MAX = 25
const NO_TRANSACTION =
  'No such mempool transaction. Use -txindex or provide a block hash to enable blockchain ' +
  'transaction queries. Use gettransaction for wallet transactions.'

/** By name. */
export const REGTEST_METHODS: ReadonlyMap<string, RpcMethod> = new Map<string, RpcMethod>([
  ...INFORMATION_METHODS,
  ['getblockhash', { parameters: ['height'], run: getBlockHash }],
  ['getblockheader', { parameters: ['blockhash', 'verbose'], run: getBlockHeader }],
  ['getblock', { parameters: ['blockhash', 'verbosity'], run: getBlock }],
  ['getrawtransaction', { parameters: ['txid', 'verbosity', 'blockhash'], run: getRawTransaction }],
  ['gettxout', { parameters: ['txid', 'n', 'include_mempool'], run: getTxOut }],
  [
    'sendrawtransaction',
    { parameters: ['hexstring', 'maxfeerate', 'maxburnamount'], run: sendRawTransaction },
  ],
  ['testmempoolaccept', { parameters: ['rawtxs', 'maxfeerate'], run: testMempoolAccept }],
  ['submitblock', { parameters: ['hexdata', 'dummy'], run: submitBlock }],
  ['generatetoaddress', { parameters: ['nblocks', 'address', 'maxtries'], run: generateToAddress }],
  ['generateblock', { parameters: ['output', 'transactions', 'submit'], run: generateBlock }],
  ['invalidateblock', { parameters: ['blockhash'], run: invalidateBlock }],
  ['reconsiderblock', { parameters: ['blockhash'], run: reconsiderBlock }],
])

function getBlockHash(chain: RegtestChain, args: RpcArguments): string {
  const block = chain.blockAt(args.integer(0))
  if (block === undefined) throw new RpcFailure(RpcCode.PARAMETER, 'Block height out of range')
  return block.hash
}

function blockArgument(chain: RegtestChain, args: RpcArguments, index: number): RegtestBlock {
  const block = chain.findBlock(args.blockHash(index))
  if (block === undefined) throw new RpcFailure(RpcCode.NOT_FOUND, 'Block not found')
  return block
}

function getBlockHeader(chain: RegtestChain, args: RpcArguments): unknown {
  const block = blockArgument(chain, args, 0)
  return args.boolean(1, true) ? headerView(chain, block) : rawHeader(block)
}

function getBlock(chain: RegtestChain, args: RpcArguments): unknown {
  return blockView(chain, blockArgument(chain, args, 0), args.verbosity(1, 1))
}

function getRawTransaction(chain: RegtestChain, args: RpcArguments): unknown {
  const txid = args.txid(0)
  const isVerbose = args.verbosity(1, 0) > 0
  if (!args.has(2)) {
    const entry = chain.mempool.find(txid)
    if (entry === undefined) throw new RpcFailure(RpcCode.NOT_FOUND, NO_TRANSACTION)
    return isVerbose ? transactionView(entry.transaction) : hexOf(entry.transaction)
  }
  const block = blockArgument(chain, args, 2)
  const found = block.block.transactions.find((each) => transactionId(each) === txid)
  if (found === undefined) {
    throw new RpcFailure(
      RpcCode.NOT_FOUND,
      'No such transaction found in the provided block. Use gettransaction for wallet transactions.',
    )
  }
  if (!isVerbose) return hexOf(found)
  const { confirmations, time } = headerView(chain, block)
  return {
    in_active_chain: chain.isInBestChain(block),
    ...transactionView(found),
    blockhash: block.hash,
    confirmations: confirmations === -1 ? 0 : confirmations,
    time,
    blocktime: time,
  }
}

function hexOf(transaction: Transaction): string {
  return bytesToHex(encodeTransaction(transaction))
}

function getTxOut(chain: RegtestChain, args: RpcArguments): unknown {
  const outPoint = { txid: args.txid(0), vout: args.integer(1) }
  if (outPoint.vout < 0) throw new RpcFailure(RpcCode.PARAMETER, 'Invalid parameter, vout')
  const coin = findRegtestCoin(chain, outPoint, args.boolean(2, true) ? 'mempool' : 'chain')
  if (coin === undefined) return null
  return {
    bestblock: chain.tip().hash,
    confirmations: coin.confirmations,
    value: btc(coin.value),
    scriptPubKey: scriptView(coin.script),
    coinbase: coin.coinbase,
  }
}

/** @throws RpcFailure */
function transactionArgument(text: string): Transaction {
  try {
    const bytes = hexArgument(text)
    if (bytes !== undefined) return decodeTransaction(bytes)
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
  }
  throw new RpcFailure(
    RpcCode.UNDECODABLE,
    'TX decode failed. Make sure the tx has at least one input.',
  )
}

/** A ceiling of 0 means none. */
function exceedsRate({ fee, vsize }: MempoolEntry, ceiling: number): boolean {
  return ceiling > 0 && btc(fee) * 1_000 > ceiling * vsize
}

function sendRawTransaction(chain: RegtestChain, args: RpcArguments): string {
  const transaction = transactionArgument(args.text(0))
  const ceiling = args.rate(1, FEE_RATE_CEILING)
  const trial = chain.mempool.check(transaction)
  if (trial.ok && exceedsRate(trial.value, ceiling)) {
    throw new RpcFailure(
      RpcCode.REFUSED,
      'Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)',
    )
  }
  const verdict = trial.ok ? chain.mempool.add(transaction) : trial
  if (verdict.ok) return verdict.value.txid
  const { code, detail } = verdict.error
  if (code === 'txn-already-in-mempool') return transactionId(transaction)
  if (code === 'txn-already-known') {
    throw new RpcFailure(RpcCode.IN_CHAIN, 'Transaction outputs already in utxo set')
  }
  if (code === 'missing-inputs') {
    throw new RpcFailure(RpcCode.REFUSED, 'bad-txns-inputs-missingorspent')
  }
  throw new RpcFailure(RpcCode.REJECTED, detail === undefined ? code : `${code}, ${detail}`)
}

function testMempoolAccept(chain: RegtestChain, args: RpcArguments): unknown {
  const texts = args.texts(0)
  if (texts.length === 0 || texts.length > TEST_ACCEPT_MAX) {
    throw new RpcFailure(
      RpcCode.PARAMETER,
      `Array must contain between 1 and ${TEST_ACCEPT_MAX} transactions.`,
    )
  }
  const ceiling = args.rate(1, FEE_RATE_CEILING)
  return texts.map(transactionArgument).map((each) => acceptanceView(chain, each, ceiling))
}

function acceptanceView(chain: RegtestChain, transaction: Transaction, ceiling: number): unknown {
  const ids = { txid: transactionId(transaction), wtxid: witnessTransactionId(transaction) }
  const verdict = chain.mempool.check(transaction)
  if (!verdict.ok) return { ...ids, allowed: false, 'reject-reason': verdict.error.code }
  if (exceedsRate(verdict.value, ceiling)) {
    return { ...ids, allowed: false, 'reject-reason': 'max-fee-exceeded' }
  }
  const base = btc(verdict.value.fee)
  return { ...ids, allowed: true, vsize: transactionVsize(transaction), fees: { base } }
}

async function submitBlock(chain: RegtestChain, args: RpcArguments): Promise<string | null> {
  const block = blockHexArgument(args.text(0))
  const accepted = await chain.submit(block)
  if (!accepted.ok) return accepted.error.code
  return chain.isInBestChain(accepted.value) ? null : 'inconclusive'
}

function blockHexArgument(text: string): ReturnType<typeof decodeBitcoinBlock> {
  try {
    const bytes = hexArgument(text)
    if (bytes !== undefined) return decodeBitcoinBlock(bytes)
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
  }
  throw new RpcFailure(RpcCode.UNDECODABLE, 'Block decode failed')
}

/** @throws RpcFailure */
function addressArgument(text: string): Uint8Array {
  const script = decodeAddress(text, L1_ADDRESS_NETWORKS.regtest)
  if (!script.ok) throw new RpcFailure(RpcCode.NOT_FOUND, 'Error: Invalid address')
  return script.value
}

async function generateToAddress(chain: RegtestChain, args: RpcArguments): Promise<unknown> {
  const count = args.integer(0)
  const script = addressArgument(args.text(1))
  try {
    return await chain.mine(count, script)
  } catch (cause) {
    if (cause instanceof RangeError) throw new RpcFailure(RpcCode.PARAMETER, cause.message)
    throw cause
  }
}

/** Transactions are given raw, or as txids of the mempool. */
async function generateBlock(chain: RegtestChain, args: RpcArguments): Promise<unknown> {
  const script = addressArgument(args.text(0))
  const transactions = args.texts(1).map((text) => {
    const entry = chain.mempool.entries().find(({ txid }) => txid === text.toLowerCase())
    return entry?.transaction ?? transactionArgument(text)
  })
  if (!args.boolean(2, true)) throw new RpcFailure(RpcCode.PARAMETER, 'submit must be true')
  const mined = await chain.mineExactly(script, transactions)
  if (mined.ok) return { hash: mined.value }
  const reason = `TestBlockValidity failed: ${mined.error.code}`
  throw new RpcFailure(RpcCode.REFUSED, reason)
}

async function invalidateBlock(chain: RegtestChain, args: RpcArguments): Promise<null> {
  const block = blockArgument(chain, args, 0)
  if (block.height === 0) throw new RpcFailure(RpcCode.PARAMETER, 'block 0 is always valid')
  await chain.invalidate(block.hash)
  return null
}

async function reconsiderBlock(chain: RegtestChain, args: RpcArguments): Promise<null> {
  await chain.reconsider(blockArgument(chain, args, 0).hash)
  return null
}
