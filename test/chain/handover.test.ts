import { beforeAll, describe, expect, it } from 'vitest'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { PLAIN_VERIFICATION } from '../../src/chain/block-scripts.ts'
import { buildCoinProof, buildSupplyProof } from '../../src/chain/build-proof.ts'
import { decodeHandover, encodeHandover, followHandovers } from '../../src/chain/handover.ts'
import { decodeSnapshotHead, encodeSnapshotHead, SECTION } from '../../src/chain/snapshot.ts'
import {
  type ChainProof,
  checkChainProof,
  decodeChainProof,
  encodeChainProof,
} from '../../src/chain/verify-proof.ts'
import { decodeCertificate } from '../../src/consensus/certificate.ts'
import { type ChainService, openChainService } from '../../src/node/chain-service.ts'
import { openChainDatabase } from '../../src/storage/chain-database.ts'
import { MemoryDisk, openMemoryStore } from '../../src/storage/memory-store.ts'
import { importSnapshot } from '../../src/storage/snapshot-import.ts'
import { certify, chainOf, type FinalBlock } from '../support/certified-chain.ts'
import { testParams, validatorKey } from '../support/chain-world.ts'
import { ChangingChain } from '../support/changing-chain.ts'
import { type Crew, setOfCrew } from '../support/member-changes.ts'
import { sectionsOf, snapshotFrom, snapshotOf, sourceOf } from '../support/snapshot-bytes.ts'

const params = testParams()
const founders: Crew = { epoch: 0, threshold: 3, members: [0, 1, 2, 3] }
const five: Crew = { epoch: 1, threshold: 3, members: [0, 1, 2, 3, 4] }
const replaced: Crew = { epoch: 2, threshold: 3, members: [5, 0, 1, 2, 4] }
const SIGNERS: Readonly<Record<number, readonly number[]>> = {
  0: [0, 1, 3],
  1: [0, 1, 3, 4],
  2: [0, 1, 3, 4],
}

let world: ChangingChain
let blocks: FinalBlock[]
let chain: ChainService
let ends: number[]

beforeAll(async () => {
  world = new ChangingChain(params)
  ends = [world.change(founders, five), world.change(five, replaced)].map(
    ({ extension }) => extension.height,
  )
  world.release()
  blocks = world.blocks.map((block) => {
    const { height } = block.extension
    const crew = height <= ends[0]! ? founders : height <= ends[1]! ? five : replaced
    const signers = SIGNERS[crew.epoch] ?? []
    return { block, certificate: certify(params, block, { crew, signers }) }
  })
  chain = await chainOf(params, blocks)
})

const handovers = () => chain.database.handovers.all()

function proven(height: number, leading = handovers()) {
  const { block, certificate } = blocks[height - 1]!
  return { block, certificate: decodeCertificate(certificate), handovers: leading }
}

function codeOf(bytes: Uint8Array): string {
  const checked = checkChainProof(params, bytes)
  return checked.ok ? 'ok' : checked.error.code
}

function altered(change: (proof: ChainProof) => ChainProof): string {
  const bytes = buildSupplyProof(proven(blocks.length))
  return codeOf(encodeChainProof(change(decodeChainProof(bytes))))
}

