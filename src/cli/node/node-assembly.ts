/**
 * A whole node out of a home directory: the real clock, disk, network and L1, put together in the
 * order in which they depend on each other. A validator with an L1 gets a member beside it.
 */

import { join } from 'node:path'
import { createKeyCeremony } from '../../../federation/key-ceremony.ts'
import type { BitcoinL1 } from '../../../federation/l1/bitcoin-l1.ts'
import { createBitcoindL1 } from '../../../federation/l1/bitcoind.ts'
import { type Member, openMember } from '../../../federation/member.ts'
import { openKeyStore } from '../../../federation/signing/key-store.ts'
import { chainParams } from '../../../genesis/network.ts'
import { type ApiServer, createApiServer } from '../../api/server.ts'
import { p2trScript } from '../../bitcoin/script.ts'
import type { ChainParams } from '../../chain/params.ts'
import { type Node, openNode, type PegContext } from '../../node/node.ts'
import { observerPegSide, type PegSide } from '../../node/peg-side.ts'
import type { ValidatorIdentity } from '../../node/validator-links.ts'
import { createLibp2pNetwork } from '../../p2p/network.ts'
import { hashToBytes } from '../../primitives/hashes.ts'
import {
  installSecp256k1Backend,
  secp256k1Backend,
  signSchnorr,
  xOnlyPublicKey,
} from '../../primitives/secp256k1.ts'
import type { Network, Runtime } from '../../runtime/runtime.ts'
import { chooseSecp256k1Backend } from '../../runtime/secp256k1-backend.ts'
import { createSystemRuntime, type LogLevel } from '../../runtime/system-runtime.ts'
import { openAppendLog } from '../../storage/append-log.ts'
import { openDataDirectory } from '../../storage/data-directory.ts'
import { openLevelStore } from '../../storage/level-store.ts'
import { PROGRAM_VERSION } from '../program-version.ts'
import { connectedMembers } from './member-links.ts'
import { createChainQueries, createNodeFacade } from './node-facade.ts'
import { exists, HomeError, homePaths, type NodeHome } from './node-home.ts'

export interface RunningNodeProcess {
  readonly node: Node
  readonly apiPort: number | undefined
  stop(): Promise<void>
}

export interface StartOverrides {
  readonly apiPort?: number
  readonly logLevel?: LogLevel
}

/** @throws whatever of home, storage, network and L1 cannot be used, each a named error. */
export async function startNode(
  home: NodeHome,
  overrides: StartOverrides = {},
): Promise<RunningNodeProcess> {
  installSecp256k1Backend(chooseSecp256k1Backend())
  const runtime = createSystemRuntime({ logLevel: overrides.logLevel ?? home.config.log_level })
  const params = chainParams(home.genesis)
  const identity = identityOf(home, params, runtime)
  runtime.log.info(
    { chainId: params.chainId, validator: identity?.index, secp256k1: secp256k1Backend().name },
    'starting',
  )
  const directory = await openDataDirectory(home.path)
  const network = await createLibp2pNetwork(
    {
      chainId: params.chainId,
      privateKeySeed: home.nodeSecret,
      listen: home.config.p2p.listen,
    },
    runtime,
  )
  for (const peer of home.config.p2p.peers) network.keepConnected(peer)
  const { node, member } = await openParts(home, params, runtime, network, identity)
  await node.start()
  await member?.start()
  const api = await startApi(home, overrides, { node, member, identity, runtime })
  runtime.log.info({ addresses: network.addresses(), api: api?.port }, 'started')
  return {
    node,
    apiPort: api?.port,
    async stop() {
      await api?.server.stop()
      await member?.stop()
      await node.stop()
      await directory.release()
      runtime.log.info({}, 'stopped')
    },
  }
}

function identityOf(
  home: NodeHome,
  params: ChainParams,
  runtime: Runtime,
): ValidatorIdentity | undefined {
  const secret = home.validatorSecret
  if (secret === undefined) return undefined
  const publicKey = xOnlyPublicKey(secret)
  const index = params.validators.indexOf(publicKey)
  if (index === -1) throw new HomeError(`the validator key of ${home.path} is not in its genesis`)
  return {
    index,
    publicKey,
    sign: (digest) => signSchnorr(digest, secret, runtime.random.bytes(32)),
  }
}

