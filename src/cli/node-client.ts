/** A client of a node's HTTP API: bounded requests, checked answers, errors with exit codes. */

import { z } from 'zod'
import { isHex } from '../primitives/bytes.ts'
import { boundedFetch, type HttpAnswer } from '../wallet/bounded-fetch.ts'
import { CliError } from './cli-error.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { MemberChangeFile } from './member-change-file.ts'
import {
  certificateAnswer,
  claimAnswer,
  depositAddressAnswer,
  depositsAnswer,
  esploraBlockAnswer,
  esploraTransactionAnswer,
  evidenceListAnswer,
  federationAnswer,
  handoversAnswer,
  pegLimitsAnswer,
  problemAnswer,
  releaseAnswer,
  releasesAnswer,
  reservesAnswer,
  statusAnswer,
  testedTransactionsAnswer,
  withdrawAddressAnswer,
} from './node-answers.ts'

export interface NodeClientOptions {
  /** Without trailing slash. */
  readonly apiUrl: string
  readonly signal: AbortSignal
  /** For each request. @default 15_000 */
  readonly timeoutMs?: number
}

const MAX_ANSWER_BYTES = 32_000_000
/** A proof of reserves has a kilobyte or two a coin. */
const MAX_PROOF_BYTES = 1 << 30
const PROOF_TIMEOUT_MS = 150_000
const RESERVES_PAGE = 1_000
const RESERVES_COINS_MAX = 100_000
const RESERVES_TRIES_MAX = 5

interface Post {
  readonly json: object
}

/** Every method @throws CliError; SourceError when no usable answer comes at all. */
export class NodeClient {
  readonly apiUrl: string
  readonly #options: NodeClientOptions

  constructor(options: NodeClientOptions) {
    this.apiUrl = options.apiUrl
    this.#options = options
  }

  status(): Promise<z.infer<typeof statusAnswer>> {
    return this.#json('/v1/status', statusAnswer)
  }

  /** The genesis file, unchecked: for `parseGenesis`. */
  genesis(): Promise<unknown> {
    return this.#json('/v1/genesis', z.unknown())
  }

  depositAddress(recipient: string): Promise<z.infer<typeof depositAddressAnswer>> {
    return this.#json('/v1/deposit-address', depositAddressAnswer, { json: { recipient } })
  }

  deposits(recipient: string | undefined): Promise<z.infer<typeof depositsAnswer>> {
    const query = recipient === undefined ? '' : `?recipient=${encodeURIComponent(recipient)}`
    return this.#json(`/v1/deposits${query}`, depositsAnswer)
  }

  claimDeposit(claim: {
    readonly l1Txid: string
    readonly vout: number
    readonly recipient: string
  }): Promise<z.infer<typeof claimAnswer>> {
    return this.#json('/v1/deposits/claim', claimAnswer, { json: claim })
  }

  withdrawAddress(l1Address: string): Promise<z.infer<typeof withdrawAddressAnswer>> {
    const query = `?l1Address=${encodeURIComponent(l1Address)}`
    return this.#json(`/v1/withdraw-address${query}`, withdrawAddressAnswer)
  }

  releases(limit: number): Promise<z.infer<typeof releasesAnswer>> {
    return this.#json(`/v1/releases?limit=${limit}`, releasesAnswer)
  }

  /** By sequence number, or by the burn's "txid:vout". */
  release(id: string): Promise<z.infer<typeof releaseAnswer>> {
    return this.#json(`/v1/releases/${encodeURIComponent(id)}`, releaseAnswer)
  }

  /** All coins, of one block: where blocks come too fast for that, it says so. */
  async reserves(): Promise<z.infer<typeof reservesAnswer>> {
    for (let attempt = 0; attempt < RESERVES_TRIES_MAX; attempt++) {
      const whole = await this.#reservesOfOneBlock()
      if (whole !== undefined) return whole
    }
    throw new CliError(
      EXIT.failed,
      'reserves-moving',
      'the reserves change while they are listed',
      {
        hint: 'a proof is of one block: causeway chain verify',
      },
    )
  }