describe('handovers', () => {
  it('lead from the genesis validators to the present ones', () => {
    const sets = followHandovers(params, handovers().map(decodeHandover))
    expect(sets).toEqual({
      ok: true,
      value: [
        { set: setOfCrew(founders), fromHeight: 0 },
        { set: setOfCrew(five), fromHeight: ends[0]! + 1 },
        { set: setOfCrew(replaced), fromHeight: ends[1]! + 1 },
      ],
    })
    for (const bytes of handovers()) expect(encodeHandover(decodeHandover(bytes))).toEqual(bytes)
  })

  it('make proofs of every epoch good for who knows only the genesis', () => {
    const tip = blocks.length
    const supply = checkChainProof(params, buildSupplyProof(proven(tip)))
    expect(supply).toMatchObject({ ok: true, value: { height: tip, validators: 5 } })
    const [coinbase] = blocks[tip - 1]!.block.transactions
    const outPoint = { txid: transactionId(coinbase!), vout: 0 }
    expect(codeOf(buildCoinProof(proven(tip), chain.state(), outPoint))).toBe('ok')
    // The last blocks of an epoch are still its own.
    expect(codeOf(buildSupplyProof(proven(ends[0]!, [])))).toBe('ok')
    expect(codeOf(buildSupplyProof(proven(ends[1]!, handovers().slice(0, 1))))).toBe('ok')
    // More than is needed does no harm.
    expect(codeOf(buildSupplyProof(proven(ends[0]!)))).toBe('ok')
  })

  it('are needed, all of them and in order', () => {
    expect(altered((proof) => ({ ...proof, handovers: [] }))).toBe('certificate-signatures')
    const only = (...kept: readonly number[]) =>
      altered((proof) => ({ ...proof, handovers: kept.map((index) => proof.handovers[index]!) }))
    expect(only(0)).toBe('certificate-signatures')
    expect(only(1)).toBe('certificate-signatures')
    expect(only(1, 0)).toBe('certificate-signatures')
    expect(only(0, 1, 1)).not.toBe('ok')
    expect(only(0, 0, 1)).not.toBe('ok')
  })

  it('cannot be bent towards other validators', () => {
    const bend = (change: (handover: ChainProof['handovers'][number]) => object) =>
      altered((proof) => {
        const [first, second] = proof.handovers
        return { ...proof, handovers: [first!, { ...second!, ...change(second!) }] }
      })
    const stranger = validatorKey(9)
    expect(
      bend(({ next }) => ({ next: { ...next, keys: [...next.keys.slice(1), stranger] } })),
    ).toBe('handover-set')
    expect(bend(({ next }) => ({ next: { ...next, epoch: 3 } }))).toBe('handover-set')
    expect(bend(({ next }) => ({ next: { ...next, keys: [] } }))).toBe('validator-set-size')
    const ordinary = blocks[ends[1]! - 2]!
    const block = decodeChainProof(
      buildSupplyProof({
        block: ordinary.block,
        certificate: decodeCertificate(ordinary.certificate),
        handovers: [],
      }),
    ).block
    expect(bend(() => ({ block }))).toBe('handover-set')
    // Those of the epoch before have no say any more.
    const late = blocks[ends[1]! - 1]!.block
    const certificate = decodeCertificate(
      certify(params, late, { crew: founders, signers: [0, 1, 2, 3] }),
    )
    expect(bend((handover) => ({ block: { ...handover.block, certificate } }))).toBe(
      'certificate-signatures',
    )
    const retired = certify(params, blocks.at(-1)!.block, { crew: five, signers: [0, 1, 2, 3, 4] })
    expect(
      altered((proof) => ({
        ...proof,
        block: { ...proof.block, certificate: decodeCertificate(retired) },
      })),
    ).toBe('certificate-signatures')
  })

  it('make a snapshot good that is two sets away from its genesis, and stay with it', async () => {
    const snapshot = await snapshotOf(chain)
    const disk = new MemoryDisk()
    const store = openMemoryStore(disk)
    expect(await importSnapshot(params, sourceOf(snapshot), store)).toMatchObject({ ok: true })
    const database = await openChainDatabase(store, { chainId: params.chainId })
    const late = await openChainService(params, database, PLAIN_VERIFICATION)
    expect(late.state().trie.root).toBe(chain.state().trie.root)
    expect(database.handovers.all()).toEqual(handovers())
    // And it goes on from there, under the same validators.
    world.release()
    for (const block of world.blocks.slice(blocks.length)) {
      await late.apply(block, certify(params, block, { crew: replaced, signers: [0, 1, 2, 4] }))
    }
    const again = await snapshotOf(late)
    const other = openMemoryStore(new MemoryDisk())
    expect((await importSnapshot(params, sourceOf(again), other)).ok).toBe(true)
  })

  it('that a snapshot lacks make it worth nothing', async () => {
    const [first, ...sections] = sectionsOf(await snapshotOf(chain))
    const head = decodeSnapshotHead(first!.payload)
    const cut = encodeSnapshotHead({ ...head, handovers: head.handovers.slice(0, 1) })
    const bytes = snapshotFrom([{ kind: SECTION.head, payload: cut }, ...sections])
    const store = openMemoryStore(new MemoryDisk())
    expect(await importSnapshot(params, sourceOf(bytes), store)).toMatchObject({
      ok: false,
      error: { code: 'certificate-signatures' },
    })
  })
})