interface OpenedParts {
  readonly node: Node
  readonly member: Member | undefined
}

async function openParts(
  home: NodeHome,
  params: ChainParams,
  runtime: Runtime,
  network: Network,
  identity: ValidatorIdentity | undefined,
): Promise<OpenedParts> {
  const paths = homePaths(home.path)
  const journalPath = join(paths.journal, 'consensus.log')
  const hadJournal = await exists(journalPath)
  const journal = await openAppendLog(journalPath)
  let member: Member | undefined
  let node: Node | undefined
  const createPegSide = async (context: PegContext): Promise<PegSide> => {
    const height = context.chain.state().tip.height
    if (!hadJournal && height > 0 && identity !== undefined) {
      throw new HomeError(
        `${journalPath} is missing although the chain is at height ${height}: without it this ` +
          'validator could vote twice. Restore it, or remove keys/validator.key to run as observer',
      )
    }
    if (identity === undefined || home.config.l1 === undefined) {
      return observerPegSide(params.peg.feeRateFloor)
    }
    const keyStore = await openKeyStore({
      folder: paths.shares,
      secret: { kind: 'key-file', path: paths.shareKey },
      random: (length) => runtime.random.bytes(length),
    })
    const links = connectedMembers(network, context.links, params.validators.length)
    member = await openMember({
      params,
      l1: openL1(home, params, runtime),
      store: await openLevelStore(paths.federation),
      signingJournal: await openAppendLog(join(paths.journal, 'signing.log')),
      gossip: network,
      network: links,
      runtime,
      state: () => context.chain.state(),
      isSynced: () => node?.isSynced() === true,
      isHalted: () => node?.haltReason() !== undefined,
      sign: (digest) => identity.sign(digest),
      ceremony: createKeyCeremony({
        params,
        self: identity.index,
        sign: (digest) => identity.sign(digest),
        network: links,
        runtime,
        keyStore,
        view: () => context.chain.state().view,
      }),
      keyStore,
    })
    return member
  }
  const payoutScript = p2trScript(
    hashToBytes(identity?.publicKey ?? params.validators[0] ?? fail()),
  )
  node = await openNode({
    params,
    runtime,
    store: await openLevelStore(paths.chain),
    journal,
    network,
    identity,
    payoutScript,
    createPegSide,
  })
  return { node, member }
}

function fail(): never {
  throw new HomeError('the genesis names no validators')
}

function openL1(home: NodeHome, params: ChainParams, runtime: Runtime): BitcoinL1 {
  const { l1 } = home.config
  if (l1 === undefined) throw new HomeError('no [l1] in config.toml')
  const url = new URL(l1.url)
  url.username = encodeURIComponent(l1.user ?? '')
  url.password = encodeURIComponent(l1.password ?? '')
  return createBitcoindL1(
    {
      network: params.l1Network,
      url: url.href,
      ...(l1.cookie_file === undefined ? {} : { cookiePath: l1.cookie_file }),
    },
    runtime,
  )
}

interface ApiParts {
  readonly node: Node
  readonly member: Member | undefined
  readonly identity: ValidatorIdentity | undefined
  readonly runtime: Runtime
}

async function startApi(
  home: NodeHome,
  overrides: StartOverrides,
  parts: ApiParts,
): Promise<{ server: ApiServer; port: number } | undefined> {
  const { api } = home.config
  if (!api.enabled) return undefined
  const { node, member, identity, runtime } = parts
  const server = createApiServer(
    { host: api.host, port: overrides.apiPort ?? api.port },
    {
      queries: createChainQueries(node),
      node: createNodeFacade({
        node,
        member,
        genesis: home.genesis,
        selfIndex: identity?.index,
        version: PROGRAM_VERSION,
      }),
      log: runtime.log.child({ part: 'api' }),
      clock: runtime.clock,
    },
  )
  const { port } = await server.start()
  return { server, port }
}
