import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { type OutPoint, transactionId } from '../../src/bitcoin/transaction.ts'
import { buildCoinProof, buildSupplyProof } from '../../src/chain/build-proof.ts'
import { coinsOf } from '../../src/chain/state.ts'
import {
  type ChainProof,
  checkChainProof,
  decodeChainProof,
  encodeChainProof,
} from '../../src/chain/verify-proof.ts'
import { decodeCertificate } from '../../src/consensus/certificate.ts'
import type { ChainService } from '../../src/node/chain-service.ts'
import { DecodeError } from '../../src/primitives/codec.ts'
import { toHash32 } from '../../src/primitives/hashes.ts'
import { installSecp256k1Backend } from '../../src/primitives/secp256k1.ts'
import { sats } from '../../src/primitives/units.ts'
import { chooseSecp256k1Backend } from '../../src/runtime/secp256k1-backend.ts'
import { certify, chainOf, type FinalBlock, finalBlocks } from '../support/certified-chain.ts'
import { anOutPoint, testParams } from '../support/chain-world.ts'

const params = testParams()
let blocks: readonly FinalBlock[]
let chain: ChainService
let tip: FinalBlock
/** Alice's coin, and the one that she spent for it. */
let unspent: OutPoint
let spent: OutPoint

beforeAll(async () => {
  installSecp256k1Backend(chooseSecp256k1Backend())
  blocks = finalBlocks(params, 8)
  chain = await chainOf(params, blocks)
  tip = blocks.at(-1)!
  const payment = tip.block.transactions[1]!
  unspent = { txid: transactionId(payment), vout: 0 }
  spent = payment.inputs[0]!.prevout
})

const provenOf = ({ block, certificate }: FinalBlock) => ({
  block,
  certificate: decodeCertificate(certificate),
  handovers: [],
})

function proofOf(outPoint: OutPoint): Uint8Array {
  return buildCoinProof(provenOf(tip), chain.state(), outPoint)
}

function facts(bytes: Uint8Array) {
  const checked = checkChainProof(params, bytes)
  if (!checked.ok) throw new TypeError(JSON.stringify(checked.error))
  return checked.value
}

/** The code of the refusal of a proof that was changed. */
function refusal(change: (proof: ChainProof) => ChainProof, outPoint = unspent): string {
  const bytes = encodeChainProof(change(decodeChainProof(proofOf(outPoint))))
  const checked = checkChainProof(params, bytes)
  return checked.ok ? 'accepted' : checked.error.code
}

function inBlock(change: Partial<ChainProof['block']>) {
  return (proof: ChainProof): ChainProof => ({ ...proof, block: { ...proof.block, ...change } })
}

function withCoin(change: Partial<NonNullable<ChainProof['coin']>>): string {
  return refusal((proof) => ({ ...proof, coin: { ...proof.coin!, ...change } }))
}

