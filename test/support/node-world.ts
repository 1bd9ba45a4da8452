/**
 * Whole nodes in one process: the production node on virtual time over a network, disks and journals
 * in memory. Codec, signatures and rules are the real ones.
 */

import { type OutPoint, type Transaction, transactionId } from '../../src/bitcoin/transaction.ts'
import { EMPTY_L1_SECTION, type L1Section } from '../../src/chain/l1-section.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import { getPegBooks } from '../../src/chain/peg/books.ts'
import { activeKeyEpoch, depositScriptOf } from '../../src/chain/peg/key-epochs.ts'
import type { StateView } from '../../src/chain/state.ts'
import { type Statement, type Vote, voteDigest } from '../../src/consensus/votes.ts'
import { type Node, openNode } from '../../src/node/node.ts'
import type { PegSide } from '../../src/node/peg-side.ts'
import type { ValidatorIdentity } from '../../src/node/validator-links.ts'
import type { BlockHash } from '../../src/primitives/hashes.ts'
import { signSchnorr, xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { sats } from '../../src/primitives/units.ts'
import { MemoryDisk, openMemoryStore } from '../../src/storage/memory-store.ts'
import { anL1Payment, aUser, secretOf, spend, TestL1 } from './chain-world.ts'
import { type Crew, keyOfCrew } from './member-changes.ts'
import { MemoryJournal } from './memory-journal.ts'
import { NetworkHub } from './memory-network.ts'
import { VirtualWorldTime } from './virtual-runtime.ts'

const AUX = new Uint8Array(32)
const SYNC_MS = 1
export const COIN_SATS = 1_000_000n
const COINS = 40
/** The blocks up to this height are searched for alice's coins. */
const MINTED_BY = 6
const alice = aUser('alice')

export function validatorIdentity(index: number): ValidatorIdentity {
  const secret = secretOf(`validator ${index}`)
  return {
    publicKey: xOnlyPublicKey(secret),
    sign: (digest) => signSchnorr(digest, secret, AUX),
  }
}

/** A place for a node: what outlives its process. */
export class Seat {
  readonly name: string
  readonly identity: ValidatorIdentity | undefined
  readonly disk = new MemoryDisk()
  readonly journal: MemoryJournal
  readonly #world: NodeWorld
  #running: Node | undefined
  #life = 0

  constructor(world: NodeWorld, name: string, identity: ValidatorIdentity | undefined) {
    this.#world = world
    this.name = name
    this.identity = identity
    this.journal = new MemoryJournal(
      () => new Promise((resolve) => void world.time.after(SYNC_MS, resolve)),
    )
  }

  get node(): Node {
    if (this.#running === undefined) throw new TypeError(`${this.name} does not run`)
    return this.#running
  }

  get height(): number {
    return this.#running?.chain.database.tip()?.height ?? 0
  }

  async start(): Promise<void> {
    this.#life += 1
    const life = this.#life
    const { params, time, hub, peg } = this.#world
    this.#running = await openNode({
      params,
      runtime: time.runtime(this.name, () => this.#life === life),
      store: openMemoryStore(this.disk),
      journal: this.journal.open(),
      network: hub.create(this.name),
      identity: this.identity,
      payoutScript: aUser(this.name).script,
      createPegSide: async () => peg,
    })
    await this.#running.start()
  }

  async stop(): Promise<void> {
    await this.#world.finish(this.node.stop())
    this.#running = undefined
  }

  /** kill -9 and a power failure at once. */
  crash(): void {
    this.#life += 1
    const { hub } = this.#world
    const network = hub.find(this.name)
    if (network !== undefined) void network.stop()
    this.journal.crash()
    this.disk.crash()
    this.#running = undefined
  }
}

export class NodeWorld {
  readonly time = new VirtualWorldTime()
  readonly hub = new NetworkHub(this.time)
  readonly params: ChainParams
  readonly seats: readonly Seat[]
  /** What all members say; tests change it. */
  peg: PegSide
  #nextCoin = 0

  constructor(params: ChainParams, peg: PegSide = fundingPeg(params)) {
    this.params = params
    this.peg = peg
    this.seats = params.validators.map(
      (_, index) => new Seat(this, `validator-${index}`, validatorIdentity(index)),
    )
  }

  seat(index: number): Seat {
    const seat = this.seats[index]
    if (seat === undefined) throw new TypeError(`no seat ${index}`)
    return seat
  }

  /** A node with a validator key that is not in the genesis. */
  newcomer(index: number): Seat {
    return new Seat(this, `validator-${index}`, validatorIdentity(index))
  }

  /** A second node with a validator's key. */
  twin(index: number): Seat {
    return new Seat(this, `twin-${index}`, validatorIdentity(index))
  }

  /** A statement with a validator's valid signature. */
  sign(index: number, statement: Statement): Vote {
    const digest = voteDigest({ chainId: this.params.chainId, epoch: 0 }, statement)
    return { ...statement, signer: index, signature: validatorIdentity(index).sign(digest) }
  }

  observer(name: string): Seat {
    return new Seat(this, name, undefined)
  }

  /** Starts these validators, by default all, and waits until the coins are there. */
  async start(indexes: readonly number[] = this.seats.map((_, index) => index)): Promise<void> {
    for (const index of indexes) await this.seat(index).start()
    await this.untilHeight(
      2,
      indexes.map((index) => this.seat(index)),
    )
  }

  untilHeight(height: number, seats: readonly Seat[] = this.seats): Promise<void> {
    return this.time.until(
      () => seats.every((seat) => seat.height >= height),
      `${seats.map((seat) => seat.name).join(', ')} at height ${height}`,
    )
  }

  /** Lets time pass until a promise settles. */
  async finish<T>(promise: Promise<T>): Promise<T> {
    let isDone = false
    const marked = promise.finally(() => {
      isDone = true
    })
    marked.catch(() => undefined)
    await this.time.until(() => isDone, 'a promise settles')
    return marked
  }

  /** An unspent coin of alice's, another one each time. */
  coin(): OutPoint {
    const vout = this.#nextCoin
    if (vout >= COINS) throw new TypeError('no coins left')
    this.#nextCoin += 1
    return { txid: transactionId(this.#mint()), vout }
  }

  #mint(): Transaction {
    for (const seat of this.seats) {
      for (let height = 1; height <= Math.min(seat.height, MINTED_BY); height++) {
        const { database } = seat.node.chain
        const block = database.findBlock(present(database.blockHashAt(height)))?.block
        const mint = block?.l1Section.deposits.length === 0 ? undefined : block?.transactions[1]
        if (mint !== undefined) return mint
      }
    }
    throw new TypeError('nothing is minted yet')
  }

  /** A payment of one of alice's coins. */
  payment(outPoint: OutPoint = this.coin()): Transaction {
    const value = COIN_SATS - 1_000n
    return spend(
      alice,
      [{ outPoint, value: COIN_SATS }],
      [{ value: sats(value), script: aUser('bob').script }],
    )
  }

  /** Every height at which two nodes' disks differ. */
  forks(seats: readonly Seat[] = this.seats): readonly number[] {
    const forked: number[] = []
    const chains = seats.map((seat) => seat.node.chain.database)
    const last = Math.max(...chains.map((database) => database.tip()?.height ?? 0))
    for (let height = 0; height <= last; height++) {
      const hashes = new Set<BlockHash>()
      for (const database of chains) {
        const hash = database.blockHashAt(height)
        if (hash !== undefined) hashes.add(hash)
      }
      if (hashes.size > 1) forked.push(height)
    }
    return forked
  }

  isConfirmed(transaction: Transaction, seat: Seat): boolean {
    return seat.node.chain.database.findTransaction(transactionId(transaction)) !== undefined
  }

  errors(): readonly string[] {
    return this.time.logLines.flatMap(({ level, owner, message, data }) =>
      level === 'error' ? [`${owner}: ${message} ${JSON.stringify(data)}`] : [],
    )
  }
}

/** What the members say on each state, for the tests that change who they are. */
export function scriptedPeg(params: ChainParams, section: (view: StateView) => L1Section): PegSide {
  return {
    propose: async (state) => ({
      l1Section: section(state.view),
      feeRate: params.peg.feeRateFloor,
    }),
    judge: async () => 'valid',
    hasWork: (state) => section(state.view) !== EMPTY_L1_SECTION,
    onChange: () => undefined,
    onCommitted: () => undefined,
  }
}

/** Mints alice's coins, once there is a key. */
export function mintedBy(params: ChainParams, crew: Crew): (view: StateView) => L1Section {
  const l1 = new TestL1()
  const announcement = keyOfCrew(params, crew)
  const script = depositScriptOf(params, announcement, alice.script)
  const outputs = Array.from({ length: COINS }, () => ({ value: sats(COIN_SATS), script }))
  const deposit = anL1Payment('funding', outputs)
  l1.mine([deposit])
  return (view) => {
    if (activeKeyEpoch(view)?.epoch !== crew.epoch) return EMPTY_L1_SECTION
    if (getPegBooks(view).l1Height > 0) return EMPTY_L1_SECTION
    const claims = outputs.map((_, vout) => ({
      vout,
      keyEpoch: crew.epoch,
      recipient: alice.script,
    }))
    return {
      ...EMPTY_L1_SECTION,
      headers: l1.headersFrom(1),
      deposits: [{ ...l1.prove(transactionId(deposit)), claims }],
    }
  }
}

/** Announces the group key in block 1 and mints alice's coins in block 2; then it has no more to say. */
export function fundingPeg(params: ChainParams): PegSide {
  const founders: Crew = {
    epoch: 0,
    threshold: params.signingThreshold,
    members: [...params.validators.keys()],
  }
  const announcement = keyOfCrew(params, founders)
  const mint = mintedBy(params, founders)
  return scriptedPeg(params, (view) =>
    activeKeyEpoch(view) === undefined
      ? { ...EMPTY_L1_SECTION, keyEpochs: [announcement] }
      : mint(view),
  )
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('missing')
  return value
}