  /** Undefined when a block came between two pages. */
  async #reservesOfOneBlock(): Promise<z.infer<typeof reservesAnswer> | undefined> {
    const first = await this.#json(`/v1/reserves?limit=${RESERVES_PAGE}`, reservesAnswer)
    const coins = [...first.coins]
    for (let { next } = first; next !== null; ) {
      if (coins.length > RESERVES_COINS_MAX) return undefined
      const path = `/v1/reserves?limit=${RESERVES_PAGE}&after=${encodeURIComponent(next)}`
      const page = await this.#json(path, reservesAnswer)
      if (page.height !== first.height || page.coins.length === 0) return undefined
      coins.push(...page.coins)
      next = page.next
    }
    return { ...first, coins, next: null }
  }

  /** A proof of reserves, unchecked: for `checkReservesProof`. */
  async reservesProof(): Promise<Uint8Array> {
    const limits = { timeoutMs: PROOF_TIMEOUT_MS, maxBytes: MAX_PROOF_BYTES }
    return (await this.#request('/v1/proofs/reserves', undefined, limits)).body
  }

  federation(): Promise<z.infer<typeof federationAnswer>> {
    return this.#json('/v1/federation', federationAnswer)
  }

  peg(): Promise<z.infer<typeof pegLimitsAnswer>> {
    return this.#json('/v1/peg', pegLimitsAnswer)
  }

  /** Encoded, in hex. */
  submitFreezeVote(vote: string): Promise<z.infer<typeof claimAnswer>> {
    return this.#json('/v1/freeze-votes', claimAnswer, { json: { vote } })
  }

  submitMemberChange(
    change: Pick<MemberChangeFile, 'epoch' | 'threshold' | 'members' | 'approvals'>,
  ): Promise<z.infer<typeof claimAnswer>> {
    return this.#json('/v1/federation/member-change', claimAnswer, { json: change })
  }

  evidence(limit: number): Promise<z.infer<typeof evidenceListAnswer>> {
    return this.#json(`/v1/evidence?limit=${limit}`, evidenceListAnswer)
  }

  handovers(): Promise<z.infer<typeof handoversAnswer>> {
    return this.#json('/v1/handovers', handoversAnswer)
  }

  certificate(height: number): Promise<z.infer<typeof certificateAnswer>> {
    return this.#json(`/v1/blocks/${height}/certificate`, certificateAnswer)
  }

  async blockHash(height: number): Promise<string> {
    return this.#hash(`/api/block-height/${height}`)
  }

  tipHash(): Promise<string> {
    return this.#hash('/api/blocks/tip/hash')
  }

  block(hash: string): Promise<z.infer<typeof esploraBlockAnswer>> {
    return this.#json(`/api/block/${hash}`, esploraBlockAnswer)
  }

  transaction(txid: string): Promise<z.infer<typeof esploraTransactionAnswer>> {
    return this.#json(`/api/tx/${txid}`, esploraTransactionAnswer)
  }

  /** Raw transactions in hex; nothing is sent on. */
  testTransactions(hexes: readonly string[]): Promise<z.infer<typeof testedTransactionsAnswer>> {
    return this.#json('/api/txs/test', testedTransactionsAnswer, { json: hexes })
  }

  async #hash(path: string): Promise<string> {
    const answer = await this.#request(path)
    const hash = decodeText(answer.body).trim()
    if (isHex(hash, 32)) return hash
    throw new CliError(EXIT.failed, 'bad-answer', `${this.apiUrl}${path} answered no block hash`)
  }

  async #json<T>(path: string, schema: z.ZodType<T>, post?: Post): Promise<T> {
    const answer = await this.#request(path, post)
    const json = parseJson(answer)
    if (json === undefined) {
      throw new CliError(
        EXIT.failed,
        'bad-answer',
        `${this.apiUrl}${path} answered something that is not JSON`,
        { hint: 'is this a causeway node? check --api' },
      )
    }
    const parsed = schema.safeParse(json)
    if (parsed.success) return parsed.data
    throw new CliError(
      EXIT.failed,
      'bad-answer',
      `${this.apiUrl}${path} answered something unexpected: ${z.prettifyError(parsed.error)}`,
      { cause: parsed.error },
    )
  }

  async #request(
    path: string,
    post?: Post,
    chosen: { readonly timeoutMs?: number; readonly maxBytes?: number } = {},
  ): Promise<HttpAnswer> {
    const request: RequestInit =
      post === undefined
        ? {}
        : {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(post.json),
          }
    const limits = {
      timeoutMs: chosen.timeoutMs ?? this.#options.timeoutMs ?? 15_000,
      maxBytes: chosen.maxBytes ?? MAX_ANSWER_BYTES,
      signal: this.#options.signal,
    }
    const answer = await boundedFetch(`${this.apiUrl}${path}`, limits, request)
    if (answer.status >= 200 && answer.status < 300) return answer
    throw refusal(answer)
  }
}

function decodeText(body: Uint8Array): string {
  return new TextDecoder().decode(body)
}

function parseJson(answer: HttpAnswer): unknown {
  try {
    return JSON.parse(decodeText(answer.body))
  } catch {
    return undefined
  }
}

/** problem+json of /v1, or Esplora's plain text, as an error with the exit code of its status. */
function refusal(answer: HttpAnswer): CliError {
  const problem = problemAnswer.safeParse(parseJson(answer))
  const plain = decodeText(answer.body.subarray(0, 300))
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim()
  const data = problem.success ? problem.data : {}
  const reason = data.detail ?? data.title ?? (plain === '' ? `HTTP ${answer.status}` : plain)
  const code = data.code ?? defaultCode(answer.status)
  const hint = HINTS[code]
  return new CliError(
    exitCodeOf(answer.status),
    code,
    `the node answered: ${reason}`,
    hint === undefined ? {} : { hint },
  )
}

const HINTS: Readonly<Record<string, string | undefined>> = {
  'not-synced': 'wait until it has caught up: causeway chain tip',
  'peg-closed': 'the federation has no key yet: causeway federation members',
}

function exitCodeOf(status: number): ExitCode {
  if (status === 404) return EXIT.notFound
  if (status === 401 || status === 403) return EXIT.auth
  if (status === 503) return EXIT.syncing
  if (status === 408 || status === 504) return EXIT.timedOut
  return status >= 400 && status < 500 ? EXIT.rejected : EXIT.failed
}

function defaultCode(status: number): string {
  if (status === 404) return 'not-found'
  if (status === 401 || status === 403) return 'not-allowed'
  if (status === 503) return 'not-synced'
  return status >= 400 && status < 500 ? 'rejected' : 'failed'
}