describe('a proof', () => {
  it('shows a coin, in the state after the block', () => {
    expect(facts(proofOf(unspent))).toEqual({
      height: 8,
      blockHash: chain.state().tip.hash,
      timeMs: chain.state().tip.timeMs,
      totals: tip.block.extension.totals,
      signers: [0, 1, 3],
      validators: 4,
      coin: {
        kind: 'unspent',
        outPoint: unspent,
        coin: coinsOf(chain.state().view).findCoin(unspent),
      },
    })
  })

  it('shows that a coin is not there: spent, or never made', () => {
    for (const outPoint of [spent, anOutPoint('nowhere'), { ...unspent, vout: 99 }]) {
      expect(facts(proofOf(outPoint)).coin).toEqual({ kind: 'absent', outPoint })
    }
  })

  it('shows the outputs of the block’s own coinbase as not in the state yet', async () => {
    const coinbase = tip.block.transactions[0]!
    const outPoint = { txid: transactionId(coinbase), vout: 0 }
    expect(facts(proofOf(outPoint)).coin).toEqual({
      kind: 'pending',
      outPoint,
      output: coinbase.outputs[0],
    })
    // Its commitments never become coins.
    expect(facts(proofOf({ ...outPoint, vout: 1 })).coin?.kind).toBe('absent')
    const more = finalBlocks(params, 9)
    const next = await chainOf(params, more)
    const { block, certificate } = more[8]!
    const bytes = buildCoinProof(provenOf({ block, certificate }), next.state(), outPoint)
    expect(facts(bytes).coin?.kind).toBe('unspent')
  })

  it('of the supply needs no record', () => {
    const bytes = buildSupplyProof(provenOf(tip))
    expect(facts(bytes)).toMatchObject({
      height: 8,
      totals: { supply: 10_000_000n },
      coin: undefined,
    })
  })

  it('holds for its own network only', () => {
    const other = { ...params, chainId: toHash32('aa'.repeat(32)) }
    for (const network of [other, testParams(5), { ...params, validators: [] }]) {
      const checked = checkChainProof(network, proofOf(unspent))
      expect(checked).toMatchObject({ ok: false, error: { code: 'certificate-signatures' } })
    }
  })

  it('is refused with any bit changed, and cut or lengthened anywhere', () => {
    const bytes = proofOf(unspent)
    for (let at = 0; at < bytes.length; at++) {
      const copy = bytes.slice()
      copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8))
      expect(checkChainProof(params, copy).ok, `byte ${at}`).toBe(false)
      const cut = checkChainProof(params, bytes.subarray(0, at))
      expect(cut).toMatchObject({ ok: false, error: { code: 'proof-format' } })
    }
    const longer = Uint8Array.from([...bytes, 0])
    expect(checkChainProof(params, longer)).toMatchObject({ error: { code: 'proof-format' } })
  })

  it('decodes to what was encoded, or throws DecodeError', () => {
    const bytes = proofOf(spent)
    expect(encodeChainProof(decodeChainProof(bytes))).toEqual(bytes)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(bytes.length), (noise, at) => {
        const mixed = Uint8Array.from([...bytes.subarray(0, at), ...noise])
        try {
          expect(encodeChainProof(decodeChainProof(mixed))).toEqual(mixed)
        } catch (error) {
          expect(error).toBeInstanceOf(DecodeError)
        }
        expect(() => checkChainProof(params, mixed)).not.toThrow()
      }),
      { numRuns: 300 },
    )
  })
})

describe('a forged proof', () => {
  it('is refused without the certificate of this very block', () => {
    const certified = (change: Parameters<typeof certify>[2]) =>
      refusal(inBlock({ certificate: decodeCertificate(certify(params, tip.block, change)) }))
    expect(certified({})).toBe('accepted')
    expect(certified({ signers: [0, 2] })).toBe('certificate-signatures')
    expect(certified({ type: 'notarize' })).toBe('certificate-block')
    expect(certified({ height: 7 })).toBe('proof-extension')
    const earlier = blocks[3]!
    expect(refusal(inBlock({ certificate: decodeCertificate(earlier.certificate) }))).toBe(
      'certificate-block',
    )
  })

  it('is refused when coinbase or extension are another block’s', () => {
    const { block } = blocks[3]!
    expect(refusal(inBlock({ extension: block.extension }))).toBe('proof-extension')
    const coinbase = { ...block.transactions[0]!, inputs: block.transactions[0]!.inputs }
    expect(refusal(inBlock({ coinbase }))).toBe('proof-coinbase')
    const totals = { ...tip.block.extension.totals, supply: sats(1) }
    expect(refusal(inBlock({ extension: { ...tip.block.extension, totals } }))).toBe(
      'proof-extension',
    )
  })

  it('is refused when another transaction stands in for the coinbase', () => {
    const payment = tip.block.transactions[1]!
    const bare = {
      ...payment,
      inputs: payment.inputs.map((input) => ({ ...input, witness: [] })),
    }
    const txid = transactionId(tip.block.transactions[0]!)
    const merkle = { position: 1, branch: [txid] }
    expect(refusal(inBlock({ coinbase: bare, merkle }))).toBe('proof-coinbase')
  })

  it('is refused when the record is not the state’s', () => {
    expect(withCoin({ value: undefined })).toBe('proof-state')
    expect(withCoin({ outPoint: spent })).toBe('proof-state')
    expect(withCoin({ proof: { siblings: [] } })).toBe('proof-state')
    const absent = decodeChainProof(proofOf(spent)).coin!
    expect(withCoin({ proof: absent.proof, value: undefined })).toBe('proof-state')
  })
})
