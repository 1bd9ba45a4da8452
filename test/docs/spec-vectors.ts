/**
 * Makes the vectors of the specification: a short chain with real proofs and signatures by keys that
 * everybody may know, and one of each message. Everything is deterministic, so the file can be made
 * again; see `spec-vectors.test.ts`.
 */

import { schnorr } from '@noble/curves/secp256k1.js'
import { encodeRegistrationMessage } from '../../federation/deposits/registration-message.ts'
import { signingTaskOf } from '../../federation/releases/batch-authorisation.ts'
import { encodeDkgMessage } from '../../federation/signing/dkg-messages.ts'
import { sealMessage } from '../../federation/signing/envelope.ts'
import { coordinatorOrder } from '../../federation/signing/roast-session.ts'
import { encodeSigningMessage, type NonceOffer } from '../../federation/signing/signing-messages.ts'
import { devnetGenesis } from '../../genesis/devnet.ts'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { p2wpkhScript, withdrawScript } from '../../src/bitcoin/script.ts'
import {
  encodeTransaction,
  type Transaction,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { type Block, blockHash, encodeBlock } from '../../src/chain/block.ts'
import { extensionHash, writeExtension } from '../../src/chain/extension.ts'
import { EMPTY_L1_SECTION, encodeL1Section, l1SectionHash } from '../../src/chain/l1-section.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import { currentVersion, openBatches } from '../../src/chain/peg/batches.ts'
import { CHANGE_RECIPIENT, recoveryLeafScript } from '../../src/chain/peg/deposit-address.ts'
import { encodeKeyEpochAnnouncement } from '../../src/chain/peg/key-epoch-announcement.ts'
import { depositScriptOf } from '../../src/chain/peg/key-epochs.ts'
import { NAMESPACE, numberStateKey, outPointStateKey } from '../../src/chain/state.ts'
import { writeStateProof } from '../../src/chain/state-proof.ts'
import { genesisValidators, hashOfSet } from '../../src/chain/validators.ts'
import { assembleCertificate, encodeCertificate } from '../../src/consensus/certificate.ts'
import { helloDigest } from '../../src/consensus/hello.ts'
import { leaderPermutation } from '../../src/consensus/leader.ts'
import { encodeMessage, type Message } from '../../src/consensus/messages.ts'
import { encodeDecidedAnswer, encodeDecidedRequest } from '../../src/consensus/sync-messages.ts'
import { type Statement, type Vote, voteDigest } from '../../src/consensus/votes.ts'
import { bytesToHex, hexToBytes } from '../../src/primitives/bytes.ts'
import { encodeWith } from '../../src/primitives/codec.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { sha256 } from '../../src/primitives/sha256.ts'
import { sats } from '../../src/primitives/units.ts'
import {
  aKeyEpoch,
  anL1Payment,
  aUser,
  secretOf,
  spend,
  TestChain,
  TestL1,
  testParams,
} from '../support/chain-world.ts'
import { doubleVote } from '../support/double-votes.ts'

const AUX = new Uint8Array(32)
const hex = bytesToHex
const names = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => xOnlyPublicKey(secretOf(`${prefix} ${i}`)))

/** The genesis of `testParams()`. */
function genesisOf(): object {
  return devnetGenesis({
    validators: names('validator', 4),
    recoveryKeys: names('recovery', 3),
    salt: '00'.repeat(32),
  })
}

interface Story {
  readonly chain: TestChain
  readonly blocks: readonly Block[]
  readonly roots: readonly string[]
  readonly depositAddressScript: Uint8Array
  readonly burn: Transaction
  readonly batch: Transaction
  readonly batchTask: object
}

/** Opens the peg, mints, pays, burns, batches and confirms: six blocks. */
function tellStory(params: ChainParams): Story {
  const chain = new TestChain(params)
  const l1 = new TestL1()
  const { announcement } = aKeyEpoch(params)
  const alice = aUser('alice')
  const bob = aUser('bob')
  const blocks: Block[] = []
  const roots: string[] = []
  const extend = (part: Parameters<TestChain['extend']>[0] = {}): Block => {
    const block = chain.extend(part)
    blocks.push(block)
    roots.push(chain.state.trie.root)
    return block
  }
  extend({ l1Section: { ...EMPTY_L1_SECTION, keyEpochs: [announcement] } })
  const script = depositScriptOf(params, announcement, alice.script)
  const deposit = anL1Payment('alice pays in', [{ value: sats(100_000_000), script }])
  l1.mine([deposit])
  const proof = l1.prove(transactionId(deposit))
  const claims = [{ vout: 0, keyEpoch: 0, recipient: alice.script }]
  const minted = extend({
    l1Section: {
      ...EMPTY_L1_SECTION,
      headers: chain.headersTo(l1),
      deposits: [{ ...proof, claims }],
    },
  })
  const mint = minted.transactions[1]!
  const coin = { outPoint: { txid: transactionId(mint), vout: 0 }, value: 100_000_000n }
  const pay = spend(alice, [coin], [{ value: sats(99_999_000), script: bob.script }])
  extend({ transactions: [pay] })
  const paid = { outPoint: { txid: transactionId(pay), vout: 0 }, value: 99_999_000n }
  const target = p2wpkhScript(new Uint8Array(20).fill(7))
  const burn = spend(
    bob,
    [paid],
    [
      { value: sats(40_000_000), script: withdrawScript(target) },
      { value: sats(59_998_000), script: bob.script },
    ],
  )
  extend({ transactions: [burn] })
  extend({ evidence: [doubleVote(params, { height: 4, signer: 2 })] })
  const [batch] = [...openBatches(chain.state.view)]
  const { transaction } = currentVersion(batch!)
  const task = signingTaskOf(params, batch!)
  l1.mine([transaction])
  extend({
    l1Section: {
      ...EMPTY_L1_SECTION,
      headers: chain.headersTo(l1),
      confirmations: [l1.prove(transactionId(transaction))],
    },
  })
  return {
    chain,
    blocks,
    roots,
    depositAddressScript: script,
    burn,
    batch: transaction,
    batchTask: { ...task, coordinators: coordinatorOrder(task, params.validators) },
  }
}

