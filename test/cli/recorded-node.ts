/**
 * A real HTTP server that answers as a node would, from recorded data that a test may change. It
 * derives addresses honestly unless told to lie, and checks the transactions that it is given.
 */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { devnetGenesis } from '../../genesis/devnet.ts'
import { chainId, type Genesis } from '../../genesis/network.ts'
import { decodeAddress, encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { withdrawScript } from '../../src/bitcoin/script.ts'
import { CONSENSUS_FLAGS } from '../../src/bitcoin/script-flags.ts'
import {
  decodeTransaction,
  outPointKey,
  type Transaction,
  type TxOutput,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { verifyInput } from '../../src/bitcoin/verify-input.ts'
import { depositScript } from '../../src/chain/peg/deposit-address.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import { toTxid, toXOnlyKey } from '../../src/primitives/hashes.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'

/** Secret keys 1 … 4 of the validators. */
export const VALIDATOR_SECRETS = [1, 2, 3, 4].map((n) => new Uint8Array(32).fill(n))
export const GENESIS: Genesis = devnetGenesis({
  validators: VALIDATOR_SECRETS.map((secret) => xOnlyPublicKey(secret)),
  recoveryKeys: [xOnlyPublicKey(new Uint8Array(32).fill(9))],
  salt: '11'.repeat(32),
})
export const CHAIN_ID = chainId(GENESIS)
/** Of the secret 7…7. */
export const GROUP_KEY = `02${xOnlyPublicKey(new Uint8Array(32).fill(7))}`
export const SOME_TXID = 'ab'.repeat(32)

export interface FundedCoin {
  readonly script: Uint8Array
  readonly valueSats: number
}

export function nodeStatus(): Record<string, unknown> & { peg: Record<string, unknown> } {
  return {
    version: '0.1.0',
    network: 'devnet',
    chainId: CHAIN_ID,
    addressPrefix: 'bcrt',
    height: 42,
    blockHash: 'cd'.repeat(32),
    blockTimeMs: 1_700_000_000_000,
    synced: true,
    halted: null,
    peers: 3,
    agreement: { height: 43, view: 0 },
    validator: { index: null },
    validators: [],
    mempool: { count: 0, bytes: 0 },
    l1: { network: 'regtest', state: 'ok', height: 110, chainHeight: 107, message: null },
    peg: {
      state: 'open',
      keyEpoch: 0,
      groupKey: GROUP_KEY,
      supply: 900_000,
      pendingReleases: 50_000,
      feeReserve: 1_000,
      inFlightFees: 500,
      reserves: 951_500,
      solvent: true,
      minDepositSats: 10_000,
      minReleaseSats: 10_000,
      l1Depth: 3,
      feeRateSatsPerKvb: 2_000,
      recovery: null,
    },
  }
}

/** Nothing waits, and nobody has voted. */
export function pegLimits(parts: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    l1Height: 107,
    outflow: {
      capSats: 200_000_000,
      usedSats: 0,
      savedSats: 0,
      freeSats: 200_000_000,
      windowL1Blocks: 144,
      frees: [],
    },
    largeReleases: { fromSats: 1_000_000_000, delayL1Blocks: 72 },
    freeze: { frozen: false, since: null, quorum: 3, votes: [] },
    waiting: [],
    ...parts,
  }
}

/** The genesis validators, all online. */
export function federation(parts: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    epoch: 0,
    setHash: SOME_TXID,
    nextEpoch: 1,
    threshold: 3,
    members: GENESIS.validators.map((publicKey, index) => {
      return { index, publicKey, online: true, self: index === 0 }
    }),
    keyEpochs: [],
    pending: null,
    waitingChange: null,
    ...parts,
  }
}

/** The honest deposit address of key epoch 0. */
export function honestDepositAddress(recipient: string): string {
  const decoded = decodeAddress(recipient, { bech32: 'bcrt' })
  if (!decoded.ok) return 'refused'
  const { recovery } = GENESIS.peg
  const script = depositScript({
    chainId: CHAIN_ID,
    epoch: 0,
    groupKey: hexToBytes(GROUP_KEY),
    recovery: { ...recovery, keys: recovery.keys.map(toXOnlyKey) },
    recipient: decoded.value,
  })
  return encodeAddress(script, L1_ADDRESS_NETWORKS.regtest) ?? 'none'
}

export function honestWithdrawAddress(l1Address: string): string {
  const decoded = decodeAddress(l1Address, L1_ADDRESS_NETWORKS.regtest)
  if (!decoded.ok) return 'refused'
  return encodeAddress(withdrawScript(decoded.value), { bech32: 'bcrt' }) ?? 'none'
}

interface Reply {
  readonly status: number
  readonly body: unknown
}

/** An answer, or what makes one from the request's body. */
export type Answer = Reply | ((body: string) => Reply)

export function ok(body: unknown): Reply {
  return { status: 200, body }
}

export function problem(status: number, code: string, detail: string): Reply {
  return { status, body: { type: 'about:blank', title: 'Problem', status, code, detail } }
}

export class RecordedNode {
  readonly url: string
  /** By "METHOD /path?query", before everything below. */
  readonly answers = new Map<string, Answer>()
  readonly requests: string[] = []
  readonly broadcast: Transaction[] = []
  status = nodeStatus()
  readonly #coins = new Map<string, TxOutput>()
  readonly #close: () => void

