/** A user of a devnet, with wallets of their own and nothing but the command line. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { p2wpkhScript } from '../../src/bitcoin/script.ts'
import { type CliIo, createSystemIo } from '../../src/cli/cli-io.ts'
import type { Devnet } from '../../src/cli/devnet/devnet.ts'
import { runCli } from '../../src/cli/main.ts'
import { present } from '../../src/primitives/assert.ts'
import { utf8 } from '../../src/primitives/bytes.ts'
import { hash160 } from '../../src/primitives/sha256.ts'
import { validatorOf } from './devnet.ts'

export interface CliAnswer {
  readonly exitCode: number
  readonly json: unknown
}

export interface DevnetUser {
  /** The home directory. */
  readonly home: string
  /** Whose HTTP API is used from now on: an index of a validator, or a URL. */
  asks(node: number | string): void
  /** Runs `causeway … --json`. */
  run(...argv: readonly string[]): Promise<CliAnswer>
  /** The same, when it has to succeed. */
  command(...argv: readonly string[]): Promise<unknown>
  /** The wallet's address at this position. */
  address(index: number): Promise<string>
  /** The L1 address for payments to `recipient`; the federation watches it from now on. */
  depositAddress(recipient: string): Promise<string>
  /** Txid of a payment on the sidechain. */
  send(sats: number, address: string): Promise<string>
  /** Txid of the burn. */
  release(sats: number, l1Address: string): Promise<string>
}

const system = createSystemIo()

/** Makes a wallet. */
export async function createUser(devnet: Devnet, name: string): Promise<DevnetUser> {
  const home = join(devnet.folder, `user-${name}`)
  mkdirSync(home, { mode: 0o700 })
  let asked: number | string = 0

  async function run(...argv: readonly string[]): Promise<CliAnswer> {
    let out = ''
    const io: CliIo = {
      ...system,
      stdinIsTerminal: false,
      out: (text) => {
        out += text
      },
      err: () => undefined,
    }
    const api = typeof asked === 'string' ? asked : validatorOf(devnet, asked).apiUrl
    const exitCode = await runCli([...argv, '--json', '--quiet', '--api', api, '--home', home], io)
    return { exitCode, json: JSON.parse(out) }
  }

  async function command(...argv: readonly string[]): Promise<unknown> {
    const { exitCode, json } = await run(...argv)
    if (exitCode === 0) return json
    throw new Error(`causeway ${argv.join(' ')} ended with ${exitCode}: ${JSON.stringify(json)}`)
  }

  await command('wallet', 'create', '--no-passphrase')
  return {
    home,
    asks(node) {
      asked = node
    },
    run,
    command,
    address: async (index) =>
      addressAnswer.parse(await command('wallet', 'address', '--index', String(index))).address,
    depositAddress: async (recipient) =>
      addressAnswer.parse(await command('peg', 'deposit-address', recipient)).address,
    send: async (sats, address) =>
      sentAnswer.parse(await command('wallet', 'send', String(sats), address, '--sats', '--yes'))
        .txid,
    release: async (sats, l1Address) =>
      sentAnswer.parse(await command('peg', 'release', String(sats), l1Address, '--sats', '--yes'))
        .txid,
  }
}

const addressAnswer = z.object({ address: z.string() }).loose()
const sentAnswer = z.object({ txid: z.string() }).loose()

export interface L1Payee {
  readonly address: string
  readonly script: Uint8Array
}

/** Somebody on L1, or on the sidechain where addresses look the same; nobody else has this name. */
export function createPayee(name: string): L1Payee {
  const script = p2wpkhScript(hash160(utf8(name)))
  return {
    script,
    address: present(encodeAddress(script, L1_ADDRESS_NETWORKS.regtest), 'address'),
  }
}
