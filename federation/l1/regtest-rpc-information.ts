/** RPC methods that describe the embedded node and its mempool. Shapes are Bitcoin Core 29's. */

import type { RegtestChain } from './regtest-chain.ts'
import type { RpcMethod } from './regtest-rpc-method.ts'
import { MIN_RELAY_FEE_SATS_PER_KVB } from './regtest-rules.ts'
import { btc, chainWork, mempoolEntryView, REGTEST_DIFFICULTY } from './regtest-views.ts'
import { type RpcArguments, RpcCode, RpcFailure } from './rpc-arguments.ts'

/** The release whose answers these are. */
const CORE_VERSION = 290_000
const SUBVERSION = '/Satoshi:29.0.0(causeway-regtest)/'
const PROTOCOL_VERSION = 70_016
const FEE_TARGET_MAX = 1_008
const MIN_RELAY_FEE_BTC = btc(BigInt(MIN_RELAY_FEE_SATS_PER_KVB))

export const INFORMATION_METHODS: readonly (readonly [string, RpcMethod])[] = [
  ['getblockchaininfo', { parameters: [], run: getBlockchainInfo }],
  ['getnetworkinfo', { parameters: [], run: getNetworkInfo }],
  ['getindexinfo', { parameters: ['index_name'], run: () => ({}) }],
  ['getblockcount', { parameters: [], run: (chain) => chain.tip().height }],
  ['getbestblockhash', { parameters: [], run: (chain) => chain.tip().hash }],
  ['getrawmempool', { parameters: ['verbose', 'mempool_sequence'], run: getRawMempool }],
  ['getmempoolinfo', { parameters: [], run: getMempoolInfo }],
  ['getmempoolentry', { parameters: ['txid'], run: getMempoolEntry }],
  ['estimatesmartfee', { parameters: ['conf_target', 'estimate_mode'], run: estimateSmartFee }],
]

function getBlockchainInfo(chain: RegtestChain): unknown {
  const tip = chain.tip()
  const { time, bits } = tip.block.header
  return {
    chain: 'regtest',
    blocks: tip.height,
    headers: tip.height,
    bestblockhash: tip.hash,
    bits: bits.toString(16),
    difficulty: REGTEST_DIFFICULTY,
    time,
    mediantime: chain.medianTimePast(tip),
    verificationprogress: 1,
    initialblockdownload: false,
    chainwork: chainWork(tip.height),
    size_on_disk: 0,
    pruned: false,
    warnings: [],
  }
}

function getNetworkInfo(): unknown {
  return {
    version: CORE_VERSION,
    subversion: SUBVERSION,
    protocolversion: PROTOCOL_VERSION,
    localservices: '0000000000000009',
    localservicesnames: ['NETWORK', 'WITNESS'],
    localrelay: true,
    timeoffset: 0,
    networkactive: false,
    connections: 0,
    connections_in: 0,
    connections_out: 0,
    networks: [],
    relayfee: MIN_RELAY_FEE_BTC,
    incrementalfee: MIN_RELAY_FEE_BTC,
    localaddresses: [],
    warnings: [],
  }
}

function getRawMempool(chain: RegtestChain, args: RpcArguments): unknown {
  const entries = chain.mempool.entries()
  if (!args.boolean(0, false)) return entries.map((entry) => entry.txid)
  return Object.fromEntries(
    entries.map((entry) => [entry.txid, mempoolEntryView(chain.mempool, entry)]),
  )
}

function getMempoolInfo(chain: RegtestChain): unknown {
  const entries = chain.mempool.entries()
  return {
    loaded: true,
    size: entries.length,
    bytes: entries.reduce((sum, entry) => sum + entry.vsize, 0),
    total_fee: btc(entries.reduce((sum, entry) => sum + entry.fee, 0n)),
    mempoolminfee: MIN_RELAY_FEE_BTC,
    minrelaytxfee: MIN_RELAY_FEE_BTC,
    incrementalrelayfee: MIN_RELAY_FEE_BTC,
    unbroadcastcount: 0,
    fullrbf: true,
  }
}

function getMempoolEntry(chain: RegtestChain, args: RpcArguments): unknown {
  const entry = chain.mempool.find(args.txid(0))
  if (entry === undefined) throw new RpcFailure(RpcCode.NOT_FOUND, 'Transaction not in mempool')
  return mempoolEntryView(chain.mempool, entry)
}

/** A chain without a fee market has nothing to estimate from. */
function estimateSmartFee(_: RegtestChain, args: RpcArguments): unknown {
  const target = args.integer(0)
  if (target < 1 || target > FEE_TARGET_MAX) {
    throw new RpcFailure(
      RpcCode.PARAMETER,
      `Invalid conf_target, must be between 1 and ${FEE_TARGET_MAX}`,
    )
  }
  return { errors: ['Insufficient data or no feerate found'], blocks: target }
}