  private constructor(url: string, close: () => void) {
    this.url = url
    this.#close = close
  }

  static async start(): Promise<RecordedNode> {
    const server = createServer((request, response) => void node.#serve(request, response))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const node = new RecordedNode(`http://127.0.0.1:${port}`, () => {
      server.closeAllConnections()
      server.close()
    })
    return node
  }

  stop(): void {
    this.#close()
  }

  fund(coins: readonly FundedCoin[]): void {
    for (const [i, { script, valueSats }] of coins.entries()) {
      const txid = toTxid((i + 1).toString(16).padStart(64, '0'))
      this.#coins.set(outPointKey({ txid, vout: 0 }), { script, value: sats(valueSats) })
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const line = `${request.method} ${request.url}`
    this.requests.push(line)
    const recorded = this.answers.get(line)
    const reply = recorded === undefined ? this.#answer(line, body) : resolve(recorded, body)
    const text = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body)
    response.writeHead(reply.status).end(text)
  }

  #answer(line: string, body: string): Reply {
    if (line === 'GET /v1/status') return ok(this.status)
    if (line === 'GET /v1/genesis') return ok(GENESIS)
    if (line === 'GET /v1/peg') return ok(pegLimits())
    if (line === 'POST /v1/deposit-address') return depositReply(body)
    if (line.startsWith('GET /v1/withdraw-address')) return withdrawReply(line)
    if (line === 'GET /api/fee-estimates') return ok({ 1: 2, 3: 2, 12: 1 })
    if (line === 'POST /api/tx') return this.#accept(body)
    const script = /^GET \/api\/scripthash\/([0-9a-f]{64})(\/.*)?$/.exec(line)
    if (script !== null) return ok(this.#scriptAnswer(script[1] ?? '', script[2] ?? ''))
    return problem(404, 'not-found', 'there is no such thing')
  }

  #scriptAnswer(hash: string, what: string): unknown {
    const own = [...this.#coins].filter(([, { script }]) => bytesToHex(sha256(script)) === hash)
    if (what === '') {
      return { chain_stats: { tx_count: own.length }, mempool_stats: { tx_count: 0 } }
    }
    const status = { confirmed: true, block_height: 40, block_time: 1_700_000_000 }
    if (what === '/utxo') {
      return own.map(([key, { value }]) => ({
        txid: key.slice(0, 64),
        vout: 0,
        value: Number(value),
        status,
      }))
    }
    return own.map(([key, { script, value }]) => ({
      txid: key.slice(0, 64),
      fee: 0,
      vin: [{ prevout: null }],
      vout: [{ scriptpubkey: bytesToHex(script), value: Number(value) }],
      status,
    }))
  }

  /** Takes only transactions whose every input is validly signed. */
  #accept(body: string): Reply {
    const transaction = decodeTransaction(hexToBytes(body))
    const spent = transaction.inputs.map(({ prevout }) => this.#coins.get(outPointKey(prevout)))
    const known = spent.filter((coin) => coin !== undefined)
    const isValid =
      known.length === spent.length &&
      spent.every((_, i) => verifyInput(transaction, i, known, CONSENSUS_FLAGS).ok)
    if (!isValid) return { status: 400, body: 'bad-txns-inputs-missingorspent' }
    this.broadcast.push(transaction)
    return ok(transactionId(transaction))
  }
}

function resolve(answer: Answer, body: string): Reply {
  return typeof answer === 'function' ? answer(body) : answer
}

function depositReply(body: string): Reply {
  const { recipient } = JSON.parse(body) as { recipient: string }
  const address = honestDepositAddress(recipient)
  return ok({
    address,
    recipient,
    keyEpoch: 0,
    groupKey: GROUP_KEY,
    minDepositSats: 10_000,
    l1Depth: 3,
    uri: `bitcoin:${address}`,
  })
}

function withdrawReply(line: string): Reply {
  const l1Address = decodeURIComponent(line.split('l1Address=')[1] ?? '')
  return ok({
    withdrawAddress: honestWithdrawAddress(l1Address),
    l1Address,
    minReleaseSats: 10_000,
    estimatedFeeSats: 400,
    estimatedSeconds: 3_600,
  })
}

/** A release as the API shows it. */
export function release(parts: Record<string, unknown>): Record<string, unknown> {
  return {
    id: 5,
    burnTxid: SOME_TXID,
    burnVout: 0,
    height: 43,
    valueSats: 50_000,
    l1Address: 'bcrt1qsomewhere',
    l1Script: '0014',
    status: 'queued',
    reason: 'waits for company',
    feeSats: 400,
    netSats: 49_600,
    l1Txid: null,
    replacedL1Txids: [],
    confirmations: 0,
    requiredConfirmations: 3,
    ...parts,
  }
}

/** A deposit as the API shows it. */
export function deposit(parts: Record<string, unknown>): Record<string, unknown> {
  return {
    l1Txid: SOME_TXID,
    vout: 1,
    valueSats: 100_000,
    recipient: 'bcrt1precipient',
    depositAddress: 'bcrt1pdeposit',
    status: 'confirming',
    confirmations: 1,
    requiredConfirmations: 3,
    mintTxid: null,
    mintHeight: null,
    ...parts,
  }
}
