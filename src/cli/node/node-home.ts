/**
 * A node's home directory: configuration, genesis, keys, and where the rest goes.
 *
 *   config.toml  genesis.json
 *   keys/node.key  keys/validator.key     32-byte secrets as hex, mode 0600
 *   keys/share.key  keys/shares/          the member's shares of group keys, encrypted by the key file
 *   chain/  federation/                   LevelDB
 *   journal/consensus.log  journal/signing.log
 *   member-change                         an approved change that no block has yet, if there is one
 */

import { mkdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Genesis, parseGenesis } from '../../../genesis/network.ts'
import {
  type ConfigValues,
  type Environment,
  formatConfig,
  type NodeConfig,
  parseConfig,
} from '../../node/config.ts'
import { bytesToHex, hexToBytes, isHex, utf8 } from '../../primitives/bytes.ts'
import { readSecretFile, writeFileDurably } from '../../storage/durable-file.ts'

/** A home directory that cannot be used. The message says what to do. */
export class HomeError extends Error {
  override readonly name = 'HomeError'
}

export interface NodeHome {
  readonly path: string
  readonly config: NodeConfig
  readonly genesis: Genesis
  /** Ed25519 seed of the libp2p identity. */
  readonly nodeSecret: Uint8Array
  /** Validator key; a node without one only follows. */
  readonly validatorSecret: Uint8Array | undefined
}

export const homePaths = (home: string) => ({
  config: join(home, 'config.toml'),
  genesis: join(home, 'genesis.json'),
  keys: join(home, 'keys'),
  nodeKey: join(home, 'keys', 'node.key'),
  validatorKey: join(home, 'keys', 'validator.key'),
  shareKey: join(home, 'keys', 'share.key'),
  shares: join(home, 'keys', 'shares'),
  chain: join(home, 'chain'),
  federation: join(home, 'federation'),
  journal: join(home, 'journal'),
  memberChange: join(home, 'member-change'),
})

export interface NewHome {
  readonly genesis: Genesis
  readonly config: ConfigValues
  readonly nodeSecret: Uint8Array
  readonly validatorSecret: Uint8Array | undefined
}

/** @throws HomeError when there is a node already. */
export async function createNodeHome(path: string, home: NewHome): Promise<void> {
  const paths = homePaths(path)
  if (await exists(paths.config)) {
    throw new HomeError(`${path} holds a node already; choose another --home`)
  }
  await mkdir(paths.keys, { recursive: true, mode: 0o700 })
  await mkdir(paths.journal, { recursive: true, mode: 0o700 })
  await writeSecret(paths.nodeKey, home.nodeSecret)
  if (home.validatorSecret !== undefined)
    await writeSecret(paths.validatorKey, home.validatorSecret)
  await writeFileDurably(
    paths.genesis,
    utf8(`${JSON.stringify(home.genesis, undefined, 2)}\n`),
    0o644,
  )
  // Last: a home with a configuration is whole. It may hold a password.
  await writeFileDurably(paths.config, utf8(formatConfig(home.config)), 0o600)
}

/** @throws HomeError, ConfigError, GenesisError, and storage's errors for keys others can read. */
export async function openNodeHome(path: string, environment: Environment = {}): Promise<NodeHome> {
  const paths = homePaths(path)
  if (!(await exists(paths.config))) {
    throw new HomeError(`no node in ${path}; create one with: causeway node init --home ${path}`)
  }
  const isValidator = await exists(paths.validatorKey)
  return {
    path,
    config: parseConfig(await readFile(paths.config, 'utf8'), paths.config, environment),
    genesis: await readGenesis(paths.genesis),
    nodeSecret: await readSecret(paths.nodeKey),
    validatorSecret: isValidator ? await readSecret(paths.validatorKey) : undefined,
  }
}

/** @throws HomeError when it cannot be read or is not JSON, GenesisError when it is not a genesis. */
export async function readGenesis(path: string): Promise<Genesis> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new HomeError(`cannot read ${path}`, { cause })
  })
  return parseGenesis(parseJson(text, path))
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new HomeError(`${path} is not JSON`, { cause })
  }
}

async function writeSecret(path: string, secret: Uint8Array): Promise<void> {
  await writeFileDurably(path, utf8(`${bytesToHex(secret)}\n`), 0o600)
}

/** 32 bytes of hex in a file that nobody else can read. @throws HomeError, and storage's errors. */
export async function readSecret(path: string): Promise<Uint8Array> {
  const text = new TextDecoder().decode(await readSecretFile(path)).trim()
  if (!isHex(text, 32)) throw new HomeError(`${path} does not hold 32 bytes of hex`)
  return hexToBytes(text)
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
