/**
 * A devnet's folder: what was decided when it was made, so that a second start goes on where it
 * stopped. One home per validator, the keys for a recovery, and secrets that are worth nothing.
 */

import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { devnetGenesis } from '../../../genesis/devnet.ts'
import type { NodeConfig } from '../../node/config.ts'
import { peerIdOfSeed } from '../../p2p/identity.ts'
import { bytesToHex, utf8 } from '../../primitives/bytes.ts'
import { xOnlyPublicKey } from '../../primitives/secp256k1.ts'
import { writeFileDurably } from '../../storage/durable-file.ts'
import { createNodeHome, exists } from '../node/node-home.ts'

const secret = z.string().regex(/^[0-9a-f]{64}$/)
const devnetSchema = z.strictObject({
  version: z.literal(1),
  l1: z.strictObject({
    kind: z.enum(['embedded', 'bitcoind', 'url']),
    rpcPort: z.number().int(),
    /** For `bitcoind` its program, for `url` the address with credentials. */
    target: z.string(),
  }),
  validators: z.array(z.strictObject({ home: z.string(), apiPort: z.number().int() })),
  /** Pays for deposits on L1: the key that blocks are mined to. */
  faucetSecret: secret,
  recoverySecrets: z.array(secret),
})

export type DevnetFiles = z.infer<typeof devnetSchema>

/** A devnet folder that cannot be used. */
export class DevnetError extends Error {
  override readonly name = 'DevnetError'
}

export interface NewDevnet {
  readonly folder: string
  readonly l1: DevnetFiles['l1']
  /** How the validators reach L1. */
  readonly l1Access: NonNullable<NodeConfig['l1']>
  readonly p2pPorts: readonly number[]
  readonly apiPorts: readonly number[]
}

const RECOVERY_KEYS = 3

export async function findDevnet(folder: string): Promise<DevnetFiles | undefined> {
  const path = join(folder, 'devnet.json')
  if (!(await exists(path))) return undefined
  const parsed = devnetSchema.safeParse(JSON.parse(await readFile(path, 'utf8')))
  if (!parsed.success) {
    throw new DevnetError(`${path} is not a devnet of this version; remove ${folder} to start anew`)
  }
  return parsed.data
}

/** Whole or not at all: it is made beside its place and moved there. @throws DevnetError */
export async function createDevnet(plan: NewDevnet): Promise<DevnetFiles> {
  await mkdir(dirname(plan.folder), { recursive: true })
  const draft = await mkdtemp(`${plan.folder}.new-`)
  try {
    const files = await writeDevnet(draft, plan)
    await rename(draft, plan.folder)
    return files
  } catch (cause) {
    await rm(draft, { recursive: true, force: true })
    const taken = cause instanceof Error && 'code' in cause && TAKEN.has(String(cause.code))
    if (!taken) throw cause
    throw new DevnetError(
      `${plan.folder} is not empty and holds no devnet; choose another --data`,
      { cause },
    )
  }
}

/** What rename(2) says when the place is not an empty folder. */
const TAKEN: ReadonlySet<string> = new Set(['ENOTEMPTY', 'EEXIST', 'ENOTDIR'])

async function writeDevnet(folder: string, plan: NewDevnet): Promise<DevnetFiles> {
  const nodeSecrets = plan.p2pPorts.map(freshSecret)
  const validatorSecrets = plan.p2pPorts.map(freshSecret)
  const recoverySecrets = Array.from({ length: RECOVERY_KEYS }, freshSecret)
  const genesis = devnetGenesis({
    validators: validatorSecrets.map(xOnlyPublicKey),
    recoveryKeys: recoverySecrets.map(xOnlyPublicKey),
    salt: bytesToHex(freshSecret()),
  })
  const addresses = await Promise.all(
    nodeSecrets.map(async (seed, index) => {
      const peerId = await peerIdOfSeed(seed)
      return `/ip4/127.0.0.1/tcp/${plan.p2pPorts[index] ?? 0}/p2p/${peerId}`
    }),
  )
  const validators: DevnetFiles['validators'] = []
  for (const [index, nodeSecret] of nodeSecrets.entries()) {
    const home = `validator-${index}`
    const apiPort = plan.apiPorts[index] ?? 0
    await createNodeHome(join(folder, home, 'node'), {
      genesis,
      nodeSecret,
      validatorSecret: validatorSecrets[index],
      config: {
        listen: [`/ip4/127.0.0.1/tcp/${plan.p2pPorts[index] ?? 0}`],
        peers: addresses.filter((_, other) => other !== index),
        apiPort,
        logLevel: 'info',
        l1: plan.l1Access,
      },
    })
    validators.push({ home, apiPort })
  }
  const files: DevnetFiles = {
    version: 1,
    l1: plan.l1,
    validators,
    faucetSecret: bytesToHex(freshSecret()),
    recoverySecrets: recoverySecrets.map((bytes) => bytesToHex(bytes)),
  }
  for (const [index, key] of files.recoverySecrets.entries()) {
    await writeFileDurably(join(folder, `recovery-${index}.key`), utf8(`${key}\n`), 0o600)
  }
  const text = `${JSON.stringify(files, undefined, 2)}\n`
  await writeFileDurably(join(folder, 'devnet.json'), utf8(text), 0o600)
  return files
}

function freshSecret(): Uint8Array {
  return new Uint8Array(randomBytes(32))
}
