/**
 * A whole node out of a home directory: the real clock, disk, network and L1, put together in the
 * order in which they depend on each other. A validator with an L1 gets a member beside it. Whatever
 * fails on the way, what was opened before is closed again.
 */

import { join } from 'node:path'
import { createKeyCeremonies } from '../../../federation/key-ceremonies.ts'
import type { BitcoinL1 } from '../../../federation/l1/bitcoin-l1.ts'
import { createBitcoindL1 } from '../../../federation/l1/bitcoind.ts'
import { type Member, openMember } from '../../../federation/member.ts'
import { createMemberFaults } from '../../../federation/member-faults.ts'
import { type MembershipPool, openMembershipPool } from '../../../federation/membership-pool.ts'
import { openKeyStore } from '../../../federation/signing/key-store.ts'
import { createSigningThread } from '../../../federation/signing/signing-thread.ts'
import { chainParams } from '../../../genesis/network.ts'
import type { NetworkActivity } from '../../api/ports.ts'
import { createApiServer } from '../../api/server.ts'
import { p2trScript } from '../../bitcoin/script.ts'
import type { ChainParams } from '../../chain/params.ts'
import { CROWDED_TIMINGS, WAN_TIMINGS } from '../../consensus/config.ts'
import { lastFeeRate } from '../../node/last-fee-rate.ts'
import { connectedMembers } from '../../node/member-links.ts'
import { type Node, openNode, type PegContext } from '../../node/node.ts'
import { observerPegSide, type PegSide } from '../../node/peg-side.ts'
import type { ValidatorIdentity } from '../../node/validator-links.ts'
import { createLibp2pNetwork } from '../../p2p/network.ts'
import { present } from '../../primitives/assert.ts'
import { hashToBytes } from '../../primitives/hashes.ts'
import { signSchnorr, xOnlyPublicKey } from '../../primitives/secp256k1.ts'
import { createCheckPool, defaultCheckThreads } from '../../runtime/check-pool.ts'
import { installNativeBackends } from '../../runtime/native-backends.ts'
import type { AppendLog, KeyValueStore, Network, Runtime } from '../../runtime/runtime.ts'
import { createSystemRuntime, type LogLevel } from '../../runtime/system-runtime.ts'
import { openAppendLog } from '../../storage/append-log.ts'
import { openChainDatabase } from '../../storage/chain-database.ts'
import { openDataDirectory } from '../../storage/data-directory.ts'
import { openLevelStore } from '../../storage/level-store.ts'
import { PROGRAM_VERSION } from '../program-version.ts'
import { createChangeRecord } from './change-record.ts'
import { createChainQueries, createNodeFacade, type FacadeParts } from './node-facade.ts'
import { exists, HomeError, homePaths, type NodeHome } from './node-home.ts'
import { createOpenResources, type OpenResources } from './open-resources.ts'

export interface RunningNodeProcess {
  readonly node: Node
  readonly apiPort: number | undefined
  /** Stopping twice does nothing the second time. */
  stop(): Promise<void>
}

export interface StartOverrides {
  readonly apiPort?: number
  readonly logLevel?: LogLevel
}

/** What every step of the assembly needs. */
interface Assembly {
  readonly home: NodeHome
  readonly params: ChainParams
  readonly runtime: Runtime
  readonly identity: ValidatorIdentity | undefined
  readonly open: OpenResources
}

/** @throws whatever of home, storage, network and L1 cannot be used, each a named error. */
export async function startNode(
  home: NodeHome,
  overrides: StartOverrides = {},
): Promise<RunningNodeProcess> {
  const { secp256k1, sha256, hint } = installNativeBackends()
  const runtime = createSystemRuntime({ logLevel: overrides.logLevel ?? home.config.log_level })
  const params = chainParams(home.genesis)
  const identity = identityOf(home, runtime)
  runtime.log.info(
    { chainId: params.chainId, validator: identity?.publicKey, secp256k1, sha256 },
    'starting',
  )
  if (hint !== undefined) runtime.log.info({ hint }, 'this node could be faster')
  const open = createOpenResources()
  const assembly: Assembly = { home, params, runtime, identity, open }
  try {
    const { node, apiPort } = await assemble(assembly, overrides)
    return {
      node,
      apiPort,
      async stop() {
        await open.close()
        runtime.log.info({}, 'stopped')
      },
    }
  } catch (error) {
    await open.close().catch((failure: unknown) => {
      runtime.log.error({ error: String(failure) }, 'not everything could be closed')
    })
    throw error
  }
}

