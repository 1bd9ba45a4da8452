/**
 * The devnet that other people's clients are run against: four validators, the embedded L1, and a
 * treasury that pays the tests from one deposit. L1 blocks come only when something here mines them.
 */

import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { type Devnet, startDevnet, type Validator } from '../../src/cli/devnet/devnet.ts'
import { until } from '../../src/cli/devnet/until.ts'
import { present } from '../../src/primitives/assert.ts'
import { sats } from '../../src/primitives/units.ts'
import { createSystemRuntime } from '../../src/runtime/system-runtime.ts'
import { bitcoinjsAddress, bitcoinjsKeyHash } from './bitcoinjs-client.ts'
import { EsploraHttp, PATIENCE_MS } from './esplora-http.ts'
import { type ClientCoin, type ClientOutput, testSecret } from './spend-kind.ts'

const TREASURY_FEE = 2_000n

export interface AcceptanceNet {
  readonly devnet: Devnet
  /** The first validator's API, which clients talk to. */
  readonly api: EsploraHttp
  /** Another validator's, which learns of it from the first. */
  readonly other: EsploraHttp
  readonly treasury: Treasury
  stop(options: { readonly keepFolder: boolean }): Promise<void>
}

export interface Recipient {
  readonly address: string
  readonly value: bigint
}

/** Starts the devnet and an empty treasury. */
export async function startAcceptanceNet(): Promise<AcceptanceNet> {
  const folder = mkdtempSync(join(tmpdir(), 'causeway-acceptance-'))
  const devnet = await startDevnet({
    folder,
    l1: { kind: 'embedded' },
    validators: 4,
    apiPort: 0,
    runtime: createSystemRuntime({ logLevel: 'silent' }),
    signal: new AbortController().signal,
    report: () => undefined,
  })
  const api = new EsploraHttp(validatorOf(devnet, 0).apiUrl)
  return {
    devnet,
    api,
    other: new EsploraHttp(validatorOf(devnet, 3).apiUrl),
    treasury: new Treasury(api),
    async stop({ keepFolder }) {
      await devnet.stop()
      if (keepFolder) process.stderr.write(`data and logs of the failed tests: ${folder}\n`)
      else await rm(folder, { recursive: true, force: true })
    },
  }
}

export function validatorOf(devnet: Devnet, index: number): Validator {
  return present(devnet.validators[index], 'validator')
}

/** One L1 transaction that brings bitcoin in for everybody; the coins minted, in the same order. */
export async function bringIn(
  { devnet, api }: AcceptanceNet,
  recipients: readonly Recipient[],
): Promise<ClientCoin[]> {
  const { client } = validatorOf(devnet, 0)
  const outputs = []
  for (const { address, value } of recipients) {
    const deposit = await client.depositAddress(address)
    const script = decodeAddress(deposit.address, L1_ADDRESS_NETWORKS.regtest)
    if (!script.ok) throw new Error(`not an L1 address: ${deposit.address}`)
    outputs.push({ script: script.value, value: sats(value) })
  }
  await devnet.faucet.payAll(outputs)
  return await Promise.all(recipients.map((recipient) => mintedCoin(devnet, api, recipient)))
}

async function mintedCoin(
  devnet: Devnet,
  api: EsploraHttp,
  { address, value }: Recipient,
): Promise<ClientCoin> {
  const { client } = validatorOf(devnet, 0)
  const txid = await until(
    async () => {
      const [found] = (await client.deposits(address)).deposits
      if (found?.status === 'minted') return present(found.mintTxid, 'mint')
      if (found === undefined || found.confirmations < found.requiredConfirmations) {
        await devnet.faucet.mine(1)
      }
      return undefined
    },
    { timeoutMs: PATIENCE_MS, what: 'the mint' },
  )
  const { vout } = await api.transaction(txid)
  return { txid, vout: vout.findIndex((output) => output.scriptpubkey_address === address), value }
}

/** Money for the tests: one coin at a time, each payment's change is the next one's coin. */
class Treasury {
  readonly #kind = bitcoinjsKeyHash(testSecret(0x77))
  readonly #api: EsploraHttp
  readonly #payments: string[] = []
  #coin: ClientCoin | undefined

  constructor(api: EsploraHttp) {
    this.#api = api
  }

  get script(): Uint8Array {
    return this.#kind.script
  }

  get address(): string {
    return bitcoinjsAddress(this.#kind.script)
  }

  get balance(): bigint {
    return present(this.#coin, 'treasury coin').value
  }

  /** Txids of everything that it ever paid, oldest first. */
  get payments(): readonly string[] {
    return this.#payments
  }

  receive(coin: ClientCoin): void {
    this.#coin = coin
  }

  /** Pays and waits until it is final; the coins made, in the order of the outputs. */
  async pay(...outputs: readonly ClientOutput[]): Promise<ClientCoin[]> {
    const coin = present(this.#coin, 'treasury coin')
    const spent = outputs.reduce((sum, output) => sum + output.value, TREASURY_FEE)
    const change = { script: this.script, value: coin.value - spent }
    const txid = await this.#api.broadcast(this.#kind.spend(coin, [...outputs, change]))
    this.#coin = { txid, vout: outputs.length, value: change.value }
    this.#payments.push(txid)
    await this.#api.whenFinal(txid)
    return outputs.map(({ value }, vout) => ({ txid, vout, value }))
  }

  /** Pays one output. */
  async payOne(script: Uint8Array, value: bigint): Promise<ClientCoin> {
    const [coin] = await this.pay({ script, value })
    return present(coin, 'coin')
  }
}
