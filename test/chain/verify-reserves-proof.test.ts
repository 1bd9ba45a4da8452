import { beforeAll, describe, expect, it } from 'vitest'
import { withdrawScript } from '../../src/bitcoin/script.ts'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { buildSupplyProof } from '../../src/chain/build-proof.ts'
import { buildReservesPiece, prepareReservesProof } from '../../src/chain/build-reserves-proof.ts'
import { EMPTY_L1_SECTION } from '../../src/chain/l1-section.ts'
import { currentVersion, openBatches } from '../../src/chain/peg/batches.ts'
import { getPegBooks } from '../../src/chain/peg/books.ts'
import { depositScriptOf } from '../../src/chain/peg/key-epochs.ts'
import { reserveCoins } from '../../src/chain/peg/reserves.ts'
import {
  decodeReservesGroup,
  decodeReservesHead,
  type ReservesProofGroup,
  type ReservesProofHead,
  reservesProofFrames,
  reservesProofPiece,
  reservesProofStart,
} from '../../src/chain/reserves-proof.ts'
import { checkReservesProof } from '../../src/chain/verify-reserves-proof.ts'
import { decodeCertificate } from '../../src/consensus/certificate.ts'
import { concatBytes } from '../../src/primitives/bytes.ts'
import { installSecp256k1Backend } from '../../src/primitives/secp256k1.ts'
import { sats } from '../../src/primitives/units.ts'
import { chooseSecp256k1Backend } from '../../src/runtime/secp256k1-backend.ts'
import { certify } from '../support/certified-chain.ts'
import {
  aKeyEpoch,
  anL1Payment,
  aUser,
  type MintedWorld,
  mintedWorld,
  secretOf,
  spend,
  TestChain,
  TestL1,
  testParams,
} from '../support/chain-world.ts'

const params = testParams()
const { announcement } = aKeyEpoch(params)
const L1_TARGET = aUser('somebody on L1').script

/** Three deposits, two of them in one L1 transaction; one is spent by a release whose change comes back. */
function busyWorld(): MintedWorld {
  const world = mintedWorld(10_000_000n, params)
  const { chain, l1 } = world
  const script = (name: string) => depositScriptOf(params, announcement, aUser(name).script)
  const twice = anL1Payment('two at once', [
    { value: sats(3_000_000n), script: script('bob') },
    { value: sats(1_000n), script: aUser('nobody').script },
    { value: sats(2_000_000n), script: script('carol') },
  ])
  l1.mine([twice])
  const claims = [
    { vout: 0, keyEpoch: 0, recipient: aUser('bob').script },
    { vout: 2, keyEpoch: 0, recipient: aUser('carol').script },
  ]
  chain.extend({
    l1Section: {
      ...EMPTY_L1_SECTION,
      headers: chain.headersTo(l1),
      deposits: [{ ...l1.prove(transactionId(twice)), claims }],
    },
  })
  const burn = spend(
    aUser('alice'),
    [world.coin],
    [
      { value: sats(4_000_000n), script: withdrawScript(L1_TARGET) },
      { value: sats(5_999_000n), script: aUser('alice').script },
    ],
  )
  chain.extend({ transactions: [burn] })
  chain.extend()
  const [batch] = [...openBatches(chain.state.view)]
  if (batch === undefined) throw new TypeError('no batch')
  const { transaction } = currentVersion(batch)
  l1.mine([transaction])
  chain.extend({
    l1Section: {
      ...EMPTY_L1_SECTION,
      headers: chain.headersTo(l1),
      confirmations: [l1.prove(transactionId(transaction))],
    },
  })
  return world
}

let world: MintedWorld
let proof: Uint8Array

beforeAll(() => {
  installSecp256k1Backend(chooseSecp256k1Backend())
  world = busyWorld()
  proof = proofOf(world)
})

function proofOf({ chain, l1 }: Pick<MintedWorld, 'chain' | 'l1'>): Uint8Array {
  const block = chain.extend()
  const certificate = decodeCertificate(certify(params, block))
  const { start, groups } = prepareReservesProof({ block, certificate, handovers: [] }, chain.state)
  const pieces = [...groups].map(([txid, part]) => buildReservesPiece(part, l1.prove(txid)))
  return concatBytes(start, ...pieces)
}

function refusal(bytes: Uint8Array): string {
  const checked = checkReservesProof(params, bytes)
  return checked.ok ? 'accepted' : checked.error.code
}

interface Parts {
  readonly head: ReservesProofHead
  readonly groups: readonly ReservesProofGroup[]
}

/** The refusal of the proof with some of its parts exchanged. */
function changed(change: (parts: Parts) => Partial<Parts>): string {
  const [first, ...rest] = [...reservesProofFrames(proof)]
  const parts = { head: decodeReservesHead(first!), groups: rest.map(decodeReservesGroup) }
  const { head, groups } = { ...parts, ...change(parts) }
  return refusal(concatBytes(reservesProofStart(head), ...groups.map(reservesProofPiece)))
}

