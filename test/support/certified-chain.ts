/** Final blocks: a chain with a mint and payments, each block with a certificate of real signatures. */

import { vi } from 'vitest'
import { type OutPoint, transactionId } from '../../src/bitcoin/transaction.ts'
import { type Block, blockHash } from '../../src/chain/block.ts'
import { PLAIN_VERIFICATION } from '../../src/chain/block-scripts.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import { assembleCertificate, encodeCertificate } from '../../src/consensus/certificate.ts'
import { type Statement, type Vote, voteDigest } from '../../src/consensus/votes.ts'
import { type ChainService, openChainService } from '../../src/node/chain-service.ts'
import { signSchnorr } from '../../src/primitives/secp256k1.ts'
import { sats } from '../../src/primitives/units.ts'
import type { KeyValueStore } from '../../src/runtime/runtime.ts'
import { openChainDatabase } from '../../src/storage/chain-database.ts'
import { openMemoryStore } from '../../src/storage/memory-store.ts'
import { aUser, mintedWorld, secretOf, spend, TestChain } from './chain-world.ts'
import type { Crew } from './member-changes.ts'

export interface FinalBlock {
  readonly block: Block
  readonly certificate: Uint8Array
}

const AUX = new Uint8Array(32)

/** By three of four validators, unless others are named: indexes in the crew, the founders' unless told. */
export function certify(
  params: ChainParams,
  block: Block,
  change: Partial<Statement> & {
    readonly signers?: readonly number[]
    readonly crew?: Pick<Crew, 'epoch' | 'members'>
  } = {},
): Uint8Array {
  const founders = { epoch: 0, members: [...params.validators.keys()] }
  const { signers = [0, 1, 3], crew = founders, ...other } = change
  const { height, view } = block.extension
  const hash = blockHash(block)
  const statement: Statement = { type: 'finalize', height, view, blockHash: hash, ...other }
  const digest = voteDigest({ chainId: params.chainId, epoch: crew.epoch }, statement)
  const votes = signers.map(
    (signer): Vote => ({
      ...statement,
      signer,
      signature: signSchnorr(digest, secretOf(`validator ${crew.members[signer] ?? -1}`), AUX),
    }),
  )
  return encodeCertificate(assembleCertificate(votes, crew.members.length))
}

/** `count` blocks from block 1 on. From block 3 on each pays alice's one coin on, at a fee. */
export function finalBlocks(params: ChainParams, count: number): readonly FinalBlock[] {
  const blocks: Block[] = []
  const apply = vi.spyOn(TestChain.prototype, 'apply')
  const { chain, coin } = mintedWorld(10_000_000n, params)
  let at: { outPoint: OutPoint; value: bigint } = coin
  while (apply.mock.calls.length < count) {
    const value = at.value - 1_000n - 20_000n
    const payment = spend(
      aUser('alice'),
      [at],
      [
        { value: sats(value), script: aUser('alice').script },
        { value: sats(20_000n), script: aUser('bob').script },
      ],
    )
    chain.extend({ transactions: [payment] })
    at = { outPoint: { txid: transactionId(payment), vout: 0 }, value }
  }
  for (const [block] of apply.mock.calls.slice(0, count)) blocks.push(block)
  apply.mockRestore()
  return blocks.map((block) => ({ block, certificate: certify(params, block) }))
}

/** The production chain service over a store, without network. */
export async function openChain(
  params: ChainParams,
  store: KeyValueStore = openMemoryStore(),
): Promise<ChainService> {
  const database = await openChainDatabase(store, { chainId: params.chainId })
  return openChainService(params, database, PLAIN_VERIFICATION)
}

/** A chain that has these blocks, on its disk. */
export async function chainOf(
  params: ChainParams,
  blocks: readonly FinalBlock[],
  store?: KeyValueStore,
): Promise<ChainService> {
  const chain = await openChain(params, store)
  for (const { block, certificate } of blocks) await chain.apply(block, certificate)
  return chain
}
