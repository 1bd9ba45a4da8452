/**
 * A node's configuration: `config.toml`, checked once and strictly. Flags override the environment,
 * which overrides the file, which overrides the defaults; an unknown key is an error that names it.
 */

import { parse, TomlError, type TomlTable } from 'smol-toml'
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
  validation: z
    .strictObject({
      script_cache: z.boolean().default(true),
      /** Worker threads for signature checks; without it one for every core but the first. */
      threads: z.int().min(0).max(15).optional(),
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

/**
 * Variables of the environment, and the key each one overrides. Lists are separated by commas. A key
 * of `[l1]` makes that table when the file has none.
 */
export const CONFIG_VARIABLES = {
  CAUSEWAY_LOG_LEVEL: ['log_level', 'text'],
  CAUSEWAY_P2P_LISTEN: ['p2p.listen', 'list'],
  CAUSEWAY_P2P_PEERS: ['p2p.peers', 'list'],
  CAUSEWAY_API_ENABLED: ['api.enabled', 'boolean'],
  CAUSEWAY_API_HOST: ['api.host', 'text'],
  CAUSEWAY_API_PORT: ['api.port', 'number'],
  CAUSEWAY_VALIDATION_SCRIPT_CACHE: ['validation.script_cache', 'boolean'],
  CAUSEWAY_VALIDATION_THREADS: ['validation.threads', 'number'],
  CAUSEWAY_L1_URL: ['l1.url', 'text'],
  CAUSEWAY_L1_COOKIE_FILE: ['l1.cookie_file', 'text'],
  CAUSEWAY_L1_USER: ['l1.user', 'text'],
  CAUSEWAY_L1_PASSWORD: ['l1.password', 'text'],
} as const satisfies Readonly<Record<string, readonly [key: string, kind: VariableKind]>>

type VariableKind = 'text' | 'list' | 'boolean' | 'number'
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The configuration of a file with the environment's overrides. @throws ConfigError that names the
 * line of the file, or the variable.
 */
export function parseConfig(
  toml: string,
  fileName: string,
  environment: Environment = {},
): NodeConfig {
  const values = parseToml(toml, fileName)
  const overridden = override(values, environment)
  const parsed = configSchema.safeParse(values)
  if (parsed.success) return checkL1(parsed.data, fileName)
  const [issue] = parsed.error.issues
  const keys = issue?.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []
  const path = [...(issue?.path ?? []), ...keys].filter((part) => typeof part === 'string')
  const variable = overridden.get(path.join('.'))
  const line = lineOf(toml, path)
  const where = variable ?? (line === undefined ? fileName : `${fileName}:${line}`)
  throw new ConfigError(`${where}: ${z.prettifyError(parsed.error)}`)
}

/** Puts the environment's values into the file's; returns the variable behind each changed key. */
function override(values: TomlTable, environment: Environment): ReadonlyMap<string, string> {
  const overridden = new Map<string, string>()
  for (const [variable, [key, kind]] of Object.entries(CONFIG_VARIABLES)) {
    const text = environment[variable]
    if (text === undefined || text === '') continue
    const [head = '', name] = key.split('.')
    if (name === undefined) {
      values[head] = valueOf(text, kind)
    } else {
      const table = values[head] ?? {}
      // Not a table: the schema says so.
      if (!isTable(table)) continue
      values[head] = { ...table, [name]: valueOf(text, kind) }
    }
    overridden.set(key, variable)
  }
  return overridden
}

/** What cannot be read as its kind stays text, for the schema to refuse. */
function valueOf(text: string, kind: VariableKind): TomlTable[string] {
  switch (kind) {
    case 'text':
      return text
    case 'list':
      return text.split(',').map((item) => item.trim())
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text
    case 'number':
      return /^\d{1,9}$/.test(text) ? Number(text) : text
  }
}

function isTable(value: unknown): value is TomlTable {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
  )
}

function parseToml(toml: string, fileName: string): TomlTable {
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

const TABLE_LINE = /^\s*\[\s*([\w.-]+)\s*\]/
const KEY_LINE = /^\s*"?([\w.-]+)"?\s*=/

/** The line, counted from 1, that sets a key; failing that, the one that opens its table. */
function lineOf(toml: string, path: readonly string[]): number | undefined {
  const wanted = path.join('.')
  let table = ''
  let best: { readonly line: number; readonly length: number } | undefined
  for (const [index, text] of toml.split('\n').entries()) {
    table = TABLE_LINE.exec(text)?.[1] ?? table
    const key = KEY_LINE.exec(text)?.[1]
    const here = [table, key ?? ''].filter((part) => part !== '').join('.')
    const isPart = wanted === here || wanted.startsWith(`${here}.`)
    if (isPart && here.length > (best?.length ?? 0)) best = { line: index + 1, length: here.length }
  }
  return best?.line
}

export interface ConfigValues {
  readonly listen: readonly string[]
  readonly peers: readonly string[]
  readonly apiPort: number
  readonly logLevel: NodeConfig['log_level']
  readonly l1: NodeConfig['l1']
}

const quoted = (items: readonly string[]): string =>
  `[${items.map((item) => JSON.stringify(item)).join(', ')}]`

/** A `config.toml` with every key and what it means. */
export function formatConfig(values: ConfigValues): string {
  const { l1 } = values
  return `# Causeway node. Flags override the environment (CAUSEWAY_API_PORT for port in [api], and so on),
# which overrides this file.

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

[validation]
# Remember which transactions have passed script checks on their way in, so that a block's need not
# run again. Off: every block checks everything; the verdicts are the same, only later.
script_cache = true
# Threads that check signatures beside the main one; one for every other core unless set.
# threads = 1
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
