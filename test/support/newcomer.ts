/** A node that joins a fleet with a validator key of its own, as its operator would set it up. */

import { join } from 'node:path'
import { z } from 'zod'
import { findFreePorts } from '../../src/cli/devnet/free-ports.ts'
import { homePaths, openNodeHome } from '../../src/cli/node/node-home.ts'
import { NodeClient } from '../../src/cli/node-client.ts'
import type { Fleet, FleetValidator } from './fleet.ts'
import { type NodeProcess, runCauseway, startNodeProcess } from './node-process.ts'

export interface Newcomer extends FleetValidator {
  readonly publicKey: string
  /** For others that come later. */
  readonly address: string
}

/** Makes the home; `others` are newcomers that came before and must be dialled as well. */
export async function createNewcomer(
  fleet: Fleet,
  index: number,
  others: readonly Newcomer[] = [],
): Promise<Newcomer> {
  const model = join(fleet.validator(0).home, 'node')
  const second = await openNodeHome(join(fleet.validator(1).home, 'node'))
  const { config } = await openNodeHome(model)
  const [apiPort = 0, p2pPort = 0] = await findFreePorts(2)
  const home = join(fleet.folder, `newcomer-${index}`)
  const listen = `/ip4/127.0.0.1/tcp/${p2pPort}`
  // All four: each of two knows the three others.
  const peers = new Set([...config.p2p.peers, ...second.config.p2p.peers])
  for (const { address } of others) peers.add(address)
  const answer = await runCauseway(
    'node',
    'init',
    '--validator',
    `--home=${home}`,
    `--genesis=${homePaths(model).genesis}`,
    `--api-port=${apiPort}`,
    `--l1-url=${config.l1?.url ?? ''}`,
    `--l1-cookie=${config.l1?.cookie_file ?? ''}`,
    `--listen=${listen}`,
    ...[...peers].map((peer) => `--peer=${peer}`),
  )
  const { validatorKey, peerId } = initAnswer.parse(JSON.parse(answer))
  const apiUrl = `http://127.0.0.1:${apiPort}`
  const logFile = join(fleet.folder, `newcomer-${index}.log`)
  let child: NodeProcess | undefined
  return {
    index,
    home,
    apiUrl,
    publicKey: validatorKey,
    address: `${listen}/p2p/${peerId}`,
    client: new NodeClient({ apiUrl, signal: new AbortController().signal, timeoutMs: 5_000 }),
    process() {
      if (child === undefined) throw new TypeError(`newcomer ${index} was not started`)
      return child
    },
    start() {
      child = startNodeProcess({ name: `newcomer-${index}`, home, logFile })
    },
    stop: async () => child?.stop(),
    kill: async () => child?.kill(),
  }
}

const initAnswer = z.object({ validatorKey: z.string(), peerId: z.string() }).loose()
