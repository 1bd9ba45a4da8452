import { describe, expect, it } from 'vitest'
import type { BitcoinL1 } from '../../../federation/l1/bitcoin-l1.ts'
import {
  createReleaseSigner,
  type ReleaseSigner,
} from '../../../federation/releases/release-signer.ts'
import {
  openSignedBatches,
  type SignedBatches,
} from '../../../federation/releases/signed-batches.ts'
import { transactionId } from '../../../src/bitcoin/transaction.ts'
import { currentVersion } from '../../../src/chain/peg/batches.ts'
import { signSchnorr } from '../../../src/primitives/secp256k1.ts'
import type { AppendLog } from '../../../src/runtime/runtime.ts'
import { MemoryDisk, openMemoryStore } from '../../../src/storage/memory-store.ts'
import { secretOf } from '../../support/chain-world.ts'
import { memberShare, until } from '../peg-world.ts'
import { BatchWorld } from './batch-world.ts'

interface SignerNode {
  readonly signer: ReleaseSigner
  readonly signed: SignedBatches
  readonly records: Uint8Array[]
  readonly disk: MemoryDisk
}

/** Four signers; frames travel at once, in order, to whoever runs. */
class SignerNet {
  readonly world: BatchWorld
  readonly nodes = new Map<number, SignerNode>()
  readonly mute = new Set<number>()
  maySign = (_member: number): boolean => true
  failingJournal: number | undefined
  l1: BitcoinL1
  readonly #queue: { to: number; frame: Uint8Array }[] = []

  constructor(world: BatchWorld) {
    this.world = world
    this.l1 = world.l1.port
  }

  async start(member: number, disk = new MemoryDisk()): Promise<SignerNode> {
    const { runtime, params, chain } = this.world
    const { clock, log } = runtime
    const l1 = this.l1
    const signed = await openSignedBatches({ store: openMemoryStore(disk), l1, clock, log })
    const records: Uint8Array[] = []
    const journal: AppendLog = {
      recovered: [],
      append: async (added) => {
        if (this.failingJournal === member) throw new TypeError('no space left on device')
        records.push(...added)
      },
      rewrite: async () => undefined,
      close: async () => undefined,
    }
    const send = (to: number, frame: Uint8Array): void => {
      if (!this.mute.has(member)) this.#queue.push({ to, frame })
    }
    const signer = createReleaseSigner({
      params,
      share: memberShare(member, this.world),
      members: params.validators,
      view: () => chain.state.view,
      maySign: () => this.maySign(member),
      l1,
      network: {
        send,
        broadcast: (frame) => {
          for (let to = 0; to < 4; to++) if (to !== member) send(to, frame)
        },
      },
      journal,
      signed,
      runtime,
      sign: (digest) => signSchnorr(digest, secretOf(`validator ${member}`), new Uint8Array(32)),
      onSigned: () => undefined,
    })
    const node = { signer, signed, records, disk }
    this.nodes.set(member, node)
    return node
  }

  async update(): Promise<void> {
    for (const { signer } of this.nodes.values()) await signer.update()
  }

  deliver(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      this.nodes.get(next.to)?.signer.receive(next.frame)
    }
  }

  /** Ticks and delivers until something holds. */
  run(holds: () => boolean): Promise<void> {
    return until(holds, () => this.turn())
  }

  turn(): void {
    this.deliver()
    this.world.runtime.advance(250)
    for (const { signer } of this.nodes.values()) signer.tick()
    this.deliver()
  }

  isSignedBy(members: readonly number[]): boolean {
    const open = this.world.openBatches()
    return members.every((member) =>
      open.every((batch) => this.nodes.get(member)?.signed.find(batch) !== undefined),
    )
  }
}

async function netOf(
  batches: number,
  members: readonly number[] = [0, 1, 2, 3],
): Promise<SignerNet> {
  const net = new SignerNet(await BatchWorld.withBatches(batches))
  for (const member of members) await net.start(member)
  return net
}