async function assemble(
  assembly: Assembly,
  overrides: StartOverrides,
): Promise<{ readonly node: Node; readonly apiPort: number | undefined }> {
  const { home, params, runtime, open } = assembly
  const directory = await openDataDirectory(home.path)
  open.add(() => directory.release())
  const { listen } = home.config.p2p
  const network = await createLibp2pNetwork(
    { chainId: params.chainId, privateKeySeed: home.nodeSecret, listen },
    runtime,
  )
  open.add(() => network.stop())
  for (const peer of home.config.p2p.peers) network.keepConnected(peer)
  const { node, member, membership } = await openParts(assembly, network)
  await node.start()
  membership.start()
  await member?.start()
  const networkActivity = (): NetworkActivity => {
    const { trustedPeers, observers, ...totals } = network.statistics()
    return { trustedPeers, observers, totals }
  }
  const opened = { node, member, membership, networkActivity }
  const apiPort = await startApi(assembly, overrides, opened)
  runtime.log.info({ addresses: network.addresses(), api: apiPort }, 'started')
  return { node, apiPort }
}

function identityOf(home: NodeHome, runtime: Runtime): ValidatorIdentity | undefined {
  const secret = home.validatorSecret
  if (secret === undefined) return undefined
  const publicKey = xOnlyPublicKey(secret)
  return {
    publicKey,
    sign: (digest) => signSchnorr(digest, secret, runtime.random.bytes(32)),
  }
}

interface OpenedParts {
  readonly node: Node
  readonly member: Member | undefined
  readonly membership: MembershipPool
}

async function openParts(assembly: Assembly, network: Network): Promise<OpenedParts> {
  const { home, params, runtime, identity, open } = assembly
  const store = await openLevelStore(homePaths(home.path).chain)
  open.add(() => store.close())
  const journal = await openJournal(assembly, store)
  open.add(() => journal.close())
  let member: Member | undefined
  let membership: MembershipPool | undefined
  let node: Node | undefined
  const createPegSide = async (context: PegContext): Promise<PegSide> => {
    membership = await openMembershipOf(assembly, network, context)
    if (identity !== undefined && home.config.l1 !== undefined) {
      const beside = { ...context, membership, node: () => node }
      member = await openMemberOf(assembly, identity, network, beside)
      return member
    }
    if (identity !== undefined) {
      runtime.log.error(
        {},
        'no [l1] in config.toml: this validator cannot judge blocks and will not vote',
      )
    }
    return observerPegSide(params.peg.feeRateFloor)
  }
  const { threads = defaultCheckThreads(), script_cache: scriptCache } = home.config.validation
  const checks = createCheckPool({ threads })
  open.add(() => checks.close())
  const payoutKey = identity?.publicKey ?? present(params.validators[0], 'first validator')
  node = await openNode({
    params,
    runtime,
    store,
    journal,
    network,
    identity,
    timings: params.l1Network === 'regtest' ? CROWDED_TIMINGS : WAN_TIMINGS,
    payoutScript: p2trScript(hashToBytes(payoutKey)),
    createPegSide,
    scriptCache,
    checks,
  })
  const opened = node
  // Node and member close their own stores and journals; closing those again does nothing.
  open.add(() => opened.stop())
  const ofNode = member
  if (ofNode !== undefined) open.add(() => ofNode.stop())
  return { node, member, membership: present(membership, 'membership pool') }
}