function blockVector(block: Block, root: string): object {
  return {
    height: block.extension.height,
    hash: blockHash(block),
    block: hex(encodeBlock(block)),
    extension: hex(encodeWith((writer) => writeExtension(writer, block.extension))),
    extensionHash: extensionHash(block.extension),
    l1Section: hex(encodeL1Section(block.l1Section)),
    l1SectionHash: l1SectionHash(block.l1Section),
    stateRoot: root,
  }
}

function pegVector(params: ChainParams, story: Story): object {
  const { announcement } = aKeyEpoch(params)
  const alice = aUser('alice')
  const l1 = L1_ADDRESS_NETWORKS.regtest
  const change = depositScriptOf(params, announcement, CHANGE_RECIPIENT)
  const target = p2wpkhScript(new Uint8Array(20).fill(7))
  return {
    announcement: hex(encodeKeyEpochAnnouncement(announcement)),
    groupKey: hex(announcement.groupKey),
    recoveryLeaf: hex(recoveryLeafScript(params.peg.recovery)),
    depositRecipient: hex(alice.script),
    depositScript: hex(story.depositAddressScript),
    depositAddress: encodeAddress(story.depositAddressScript, l1),
    changeScript: hex(change),
    withdrawTarget: hex(target),
    withdrawScript: hex(withdrawScript(target)),
    withdrawAddress: encodeAddress(withdrawScript(target), { bech32: params.addressPrefix }),
    batchTransaction: hex(encodeTransaction(story.batch)),
    batchTask: story.batchTask,
    registration: hex(encodeRegistrationMessage({ keyEpoch: 0, recipient: alice.script })),
  }
}

function stateVector({ chain, burn }: Story): object {
  const { view, trie } = chain.state
  const present = outPointStateKey(NAMESPACE.coin, { txid: transactionId(burn), vout: 1 })
  const absent = numberStateKey(NAMESPACE.release, 1)
  const proofOf = (key: string): string =>
    hex(encodeWith((writer) => writeStateProof(writer, trie.prove(key))))
  const records = ([NAMESPACE.pegBooks, numberStateKey(NAMESPACE.release, 0)] as const).map(
    (key) => ({ key, value: hex(view.get(key) ?? AUX) }),
  )
  return {
    root: trie.root,
    records,
    member: { key: present, value: hex(view.get(present) ?? AUX), proof: proofOf(present) },
    absent: { key: absent, proof: proofOf(absent) },
  }
}

function voteOf(params: ChainParams, statement: Statement, signer: number): Vote {
  const digest = voteDigest({ chainId: params.chainId, epoch: 0 }, statement)
  const signature = schnorr.sign(digest, secretOf(`validator ${signer}`), AUX)
  return { ...statement, signer, signature }
}