const pair = (parts: Parts) => parts.groups.find(({ coins }) => coins.length === 2)!
const others = (parts: Parts) => parts.groups.filter(({ coins }) => coins.length !== 2)
const swap = (parts: Parts, change: (group: ReservesProofGroup) => ReservesProofGroup) => ({
  groups: parts.groups.map(change),
})

describe('a proof of reserves', () => {
  it('shows every coin with its place on L1, and that the books balance', () => {
    const checked = checkReservesProof(params, proof)
    if (!checked.ok) throw new TypeError(JSON.stringify(checked.error))
    const { block, coins, keyEpochs, l1Height } = checked.value
    const { view } = world.chain.state
    expect(block).toMatchObject({ totals: getPegBooks(view).totals, signers: [0, 1, 3] })
    expect(new Set(coins)).toEqual(new Set(reserveCoins(view)))
    // Two deposits, and the change of a payment.
    expect(coins).toHaveLength(3)
    expect(keyEpochs.map(({ epoch }) => epoch)).toEqual([0])
    expect(l1Height).toBe(3)
  })

  it('of reserves of nothing is one too', () => {
    const empty = proofOf({ chain: new TestChain(params), l1: new TestL1() })
    expect(checkReservesProof(params, empty)).toMatchObject({
      ok: true,
      value: { coins: [], keyEpochs: [], block: { height: 1, totals: { reserves: 0n } } },
    })
  })

  it('is refused with a bit changed, and cut or lengthened anywhere', () => {
    // The steps are primes, so that every field is met; what they leave out the chain proof's test has.
    for (let at = 0; at < proof.length; at += 5) {
      const copy = proof.slice()
      copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8))
      expect(checkReservesProof(params, copy).ok, `byte ${at}`).toBe(false)
    }
    for (let at = 0; at < proof.length; at += 31) {
      expect(checkReservesProof(params, proof.subarray(0, at)).ok, `cut at ${at}`).toBe(false)
    }
    expect(refusal(concatBytes(proof, Uint8Array.of(0)))).toBe('proof-format')
  })

  it('is refused without one of the coins, or with one of them twice', () => {
    expect(changed(({ groups }) => ({ groups: groups.slice(1) }))).toBe('reserves-proof-sum')
    expect(changed(({ groups }) => ({ groups: [...groups, groups[0]!] }))).toBe(
      'reserves-proof-twice',
    )
    expect(
      changed((parts) => {
        const [first] = pair(parts).coins
        return { groups: [...others(parts), { ...pair(parts), coins: [first!, first!] }] }
      }),
    ).toBe('reserves-proof-twice')
    expect(
      changed((parts) => {
        const coins = pair(parts).coins.slice(1)
        return { groups: [...others(parts), { ...pair(parts), coins }] }
      }),
    ).toBe('reserves-proof-sum')
  })

  it('is refused when a coin is said to be another output, or in another L1 block', () => {
    const moved = changed((parts) =>
      swap(parts, (group) => ({
        ...group,
        coins: group.coins.map(({ record }) => ({ vout: 1, record })).slice(0, 1),
      })),
    )
    expect(moved).toBe('reserves-proof-coin')
    expect(
      changed((parts) => swap(parts, (group) => ({ ...group, l1Height: group.l1Height + 1 }))),
    ).toBe('reserves-proof-l1-header')
    const [one, two] = [0, 1]
    expect(
      changed(({ groups }) => ({
        groups: [{ ...groups[one]!, merkle: groups[two]!.merkle, header: groups[one]!.header }],
      })),
    ).toBe('l1-proof-merkle')
    expect(
      changed(({ groups }) => {
        const [a, b] = [groups[one]!, groups[two]!]
        return { groups: [{ ...a, transaction: b.transaction, merkle: b.merkle }] }
      }),
    ).toBe('l1-proof-merkle')
  })

  it('is refused without the key epoch, or with another network’s recovery keys', () => {
    expect(changed(({ head }) => ({ head: { ...head, keyEpochs: [] } }))).toBe(
      'reserves-proof-key-epoch',
    )
    expect(
      changed(({ head }) => ({
        head: { ...head, keyEpochs: head.keyEpochs.map((each) => ({ ...each, epoch: 1 })) },
      })),
    ).toBe('reserves-proof-key-epoch')
    const { recovery } = params.peg
    const other = { ...params, peg: { ...params.peg, recovery: { ...recovery, threshold: 1 } } }
    expect(checkReservesProof(other, proof)).toMatchObject({
      error: { code: 'reserves-proof-address' },
    })
  })

  it('is refused with books or certificate of another block', () => {
    const other = mintedWorld(20_000n, params).chain.extend()
    const chainProof = buildSupplyProof({
      block: other,
      certificate: decodeCertificate(certify(params, other)),
      handovers: [],
    })
    expect(changed(({ head }) => ({ head: { ...head, chainProof } }))).toMatch(/^reserves-proof/)
    expect(
      changed(({ head }) => ({
        head: { ...head, books: { ...head.books, value: secretOf('books') } },
      })),
    ).toBe('reserves-proof-books')
  })
})
