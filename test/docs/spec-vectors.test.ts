/**
 * The vectors of the specification against the code, in both directions: what the code writes is in
 * the file, and what is in the file the code reads, connects and verifies. When a format has changed
 * on purpose: UPDATE_SPEC_VECTORS=1 vitest run test/docs/spec-vectors.test.ts, then the pages.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { decodeDkgMessage, encodeDkgMessage } from '../../federation/signing/dkg-messages.ts'
import { openMessage } from '../../federation/signing/envelope.ts'
import {
  decodeSigningMessage,
  encodeSigningMessage,
} from '../../federation/signing/signing-messages.ts'
import { chainParams, parseGenesis } from '../../genesis/network.ts'
import { decodeAddress } from '../../src/bitcoin/address.ts'
import { blockHash, decodeBlock, encodeBlock } from '../../src/chain/block.ts'
import { extensionHash } from '../../src/chain/extension.ts'
import { l1SectionHash } from '../../src/chain/l1-section.ts'
import { isSolvent } from '../../src/chain/peg/books.ts'
import {
  decodeKeyEpochAnnouncement,
  verifyKeyEpochAnnouncement,
} from '../../src/chain/peg/key-epoch-announcement.ts'
import { depositScriptOf } from '../../src/chain/peg/key-epochs.ts'
import { readStateProof, verifyStateProof } from '../../src/chain/state-proof.ts'
import { genesisValidators, hashOfSet } from '../../src/chain/validators.ts'
import { decodeCertificate, verifyCertificate } from '../../src/consensus/certificate.ts'
import { leaderPermutation } from '../../src/consensus/leader.ts'
import { decodeMessage, encodeMessage } from '../../src/consensus/messages.ts'
import { decodeDecidedAnswer, decodeDecidedRequest } from '../../src/consensus/sync-messages.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import { decodeAll } from '../../src/primitives/codec.ts'
import { toHash32 } from '../../src/primitives/hashes.ts'
import { TestChain } from '../support/chain-world.ts'
import { makeSpecVectors } from './spec-vectors.ts'

const FILE = resolve(import.meta.dirname, '../../docs/spec/vectors.json')
const hex = z.string().regex(/^(?:[0-9a-f]{2})*$/)
const messages = z.array(z.object({ kind: z.string(), bytes: hex })).min(1)
const fileSchema = z.object({
  network: z.object({
    genesis: z.unknown(),
    chainId: hex,
    paramsHash: hex,
    validatorSetHash: hex,
  }),
  blocks: z.array(
    z.object({
      height: z.int(),
      hash: hex,
      block: hex,
      extension: hex,
      extensionHash: hex,
      l1Section: hex,
      l1SectionHash: hex,
      stateRoot: hex,
    }),
  ),
  state: z.object({
    root: hex,
    member: z.object({ key: hex, value: hex, proof: hex }),
    absent: z.object({ key: hex, proof: hex }),
  }),
  peg: z.object({
    announcement: hex,
    groupKey: hex,
    depositRecipient: hex,
    depositScript: hex,
    depositAddress: z.string(),
    withdrawScript: hex,
    withdrawAddress: z.string(),
  }),
  consensus: z.object({
    leaders: z.array(z.object({ height: z.int(), order: z.array(z.int()) })),
    certificate: hex,
    messages,
    sync: z.object({ question: hex, answer: hex }),
  }),
  federation: z.object({ sealed: hex, keyGeneration: messages, signing: messages }),
})

beforeAll(() => {
  if (process.env['UPDATE_SPEC_VECTORS'] === '1') {
    writeFileSync(FILE, `${JSON.stringify(makeSpecVectors(), undefined, 2)}\n`)
  }
})

const vectors = () => fileSchema.parse(JSON.parse(readFileSync(FILE, 'utf8')))
const params = () => chainParams(parseGenesis(vectors().network.genesis))

const read = (proof: string) => decodeAll(hexToBytes(proof), readStateProof)

describe('the vectors of the specification', () => {
  it('are what the code writes', () => {
    const made: unknown = JSON.parse(JSON.stringify(makeSpecVectors()))
    expect(JSON.parse(readFileSync(FILE, 'utf8'))).toEqual(made)
  })

  it('name the network', () => {
    const { network } = vectors()
    expect(params().chainId).toBe(network.chainId)
    expect(params().paramsHash).toBe(network.paramsHash)
    expect(hashOfSet(genesisValidators(params()))).toBe(network.validatorSetHash)
  })

  it('are a chain that connects, block by block, with the state that they say', () => {
    const chain = new TestChain(params())
    for (const vector of vectors().blocks) {
      const bytes = hexToBytes(vector.block)
      const block = decodeBlock(bytes)
      expect(bytesToHex(encodeBlock(block))).toBe(vector.block)
      expect(blockHash(block)).toBe(vector.hash)
      expect(extensionHash(block.extension)).toBe(vector.extensionHash)
      expect(l1SectionHash(block.l1Section)).toBe(vector.l1SectionHash)
      // The extension and the section stand in the block as the page says.
      const section = hexToBytes(vector.l1Section).length
      const from = 80 + vector.extension.length / 2
      expect(vector.block.slice(160, 2 * from)).toBe(vector.extension)
      const at = from + (section < 0xfd ? 1 : 3)
      expect(vector.block.slice(2 * at, 2 * (at + section))).toBe(vector.l1Section)
      chain.apply(block)
      expect(chain.state.trie.root).toBe(vector.stateRoot)
      expect(isSolvent(block.extension.totals)).toBe(true)
    }
    expect(chain.state.tip.height).toBe(6)
  })

  it('prove what the state holds and what it does not', () => {
    const { root, member, absent } = vectors().state
    const value = hexToBytes(member.value)
    const state = toHash32(root)
    expect(verifyStateProof(state, member.key, value, read(member.proof))).toBe(true)
    expect(verifyStateProof(state, member.key, undefined, read(member.proof))).toBe(false)
    expect(verifyStateProof(state, absent.key, undefined, read(absent.proof))).toBe(true)
  })

  it('derive the addresses of the peg', () => {
    const { peg, network } = vectors()
    const announcement = decodeKeyEpochAnnouncement(hexToBytes(peg.announcement))
    const expected = { chainId: params().chainId, epoch: 0, members: params().validators }
    expect(network.chainId).toBe(expected.chainId)
    expect(verifyKeyEpochAnnouncement(announcement, expected)).toBe(true)
    expect(bytesToHex(announcement.groupKey)).toBe(peg.groupKey)
    const script = depositScriptOf(params(), announcement, hexToBytes(peg.depositRecipient))
    expect(bytesToHex(script)).toBe(peg.depositScript)
    for (const [address, wanted] of [
      [peg.depositAddress, peg.depositScript],
      [peg.withdrawAddress, peg.withdrawScript],
    ] as const) {
      const decoded = decodeAddress(address, { bech32: 'bcrt' })
      expect(decoded.ok && bytesToHex(decoded.value)).toBe(wanted)
    }
  })

  it('hold one of every message of consensus, each read and written back', () => {
    const { consensus } = vectors()
    for (const { kind, bytes } of consensus.messages) {
      const message = decodeMessage(hexToBytes(bytes))
      expect(message.kind).toBe(kind)
      expect(bytesToHex(encodeMessage(message))).toBe(bytes)
    }
    expect(new Set(consensus.messages.map(({ kind }) => kind)).size).toBe(10)
    for (const { height, order } of consensus.leaders) {
      const context = { chainId: params().chainId, epoch: 0 }
      expect(leaderPermutation(context, height, 4)).toEqual(order)
    }
  })

  it('certify a block of the chain', () => {
    const { consensus, blocks } = vectors()
    const certificate = decodeCertificate(hexToBytes(consensus.certificate))
    const { chainId, validators } = params()
    expect(certificate.blockHash).toBe(blocks[2]?.hash)
    expect(verifyCertificate(certificate, { chainId, epoch: 0, validators })).toBe(true)
    expect(verifyCertificate(certificate, { chainId, epoch: 1, validators })).toBe(false)
    expect(decodeDecidedRequest(hexToBytes(consensus.sync.question)).count).toBe(64)
    const [decided] = decodeDecidedAnswer(hexToBytes(consensus.sync.answer))
    expect(bytesToHex(decided?.block ?? new Uint8Array())).toBe(blocks[2]?.block)
  })

  it('hold one of every message of the federation', () => {
    const { federation } = vectors()
    for (const { kind, bytes } of federation.keyGeneration) {
      const message = decodeDkgMessage(hexToBytes(bytes))
      expect(message.payload.kind).toBe(kind)
      expect(bytesToHex(encodeDkgMessage(message))).toBe(bytes)
    }
    for (const { kind, bytes } of federation.signing) {
      const message = decodeSigningMessage(hexToBytes(bytes))
      expect(message.kind).toBe(kind)
      expect(bytesToHex(encodeSigningMessage(message))).toBe(bytes)
    }
    const context = { chainId: params().chainId, epoch: 0, members: params().validators }
    const envelope = openMessage(hexToBytes(federation.sealed), context)
    expect(envelope).toMatchObject({ protocol: 'key-generation', sender: 1 })
    expect(openMessage(hexToBytes(federation.sealed), { ...context, epoch: 1 })).toBeUndefined()
  })
})