/**
 * The journal of votes. A validator whose chain is there and whose journal is not could vote a second
 * time; it is refused before anything is created, so that a restart does not get around it.
 */
async function openJournal(
  { home, params, identity }: Assembly,
  store: KeyValueStore,
): Promise<AppendLog> {
  // An observer votes never; its records must not pass for a validator's when a key is put back.
  const name = identity === undefined ? 'observer.log' : 'consensus.log'
  const path = join(homePaths(home.path).journal, name)
  const { height } = (await openChainDatabase(store, { chainId: params.chainId })).tip() ?? {}
  if (identity !== undefined && height !== undefined && !(await exists(path))) {
    throw new HomeError(
      `${path} is missing although the chain is at height ${height}: without it this ` +
        'validator could vote twice. Restore it, or remove keys/validator.key to run as observer',
    )
  }
  return openAppendLog(path)
}

async function openMembershipOf(
  { home, params, runtime, open }: Assembly,
  network: Network,
  { chain }: PegContext,
): Promise<MembershipPool> {
  const membership = await openMembershipPool({
    params,
    view: () => chain.state().view,
    network,
    record: createChangeRecord(homePaths(home.path).memberChange),
    runtime,
  })
  open.add(() => membership.stop())
  return membership
}

interface MemberContext extends PegContext {
  readonly membership: MembershipPool
  readonly node: () => Node | undefined
}

async function openMemberOf(
  { home, params, runtime, open }: Assembly,
  identity: ValidatorIdentity,
  network: Network,
  { chain, links, membership, freezeVotes, node }: MemberContext,
): Promise<Member> {
  const paths = homePaths(home.path)
  const l1 = openL1(home, params, runtime)
  open.add(() => l1.close())
  const keyStore = await openKeyStore({
    folder: paths.shares,
    secret: { kind: 'key-file', path: paths.shareKey },
    random: (length) => runtime.random.bytes(length),
  })
  open.add(() => keyStore.close())
  const store = await openLevelStore(paths.federation)
  open.add(() => store.close())
  const signingJournal = await openAppendLog(join(paths.journal, 'signing.log'))
  open.add(() => signingJournal.close())
  const members = connectedMembers(network, links)
  const sign = (digest: Uint8Array): Uint8Array => identity.sign(digest)
  const log = runtime.log.child({ part: 'member' })
  const faults = createMemberFaults(runtime.clock, log)
  const signingWork = createSigningThread({ clock: runtime.clock, log })
  open.add(() => signingWork.close())
  const keys = createKeyCeremonies({
    params,
    publicKey: identity.publicKey,
    sign,
    network: members,
    runtime,
    keyStore,
    view: () => chain.state().view,
    work: signingWork,
    faults,
  })
  return openMember({
    params,
    l1,
    store,
    signingJournal,
    gossip: network,
    network: members,
    runtime,
    state: () => chain.state(),
    lastFeeRate: () => lastFeeRate(chain),
    isSynced: () => node()?.isSynced() === true,
    isHalted: () => node()?.haltReason() !== undefined,
    wantsFreeze: () => freezeVotes.newest(identity.publicKey)?.freeze === true,
    sign,
    keys,
    membership,
    keyStore,
    signingWork,
    faults,
  })
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

async function startApi(
  { home, identity, runtime, open }: Assembly,
  overrides: StartOverrides,
  opened: OpenedParts & Pick<FacadeParts, 'networkActivity'>,
): Promise<number | undefined> {
  const { api } = home.config
  if (!api.enabled) return undefined
  const server = createApiServer(
    { host: api.host, port: overrides.apiPort ?? api.port },
    {
      queries: createChainQueries(opened.node),
      node: createNodeFacade({
        ...opened,
        genesis: home.genesis,
        publicKey: identity?.publicKey,
        version: PROGRAM_VERSION,
      }),
      log: runtime.log.child({ part: 'api' }),
      clock: runtime.clock,
    },
  )
  open.add(() => server.stop())
  return (await server.start()).port
}