describe('the release signer', () => {
  it('has a batch signed by four members, and the embedded L1 mines what comes out', async () => {
    const net = await netOf(1)
    await net.update()
    await net.run(() => net.isSignedBy([0, 1, 2, 3]))
    const [batch] = net.world.openBatches()
    const transaction = net.nodes.get(2)!.signed.find(batch!)!
    expect(transactionId(transaction)).toBe(transactionId(currentVersion(batch!).transaction))
    net.world.send(transaction)
    const [hash] = await net.world.mine(4)
    await net.world.confirm(transaction, hash!)
    expect(net.world.openBatches()).toEqual([])
    // Every share that left has a record.
    const records = [...net.nodes.values()].map((node) => node.records.length)
    expect(records.filter((count) => count > 0).length).toBeGreaterThanOrEqual(3)
  })

  it('signs several batches at once, with one member silent', async () => {
    const net = await netOf(2)
    net.mute.add(1)
    await net.update()
    await net.run(() => net.isSignedBy([0, 2, 3]))
    for (const batch of net.world.openBatches()) {
      net.world.send(net.nodes.get(0)!.signed.find(batch)!)
    }
    expect(net.world.l1Chain.mempool.entries()).toHaveLength(2)
  })

  it('does not sign with fewer than a quorum, and goes on when one returns', async () => {
    const net = await netOf(1, [0, 1])
    await net.update()
    for (let turn = 0; turn < 100; turn++) net.turn()
    expect(net.isSignedBy([0])).toBe(false)
    await net.start(3)
    await net.update()
    await net.run(() => net.isSignedBy([0, 1, 3]))
  })

  it('signs nothing while a member may not: halted, behind or frozen', async () => {
    const net = await netOf(1)
    net.maySign = (member) => member < 2
    await net.update()
    for (let turn = 0; turn < 100; turn++) net.turn()
    expect(net.nodes.get(2)!.records.length + net.nodes.get(3)!.records.length).toBe(0)
    expect(net.isSignedBy([0])).toBe(false)
    net.maySign = () => true
    await net.run(() => net.isSignedBy([0, 1, 2, 3]))
  })

  it('lets no share leave when its record cannot be written, and says so', async () => {
    const net = await netOf(1, [0, 1, 2])
    net.failingJournal = 0
    await net.update()
    const { signer, records } = net.nodes.get(0)!
    await net.run(() => signer.problems().length > 0)
    for (let turn = 0; turn < 50; turn++) net.turn()
    expect(signer.problems()[0]).toMatch(/signing journal failed, restart.*no space left/)
    expect(records).toEqual([])
    expect(net.isSignedBy([1])).toBe(false)
    // The operator has made room and restarted.
    net.failingJournal = undefined
    await net.start(0)
    await net.update()
    await net.run(() => net.isSignedBy([0, 1, 2]))
  })

  it('finishes after all members restart, some with the signed batch and some without', async () => {
    const net = await netOf(1)
    await net.update()
    await net.run(() => net.isSignedBy([0, 1, 2, 3]))
    const disk = net.nodes.get(0)!.disk
    const [batch] = net.world.openBatches()
    const first = net.nodes.get(0)!.signed.find(batch!)!
    disk.crash()
    await net.start(0, disk)
    for (const member of [1, 2]) await net.start(member)
    net.nodes.delete(3)
    expect(net.isSignedBy([1])).toBe(false)
    // The one that holds it takes part, since the two others are no quorum.
    await net.update()
    await net.run(() => net.isSignedBy([0, 1, 2]))
    const again = net.nodes.get(0)!.signed.find(batch!)!
    expect(again.inputs).toEqual(first.inputs)
    expect(transactionId(net.nodes.get(1)!.signed.find(batch!)!)).toBe(transactionId(first))
  })

  it('signs the current version of a replaced batch, and L1 takes it in the place of the first', async () => {
    const net = await netOf(1)
    await net.update()
    await net.run(() => net.isSignedBy([0, 1, 2, 3]))
    const [batch] = net.world.openBatches()
    const first = net.nodes.get(0)!.signed.find(batch!)!
    net.world.send(first)
    await net.world.replace(batch!)
    const [replaced] = net.world.openBatches()
    expect(replaced?.versions).toHaveLength(2)
    expect(net.nodes.get(0)!.signed.find(replaced!)).toBeUndefined()
    await net.update()
    await net.run(() => net.isSignedBy([0, 1, 2, 3]))
    const second = net.nodes.get(0)!.signed.find(replaced!)!
    net.world.send(second)
    const pool = net.world.l1Chain.mempool.entries().map(({ transaction }) => transaction)
    expect(pool.map(transactionId)).toEqual([transactionId(second)])
  })

  it('retires a batch when the chain has it confirmed', async () => {
    const net = await netOf(1, [0, 1])
    await net.update()
    const [batch] = net.world.openBatches()
    const others = await netOfSame(net)
    const transaction = others.nodes.get(3)!.signed.find(batch!)!
    net.world.send(transaction)
    const [hash] = await net.world.mine(4)
    await net.world.confirm(transaction, hash!)
    await net.update()
    const before = net.nodes.get(0)!.records.length
    for (let turn = 0; turn < 20; turn++) net.turn()
    expect(net.nodes.get(0)!.records).toHaveLength(before)
  })

  it('leaves a batch alone that a block closes while its own L1 is being asked', async () => {
    const net = await netOf(1, [])
    const [batch] = net.world.openBatches()
    const others = await netOfSame(net)
    net.world.send(others.nodes.get(3)!.signed.find(batch!)!)
    const [hash] = await net.world.mine(4)
    net.l1 = new Proxy(net.world.l1.port, {
      get: (target, name) =>
        name === 'testAccept'
          ? async () => {
              await net.world.confirm(others.nodes.get(3)!.signed.find(batch!)!, hash!)
              return { allowed: true }
            }
          : Reflect.get(target, name),
    })
    const { signer, records } = await net.start(0)
    await expect(signer.update()).resolves.toBeUndefined()
    expect(net.world.openBatches()).toEqual([])
    expect(records).toEqual([])
  })

  it('waits for its own L1 to find the batch acceptable, and names what L1 says', async () => {
    const net = await netOf(1, [])
    const answers = { reason: 'min relay fee not met' }
    net.l1 = new Proxy(net.world.l1.port, {
      get: (target, name) =>
        name === 'testAccept'
          ? async () => ({ allowed: false, reason: answers.reason })
          : Reflect.get(target, name),
    })
    const { signer } = await net.start(0)
    await signer.update()
    expect(signer.problems()).toEqual(['own L1 refuses batch 0: min relay fee not met'])
    const noObjections = [
      'mandatory-script-verify-flag-failed (Invalid Schnorr signature)',
      'non-mandatory-script-verify-flag (Invalid Schnorr signature)',
      'mempool-script-verify-flag-failed (Invalid Schnorr signature), input 0 of 1',
      'txn-already-in-mempool',
      'txn-already-known',
      'txn-same-nonwitness-data-in-mempool',
    ]
    for (const reason of noObjections) {
      answers.reason = reason
      const each = (await net.start(1)).signer
      await each.update()
      expect(each.problems()).toEqual([])
    }
    // Not asked again at once, but after a while.
    await signer.update()
    expect(signer.problems()).toHaveLength(1)
    net.world.runtime.advance(5_000)
    await signer.update()
    expect(signer.problems()).toEqual([])
  })

  it('passes what its own L1 says of the placeholder signatures', async () => {
    const net = await netOf(1, [0])
    await net.update()
    expect(net.nodes.get(0)!.signer.problems()).toEqual([])
    net.world.l1.isDown = true
    const other = (await net.start(1)).signer
    await other.update()
    expect(other.problems()[0]).toMatch(/cannot be asked/)
  })

  it('is quiet after it has stopped', async () => {
    const net = await netOf(1)
    await net.update()
    await net.nodes.get(0)!.signer.stop()
    await net.run(() => net.isSignedBy([1, 2, 3]))
    expect(net.isSignedBy([0])).toBe(false)
  })
})

/** Four more signers on the same world, run until they have signed. */
async function netOfSame(net: SignerNet): Promise<SignerNet> {
  const others = new SignerNet(net.world)
  for (const member of [0, 1, 2, 3]) await others.start(member)
  await others.update()
  await others.run(() => others.isSignedBy([0, 1, 2, 3]))
  return others
}
