/**
 * What a member knows of deposits before the chain does: the recipients whose addresses it watches
 * and the L1 outputs that pay them. Kept in a key-value store of the member's own; losing it loses
 * no money, since anybody can name a deposit again (`claim`).
 */

import {
  encodeOutPoint,
  type OutPoint,
  outPointKey,
  readOutPoint,
} from '../../src/bitcoin/transaction.ts'
import { bytesToHex, concatBytes } from '../../src/primitives/bytes.ts'
import { decodeAll, encodeWith } from '../../src/primitives/codec.ts'
import { decodeSats, type Sats } from '../../src/primitives/units.ts'
import type { KeyValueStore } from '../../src/runtime/runtime.ts'

/** A deposit address under watch. */
export interface Registration {
  readonly keyEpoch: number
  readonly recipient: Uint8Array
  /** The address's output script on L1. */
  readonly script: Uint8Array
}

/** An L1 output that pays a watched address, in the block where it was last seen. */
export interface SeenDeposit {
  readonly outPoint: OutPoint
  readonly value: Sats
  readonly keyEpoch: number
  readonly recipient: Uint8Array
  readonly script: Uint8Array
  readonly l1Height: number
  /** In its block. */
  readonly position: number
}

const REGISTRATION = 0x01
const DEPOSIT = 0x02
const CURSOR = Uint8Array.of(0x03)
const SCRIPT_BYTES_MAX = 42
/** About 300 bytes each in memory. Past this a node refuses to register more. */
const REGISTRATIONS_MAX = 200_000

export interface DepositBook {
  readonly registrations: ReadonlyMap<string, Registration>
  readonly deposits: ReadonlyMap<string, SeenDeposit>
  /** Last L1 height that has been scanned. */
  cursor(): number | undefined
  /** False when it was known already or the book is full. */
  register(registration: Registration): Promise<boolean>
  /** Adds what a scan found and moves the cursor, in one batch. */
  record(deposits: readonly SeenDeposit[], cursor: number | undefined): Promise<void>
  forget(outPoint: OutPoint): Promise<void>
}

export async function openDepositBook(store: KeyValueStore): Promise<DepositBook> {
  const registrations = new Map<string, Registration>()
  const deposits = new Map<string, SeenDeposit>()
  for await (const [, value] of store.range(Uint8Array.of(REGISTRATION), Uint8Array.of(DEPOSIT))) {
    const registration = decodeRegistration(value)
    registrations.set(bytesToHex(registration.script), registration)
  }
  for await (const [, value] of store.range(Uint8Array.of(DEPOSIT), CURSOR)) {
    const deposit = decodeDeposit(value)
    deposits.set(outPointKey(deposit.outPoint), deposit)
  }
  const stored = store.get(CURSOR)
  let cursor = stored === undefined ? undefined : decodeAll(stored, (reader) => reader.u32())

  return {
    registrations,
    deposits,
    cursor: () => cursor,
    async register(registration) {
      const key = bytesToHex(registration.script)
      if (registrations.has(key) || registrations.size >= REGISTRATIONS_MAX) return false
      registrations.set(key, registration)
      const row = {
        kind: 'put',
        key: concatBytes(Uint8Array.of(REGISTRATION), registration.script),
        value: encodeRegistration(registration),
      } as const
      await store.write([row], { sync: true })
      return true
    },
    async record(found, next) {
      const rows = found.map((deposit) => {
        deposits.set(outPointKey(deposit.outPoint), deposit)
        return {
          kind: 'put',
          key: depositKey(deposit.outPoint),
          value: encodeDeposit(deposit),
        } as const
      })
      const cursorRow = (height: number) =>
        ({ kind: 'put', key: CURSOR, value: encodeWith((w) => w.u32(height)) }) as const
      await store.write(next === undefined ? rows : [...rows, cursorRow(next)], { sync: false })
      if (next !== undefined) cursor = next
    },
    async forget(outPoint) {
      deposits.delete(outPointKey(outPoint))
      await store.write([{ kind: 'delete', key: depositKey(outPoint) }], { sync: false })
    },
  }
}

function depositKey(outPoint: OutPoint): Uint8Array {
  return concatBytes(Uint8Array.of(DEPOSIT), encodeOutPoint(outPoint))
}

function encodeRegistration(registration: Registration): Uint8Array {
  return encodeWith((writer) => {
    writer.u32(registration.keyEpoch).varBytes(registration.recipient).varBytes(registration.script)
  })
}

function decodeRegistration(bytes: Uint8Array): Registration {
  return decodeAll(bytes, (reader) => ({
    keyEpoch: reader.u32(),
    recipient: reader.varBytes(SCRIPT_BYTES_MAX).slice(),
    script: reader.varBytes(SCRIPT_BYTES_MAX).slice(),
  }))
}

function encodeDeposit(deposit: SeenDeposit): Uint8Array {
  return encodeWith((writer) => {
    writer
      .bytes(encodeOutPoint(deposit.outPoint))
      .u64(deposit.value)
      .u32(deposit.keyEpoch)
      .varBytes(deposit.recipient)
      .varBytes(deposit.script)
      .u32(deposit.l1Height)
      .u32(deposit.position)
  })
}

function decodeDeposit(bytes: Uint8Array): SeenDeposit {
  return decodeAll(bytes, (reader) => ({
    outPoint: readOutPoint(reader),
    value: decodeSats(reader.u64()),
    keyEpoch: reader.u32(),
    recipient: reader.varBytes(SCRIPT_BYTES_MAX).slice(),
    script: reader.varBytes(SCRIPT_BYTES_MAX).slice(),
    l1Height: reader.u32(),
    position: reader.u32(),
  }))
}
