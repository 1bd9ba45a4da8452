import { describe, expect, it } from 'vitest'
import {
  DEPOSIT_BOOK_LIMITS,
  type DepositBookLimits,
  openDepositBook,
} from '../../../federation/deposits/deposit-book.ts'
import type { Registration, SeenDeposit } from '../../../federation/deposits/deposit-records.ts'
import { p2trScript, p2wpkhScript } from '../../../src/bitcoin/script.ts'
import { outPointKey } from '../../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../../src/primitives/bytes.ts'
import { toBlockHash } from '../../../src/primitives/hashes.ts'
import { sats } from '../../../src/primitives/units.ts'
import { MemoryDisk, openMemoryStore } from '../../../src/storage/memory-store.ts'
import { anOutPoint } from '../../support/chain-world.ts'

function aRegistration(n: number): Registration {
  const fill = (length: number) => new Uint8Array(length).fill(n)
  return { keyEpoch: 0, recipient: p2wpkhScript(fill(20)), script: p2trScript(fill(32)) }
}

function aDeposit(n: number, to: Registration, l1Height = 10): SeenDeposit {
  return { ...to, outPoint: anOutPoint(`deposit ${n}`), value: sats(50_000), l1Height, position: 1 }
}

const blockAt = (height: number, branch = 'aa') => ({
  height,
  hash: toBlockHash(height.toString(16).padStart(4, '0') + branch.repeat(30)),
})

async function open(
  disk: MemoryDisk,
  limits: Partial<DepositBookLimits> = {},
  minted: string[] = [],
  minDepositSats = 0n,
) {
  const store = openMemoryStore(disk)
  const book = await openDepositBook(store, {
    isMinted: (outPoint) => minted.includes(outPointKey(outPoint)),
    limits: { ...DEPOSIT_BOOK_LIMITS, ...limits },
    minDepositSats,
  })
  return { book, store }
}