function consensusVector(params: ChainParams, block: Block): object {
  const context = { chainId: params.chainId, epoch: 0 }
  const hash = blockHash(block)
  const { height } = block.extension
  const notarize = { type: 'notarize', height, view: 0, blockHash: hash } as const
  const otherNotarize = { ...notarize, blockHash: block.header.previousHash }
  const nullify = { type: 'nullify', height, view: 0 } as const
  const finalize = { type: 'finalize', height, view: 0, blockHash: hash } as const
  const certify = (statement: Statement) =>
    assembleCertificate(
      [0, 1, 3].map((signer) => voteOf(params, statement, signer)),
      4,
    )
  const certificate = certify(finalize)
  const fields = {
    chainId: params.chainId,
    validatorKey: params.validators[0]!,
    peerId: '12D3KooWDgdU9MNDZ22kP9E2U629UR3wbDc3iZmY8enPZPPxnbJo',
    sequence: 1_700_000_000_000,
  }
  const signature = schnorr.sign(helloDigest(fields), secretOf('validator 0'), AUX)
  const bytes = encodeBlock(block)
  const leaderVote = voteOf(params, notarize, 0)
  const messages: readonly Message[] = [
    { kind: 'hello', ...fields, signature },
    { kind: 'propose', block: bytes, justification: { nulls: [] }, leaderVote },
    { kind: 'vote', vote: voteOf(params, nullify, 2) },
    { kind: 'enter', height, view: 1, certificates: [certify(nullify)] },
    { kind: 'status', height, view: 1 },
    {
      kind: 'status',
      height,
      view: 1,
      detail: {
        notarize: Uint8Array.of(0b0011),
        nullify: Uint8Array.of(0),
        finalize: [{ view: 0, signer: 3 }],
        hasProposal: true,
        hasNotarization: false,
      },
    },
    { kind: 'get-block', height, hash },
    { kind: 'block', height, block: bytes },
    { kind: 'decided', block: bytes, certificate },
    { kind: 'evidence', first: leaderVote, second: voteOf(params, otherNotarize, 0) },
    { kind: 'transactions', transactions: block.transactions.slice(1).map(encodeTransaction) },
  ]
  return {
    digests: [notarize, nullify, finalize].map((statement) => ({
      ...statement,
      digest: hex(voteDigest(context, statement)),
    })),
    leaders: [1, 2, 3].map((at) => ({ height: at, order: leaderPermutation(context, at, 4) })),
    certificate: hex(encodeCertificate(certificate)),
    messages: messages.map((message) => ({
      kind: message.kind,
      bytes: hex(encodeMessage(message)),
    })),
    sync: {
      question: hex(encodeDecidedRequest({ fromHeight: height, count: 64 })),
      answer: hex(encodeDecidedAnswer([{ block: bytes, certificate }])),
    },
  }
}

const signAsOne = (digest: Uint8Array): Uint8Array =>
  schnorr.sign(digest, secretOf('validator 1'), AUX)

/** Something in the place of a hash, scalar or signature: at most 64 bytes. */
const bytes = (label: string, length: number): Uint8Array =>
  new Uint8Array([...sha256(secretOf(label)), ...sha256(secretOf(`${label}!`))].slice(0, length))

function federationVector(params: ChainParams): object {
  const point = hexToBytes(`02${xOnlyPublicKey(secretOf('a nonce'))}`)
  const offer: NonceOffer = {
    handle: 0x0102030405060708n,
    nonces: [{ hiding: point, binding: point }],
  }
  const task = { batchId: params.chainId, version: 0 }
  const session = 0x1112131415161718n
  const signing = [
    { kind: 'hello', ...task, offer },
    {
      kind: 'start',
      ...task,
      session,
      participants: [0, 1, 3].map((member) => ({ member, offer })),
    },
    {
      kind: 'share',
      ...task,
      session,
      sessionHash: bytes('session', 32),
      shares: [bytes('share', 32)],
      next: offer,
    },
    { kind: 'gone', ...task, session, handle: offer.handle, next: offer },
    { kind: 'signed', ...task, signatures: [bytes('signature', 64)] },
  ] as const
  const header = { attempt: 1, context: bytes('context', 32) }
  const dkg = [
    { kind: 'deal', dealing: { commitments: [point, point, point], proof: bytes('proof', 64) } },
    { kind: 'echo', deals: [bytes('first deal', 100), bytes('second deal', 100)] },
    { kind: 'share', secret: bytes('dealt', 32) },
    { kind: 'certify', signature: bytes('certify', 64) },
    { kind: 'test', message: signing[0] },
  ] as const
  const body = encodeDkgMessage({ ...header, payload: dkg[1] })
  const envelope = {
    protocol: 'key-generation',
    epoch: 0,
    sender: 1,
    recipient: undefined,
    body,
  } as const
  return {
    sealed: hex(sealMessage(envelope, params.chainId, signAsOne)),
    keyGeneration: dkg.map((payload) => ({
      kind: payload.kind,
      bytes: hex(encodeDkgMessage({ ...header, payload })),
    })),
    signing: signing.map((message) => ({
      kind: message.kind,
      bytes: hex(encodeSigningMessage(message)),
    })),
  }
}

/** Everything in `docs/spec/vectors.json`. */
export function makeSpecVectors(): object {
  const params = testParams()
  const story = tellStory(params)
  return {
    network: {
      genesis: genesisOf(),
      chainId: params.chainId,
      paramsHash: params.paramsHash,
      validatorSetHash: hashOfSet(genesisValidators(params)),
    },
    blocks: story.blocks.map((block, i) => blockVector(block, story.roots[i] ?? '')),
    state: stateVector(story),
    peg: pegVector(params, story),
    consensus: consensusVector(params, story.blocks[2]!),
    federation: federationVector(params),
  }
}
