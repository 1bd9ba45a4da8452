/**
 * A node's configuration: `config.toml`, checked once and strictly. Flags override the environment,
 * which overrides the file, which overrides the defaults; an unknown key is an error that names it.
 */

import { parse, TomlError } from 'smol-toml'
import { z } from 'zod'

/** A configuration that cannot be used. The message says where and what to do. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

const port = z.number().int().min(0).max(65_535)
const multiaddr = z.string().regex(/^\/(?:ip4|ip6|dns4|dns6|dns)\/.+\/tcp\/\d+/)

const configSchema = z.strictObject({
  log_level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info'),
  p2p: z
    .strictObject({
      listen: z.array(multiaddr).default(['/ip4/0.0.0.0/tcp/9735']),
      peers: z.array(multiaddr).default([]),
    })
    .prefault({}),
  api: z
    .strictObject({
      enabled: z.boolean().default(true),
      host: z.string().default('127.0.0.1'),
      port: port.default(3080),
    })
    .prefault({}),
  l1: z
    .strictObject({
      url: z.url({ protocol: /^https?$/ }),
      cookie_file: z.string().optional(),
      user: z.string().optional(),
      password: z.string().optional(),
    })
    .optional(),
})

export type NodeConfig = z.infer<typeof configSchema>

/** @throws ConfigError */
export function parseConfig(toml: string, fileName: string): NodeConfig {
  const parsed = configSchema.safeParse(parseToml(toml, fileName))
  if (parsed.success) return checkL1(parsed.data, fileName)
  const issue = parsed.error.issues[0]
  const keys = issue?.code === 'unrecognized_keys' ? issue.keys : []
  const line = lineOf(toml, String(keys[0] ?? issue?.path.at(-1) ?? ''))
  const where = line === undefined ? fileName : `${fileName}:${line}`
  throw new ConfigError(`${where}: ${z.prettifyError(parsed.error)}`)
}

function parseToml(toml: string, fileName: string): unknown {
  try {
    return parse(toml)
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause
    throw new ConfigError(`${fileName}:${cause.line}: ${cause.message}`, { cause })
  }
}

function checkL1(config: NodeConfig, fileName: string): NodeConfig {
  const { l1 } = config
  if (l1 === undefined) return config
  if ((l1.user === undefined) !== (l1.password === undefined)) {
    throw new ConfigError(`${fileName}: [l1] needs both user and password, or neither`)
  }
  if (l1.user === undefined && l1.cookie_file === undefined) {
    throw new ConfigError(`${fileName}: [l1] needs cookie_file, or user and password`)
  }
  return config
}

/** First line that sets a key, counted from 1. */
function lineOf(toml: string, key: string): number | undefined {
  if (key === '') return undefined
  const index = toml
    .split('\n')
    .findIndex((line) => line.trimStart().startsWith(key) || line.includes(`[${key}]`))
  return index === -1 ? undefined : index + 1
}

export interface ConfigValues {
  readonly listen: readonly string[]
  readonly peers: readonly string[]
  readonly apiPort: number
  readonly logLevel: NodeConfig['log_level']
  readonly l1: NodeConfig['l1']
}

/** A `config.toml` with every key and what it means. */
export function formatConfig(values: ConfigValues): string {
  const quoted = (items: readonly string[]): string =>
    `[${items.map((item) => JSON.stringify(item)).join(', ')}]`
  const { l1 } = values
  return `# Causeway node. Flags and CAUSEWAY_… variables override this file.

# debug, info, warn, error or silent; JSON lines on standard error.
log_level = "${values.logLevel}"

[p2p]
# Addresses to listen on.
listen = ${quoted(values.listen)}
# Addresses, with /p2p/<peer id>, to stay connected to. Name every other validator.
peers = ${quoted(values.peers)}

[api]
enabled = true
# Reachable from this machine only, unless told otherwise.
host = "127.0.0.1"
port = ${values.apiPort}
${
  l1 === undefined
    ? `
# This node's own bitcoind (no wallet, no txindex needed). A validator needs one.
# [l1]
# url = "http://127.0.0.1:8332"
# cookie_file = "/home/bitcoin/.bitcoin/.cookie"
`
    : `
# This node's own bitcoind (no wallet, no txindex needed).
[l1]
url = ${JSON.stringify(l1.url)}
${l1.cookie_file === undefined ? '# cookie_file = "/home/bitcoin/.bitcoin/.cookie"' : `cookie_file = ${JSON.stringify(l1.cookie_file)}`}
${l1.user === undefined ? '# user = ""\n# password = ""' : `user = ${JSON.stringify(l1.user)}\npassword = ${JSON.stringify(l1.password ?? '')}`}
`
}`
}
