/** A node's Esplora API as any program on the network sees it: HTTP and nothing else. */

import { until } from '../../src/cli/devnet/until.ts'

/** For whatever a busy machine may take; reaching it means that it never comes. */
export const PATIENCE_MS = 90_000
export const TEST_TIMEOUT_MS = 200_000

export interface HttpReply {
  readonly status: number
  readonly text: string
}

export interface TransactionJson {
  readonly txid: string
  readonly fee: number
  readonly vin: readonly {
    readonly txid: string
    readonly vout: number
    readonly is_pegin?: boolean
  }[]
  readonly vout: readonly {
    readonly scriptpubkey: string
    readonly scriptpubkey_type: string
    readonly scriptpubkey_address?: string
    readonly value: number
    readonly pegout?: { readonly scriptpubkey_address?: string }
  }[]
  readonly status: StatusJson
}

export interface StatusJson {
  readonly confirmed: boolean
  readonly block_height?: number
  readonly block_hash?: string
}

export interface UtxoJson {
  readonly txid: string
  readonly vout: number
  readonly value: number
  readonly status: StatusJson
}

export interface FinalPlace {
  readonly height: number
  readonly blockHash: string
}

export class EsploraHttp {
  /** With `/api`, as clients are configured. */
  readonly url: string

  constructor(nodeUrl: string) {
    this.url = `${nodeUrl}/api`
  }

  async request(path: string, body?: string): Promise<HttpReply> {
    const init = body === undefined ? {} : { method: 'POST', body }
    const response = await fetch(`${this.url}${path}`, init)
    return { status: response.status, text: await response.text() }
  }

  async text(path: string): Promise<string> {
    const { status, text } = await this.request(path)
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${text}`)
    return text
  }

  async json<T>(path: string): Promise<T> {
    return JSON.parse(await this.text(path)) as T
  }

  async bytes(path: string): Promise<Uint8Array> {
    const response = await fetch(`${this.url}${path}`)
    if (response.status !== 200) throw new Error(`GET ${path}: ${response.status}`)
    return new Uint8Array(await response.arrayBuffer())
  }

  transaction(txid: string): Promise<TransactionJson> {
    return this.json(`/tx/${txid}`)
  }

  async tipHeight(): Promise<number> {
    return Number(await this.text('/blocks/tip/height'))
  }

  /** Returns the txid. */
  async broadcast(hex: string): Promise<string> {
    const { status, text } = await this.request('/tx', hex)
    if (status !== 200) throw new Error(`broadcast: ${status} ${text}`)
    return text
  }

  /** Waits until the transaction is in a block, which is final. */
  async whenFinal(txid: string): Promise<FinalPlace> {
    return await until(
      async () => {
        const status = await this.json<StatusJson>(`/tx/${txid}/status`)
        const { block_height: height, block_hash: blockHash } = status
        if (height === undefined || blockHash === undefined) return undefined
        return { height, blockHash }
      },
      { timeoutMs: PATIENCE_MS, what: `${txid} to be final`, intervalMs: 25 },
    )
  }
}