describe('the deposit book', () => {
  it('does not wait for a deposit that others had minted before it was seen here', async () => {
    const deposit = aDeposit(1, aRegistration(1))
    const { book } = await open(new MemoryDisk(), {}, [outPointKey(deposit.outPoint)])
    expect(await book.record([deposit], blockAt(10))).toEqual([])
    expect(book.waiting.size).toBe(0)
    expect(book.depositsOf(deposit.recipient)).toEqual([deposit])
  })

  it('knows after a restart what it knew before', async () => {
    const disk = new MemoryDisk()
    const { book, store } = await open(disk)
    const [one, two] = [aRegistration(1), aRegistration(2)]
    expect(await book.register(one, 'asked')).toBe('added')
    expect(await book.register(two, 'heard')).toBe('added')
    expect(await book.register(two, 'heard')).toBe('known')
    await book.lookedBack([bytesToHex(one.script)])
    const deposit = aDeposit(1, one)
    expect(await book.record([deposit], blockAt(10))).toEqual([deposit])
    expect(await book.record([deposit], blockAt(11))).toEqual([])
    await store.close()

    const again = (await open(disk)).book
    expect([...again.registrations.keys()]).toEqual([...book.registrations.keys()])
    expect(again.awaitingLookBack().map(({ script }) => script)).toEqual([two.script])
    expect([...again.waiting.values()]).toEqual([deposit])
    expect(again.depositsOf(one.recipient)).toEqual([deposit])
    expect(again.cursor()).toEqual(blockAt(11))
    expect(again.scannedHash(10)).toBe(blockAt(10).hash)
  })

  it('survives a power failure: a registration that was confirmed is there', async () => {
    const disk = new MemoryDisk()
    const { book } = await open(disk)
    await book.register(aRegistration(1), 'asked')
    disk.crash()
    expect((await open(disk)).book.registrations.size).toBe(1)
  })

  it('makes room at the cost of gossip that nobody paid, oldest first', async () => {
    const disk = new MemoryDisk()
    const { book, store } = await open(disk, { registrationsMax: 4 })
    const paid = aRegistration(1)
    await book.register(paid, 'heard')
    await book.record([aDeposit(1, paid)], undefined)
    await book.register(aRegistration(2), 'asked')
    await book.register(aRegistration(3), 'heard')
    await book.register(aRegistration(4), 'heard')
    const known = () => [...book.registrations.values()].map(({ recipient }) => recipient[2])
    await book.register(aRegistration(5), 'heard')
    expect(known()).toEqual([1, 2, 4, 5])
    // Gossip never takes the place of what was asked for here; asking again keeps it longest.
    await book.register(aRegistration(6), 'asked')
    await book.register(aRegistration(7), 'asked')
    expect(known()).toEqual([1, 2, 6, 7])
    expect(await book.register(aRegistration(8), 'heard')).toBe('full')
    await book.register(aRegistration(2), 'asked')
    expect(await book.register(aRegistration(9), 'asked')).toBe('added')
    expect(known()).toEqual([1, 2, 7, 9])
    await store.close()
    expect((await open(disk)).book.registrations.size).toBe(4)
  })

  it('refuses when every place is taken by somebody who paid', async () => {
    const { book } = await open(new MemoryDisk(), { registrationsMax: 1 })
    await book.register(aRegistration(1), 'heard')
    await book.record([aDeposit(1, aRegistration(1))], undefined)
    expect(await book.register(aRegistration(2), 'asked')).toBe('full')
  })

  it('keeps the newest of the minted, and everything that is not minted', async () => {
    const disk = new MemoryDisk()
    const { book, store } = await open(disk, { mintedMax: 2 })
    const to = aRegistration(1)
    const deposits = [1, 2, 3, 4].map((n) => aDeposit(n, to, n))
    await book.record(deposits, undefined)
    await book.settle(deposits.slice(0, 3).map(({ outPoint }) => outPoint))
    expect([...book.minted.values()].map(({ l1Height }) => l1Height)).toEqual([2, 3])
    expect([...book.waiting.values()].map(({ l1Height }) => l1Height)).toEqual([4])
    // Seen once more by a scan: a minted deposit does not wait again.
    expect(await book.record([deposits[2]!], undefined)).toEqual([])
    expect(book.waiting.size).toBe(1)
    await store.close()
    const minted = deposits.slice(0, 3).map(({ outPoint }) => outPointKey(outPoint))
    const again = (await open(disk, {}, minted)).book
    expect([again.minted.size, again.waiting.size]).toEqual([2, 1])
  })

  it('lets no dust keep others out, and finds what is ripe without looking at dust', async () => {
    const disk = new MemoryDisk()
    const limits = { waitingMax: 32 }
    const { book, store } = await open(disk, limits, [], 10_000n)
    const dustOf = (n: number): SeenDeposit => ({
      ...aDeposit(n, aRegistration(n)),
      value: sats(330 + n),
    })
    await book.record(
      Array.from({ length: 40 }, (_, n) => dustOf(n)),
      undefined,
    )
    // Each newcomer was larger than the smallest; two go at a time.
    expect(book.waiting.size).toBeLessThanOrEqual(32)
    expect(book.waiting.has(outPointKey(dustOf(39).outPoint))).toBe(true)
    expect(book.waiting.has(outPointKey(dustOf(0).outPoint))).toBe(false)
    expect([...book.ripe()]).toEqual([])
    const honest = aDeposit(50, aRegistration(50))
    await book.record([honest], undefined)
    expect([...book.ripe()]).toEqual([honest])
    // One that is smaller than all of them finds no place once it is full.
    await book.record(
      Array.from({ length: 4 }, (_, n) => dustOf(60 + n)),
      undefined,
    )
    const { size } = book.waiting
    await book.record([{ ...dustOf(99), value: sats(1) }], undefined)
    expect(book.waiting.size).toBe(Math.min(32, size + 1))
    await store.close()
    const again = (await open(disk, limits, [], 10_000n)).book
    expect(again.waiting.size).toBe(book.waiting.size)
    expect([...again.ripe()]).toEqual([honest])
    // Deposits to one address are ripe together.
    const [a, b] = [
      { ...dustOf(70), value: sats(6_000) },
      { ...dustOf(70), value: sats(4_000) },
    ]
    const second = { ...b, outPoint: anOutPoint('second') }
    await again.record([a, second], undefined)
    expect([...again.ripe()]).toEqual([honest, a, second])
    await again.settle([second.outPoint])
    expect([...again.ripe()]).toEqual([honest])
  })

  it('gives no lasting place to an address that only dust was paid to', async () => {
    const { book } = await open(new MemoryDisk(), { registrationsMax: 1 }, [], 10_000n)
    await book.register(aRegistration(1), 'heard')
    await book.record([{ ...aDeposit(1, aRegistration(1)), value: sats(330) }], undefined)
    expect(await book.register(aRegistration(2), 'asked')).toBe('added')
    await book.record([aDeposit(2, aRegistration(2))], undefined)
    expect(await book.register(aRegistration(3), 'asked')).toBe('full')
  })

  it('bounds what waits and the blocks it remembers', async () => {
    const { book } = await open(new MemoryDisk(), { waitingMax: 2, scannedMax: 3 })
    const to = aRegistration(1)
    for (let n = 1; n <= 5; n++) await book.record([aDeposit(n, to, n)], blockAt(n))
    expect(book.waiting.size).toBe(2)
    expect([1, 2, 3, 4, 5].map((height) => book.scannedHash(height) !== undefined)).toEqual([
      false,
      false,
      true,
      true,
      true,
    ])
  })

  it('forgets the blocks above a fork and what they held, but nothing minted', async () => {
    const disk = new MemoryDisk()
    const { book, store } = await open(disk)
    const to = aRegistration(1)
    const deposits = [1, 2, 3].map((n) => aDeposit(n, to, n))
    for (const [index, deposit] of deposits.entries())
      await book.record([deposit], blockAt(index + 1))
    await book.settle([deposits[2]!.outPoint])
    const revision = book.revision()
    await book.rewind(1)
    expect(book.revision()).toBeGreaterThan(revision)
    expect([...book.waiting.values()]).toEqual([deposits[0]])
    expect([...book.minted.values()]).toEqual([deposits[2]])
    expect(book.cursor()).toEqual(blockAt(1))
    await store.close()
    expect((await open(disk)).book.cursor()).toEqual(blockAt(1))
  })
})
