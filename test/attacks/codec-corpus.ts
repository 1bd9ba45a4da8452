/**
 * Every codec of the chain, of consensus and of the messages between nodes, with valid encodings of
 * what a real chain produces: key epoch, deposits, burns, batches, confirmations.
 */

import {
  decodeHeader,
  encodeHeader,
  REGTEST_GENESIS_HEADER,
  REGTEST_GENESIS_TRANSACTION,
} from '../../src/bitcoin/header.ts'
import { buildMerkleProof, readMerkleProof, writeMerkleProof } from '../../src/bitcoin/merkle.ts'
import { p2wpkhScript, withdrawScript } from '../../src/bitcoin/script.ts'
import {
  decodeTransaction,
  encodeOutPoint,
  encodeTransaction,
  encodeTransactionWithoutWitness,
  readOutPoint,
  type Transaction,
  transactionId,
} from '../../src/bitcoin/transaction.ts'
import { type Block, decodeBlock, encodeBlock } from '../../src/chain/block.ts'
import { decodeCoin, encodeCoin } from '../../src/chain/coin.ts'
import { readExtension, writeExtension } from '../../src/chain/extension.ts'
import { EMPTY_L1_SECTION, encodeL1Section, readL1Section } from '../../src/chain/l1-section.ts'
import { currentVersion, findBatch, openBatches, putBatch } from '../../src/chain/peg/batches.ts'
import { getPegBooks, putPegBooks } from '../../src/chain/peg/books.ts'
import {
  decodeKeyEpochAnnouncement,
  encodeKeyEpochAnnouncement,
  type KeyEpochAnnouncement,
} from '../../src/chain/peg/key-epoch-announcement.ts'
import { depositScriptOf } from '../../src/chain/peg/key-epochs.ts'
import { findRelease, putRelease } from '../../src/chain/peg/releases.ts'
import { findReserve, putReserve } from '../../src/chain/peg/reserves.ts'
import {
  decodeDelta,
  EMPTY_STATE,
  encodeDelta,
  NAMESPACE,
  type StateKey,
  StateOverlay,
  type StateView,
} from '../../src/chain/state.ts'
import { readStateProof, writeStateProof } from '../../src/chain/state-proof.ts'
import { decodeCertificate, encodeCertificate } from '../../src/consensus/certificate.ts'
import { inOrder, readEvidence, writeEvidence } from '../../src/consensus/evidence.ts'
import { readJustification, writeJustification } from '../../src/consensus/justification.ts'
import { decodeMessage, encodeMessage } from '../../src/consensus/messages.ts'
import {
  decodeDecidedAnswer,
  decodeDecidedRequest,
  encodeDecidedAnswer,
  encodeDecidedRequest,
} from '../../src/consensus/sync-messages.ts'
import { readVote, writeVote } from '../../src/consensus/votes.ts'
import { decodeWalRecord, encodeWalRecord } from '../../src/consensus/wal-record.ts'
import { utf8 } from '../../src/primitives/bytes.ts'
import { type ByteReader, decodeAll, encodeWith } from '../../src/primitives/codec.ts'
import { sats } from '../../src/primitives/units.ts'
import {
  aKeyEpoch,
  anL1Payment,
  anOutPoint,
  aUser,
  mintedWorld,
  spend,
  type TestChain,
} from '../support/chain-world.ts'
import { CoreHarness } from '../support/core-harness.ts'
import { doubleVote } from '../support/double-votes.ts'

export interface CodecCase {
  readonly name: string
  readonly corpus: readonly Uint8Array[]
  /** Decodes, and encodes what came out. @throws DecodeError */
  readonly again: (bytes: Uint8Array) => Uint8Array
}

function codec<T>(
  name: string,
  decode: (bytes: Uint8Array) => T,
  encode: (value: T) => Uint8Array,
  values: readonly T[],
): CodecCase {
  return { name, corpus: values.map(encode), again: (bytes) => encode(decode(bytes)) }
}

const whole =
  <T>(read: (reader: ByteReader) => T) =>
  (bytes: Uint8Array): T =>
    decodeAll(bytes, read)

/** A copy remembers nothing of the bytes it came from. */
const forget = (transaction: Transaction): Transaction => ({ ...transaction })
const forgetAll = (block: Block): Block => ({
  ...block,
  transactions: block.transactions.map(forget),
})

interface Story {
  readonly chain: TestChain
  readonly announcement: KeyEpochAnnouncement
  readonly blocks: readonly Block[]
  /** Every record that was ever written. */
  readonly records: readonly (readonly [StateKey, Uint8Array])[]
}

/** The peg's way round, with every block and every record on it. */
function aStory(): Story {
  const alice = aUser('alice')
  const { chain, l1, coin } = mintedWorld(1_000_000n)
  const blocks: Block[] = []
  const records: (readonly [StateKey, Uint8Array])[] = []
  const step = (part: Parameters<typeof chain.build>[0]): Block => {
    const built = chain.build(part)
    if (!built.ok) throw new TypeError(built.error.code)
    records.push(...chain.apply(built.value).delta.puts)
    blocks.push(built.value)
    return built.value
  }
  const burn = spend(
    alice,
    [coin],
    [
      { value: sats(500_000), script: withdrawScript(p2wpkhScript(new Uint8Array(20))) },
      { value: sats(499_000), script: alice.script },
    ],
  )
  step({ transactions: [burn] })
  const evidence = [
    doubleVote(chain.params, { height: 2, signer: 1 }),
    doubleVote(chain.params, { height: 2, signer: 3, kind: 'nullify-finalize' }),
  ]
  step({ evidence })
  const [batch] = [...openBatches(chain.state.view)]
  if (batch === undefined) throw new TypeError('no batch')
  l1.mine([currentVersion(batch).transaction])
  const confirmations = [l1.prove(transactionId(currentVersion(batch).transaction))]
  step({ l1Section: { ...EMPTY_L1_SECTION, headers: chain.headersTo(l1), confirmations } })

  const { announcement } = aKeyEpoch(chain.params)
  const recipient = alice.script
  const address = depositScriptOf(chain.params, announcement, recipient)
  const deposit = anL1Payment('again', [{ value: sats(70_000), script: address }])
  l1.mine([deposit])
  const claims = [{ vout: 0, keyEpoch: 0, recipient }]
  const deposits = [{ ...l1.prove(transactionId(deposit)), claims }]
  step({ l1Section: { ...EMPTY_L1_SECTION, headers: chain.headersTo(l1), deposits } })
  return { chain, announcement, blocks, records }
}

/** A record's codec that is only reachable through the state: reads under a key, writes to an overlay. */
function recordCodec<T>(
  name: string,
  namespace: string,
  story: Story,
  find: (view: StateView) => T | undefined,
  put: (overlay: StateOverlay, value: T) => void,
): CodecCase {
  return {
    name,
    corpus: story.records.filter(([key]) => key.startsWith(namespace)).map(([, bytes]) => bytes),
    again(bytes) {
      const value = find({ get: () => bytes, range: () => [] })
      if (value === undefined) throw new TypeError('a record that is there')
      const overlay = new StateOverlay(EMPTY_STATE)
      put(overlay, value)
      const written = [...overlay.delta().puts].find(([key]) => key.startsWith(namespace))
      if (written === undefined) throw new TypeError('nothing written')
      return written[1]
    },
  }
}

function bitcoinCodecs({ blocks }: Story): CodecCase[] {
  const transactions = [
    REGTEST_GENESIS_TRANSACTION,
    ...blocks.flatMap((block) => block.transactions.map(forget)),
  ]
  const ids = blocks.flatMap((block) => block.transactions.map(transactionId))
  return [
    codec('transaction', decodeTransaction, (t) => encodeTransaction(forget(t)), transactions),
    codec(
      'transaction without witness',
      decodeTransaction,
      (t) => encodeTransactionWithoutWitness(forget(t)),
      [REGTEST_GENESIS_TRANSACTION],
    ),
    codec('header', decodeHeader, encodeHeader, [REGTEST_GENESIS_HEADER]),
    codec('outpoint', whole(readOutPoint), encodeOutPoint, [anOutPoint('any')]),
    codec(
      'Merkle proof',
      whole(readMerkleProof),
      (proof) => encodeWith((writer) => writeMerkleProof(writer, proof)),
      ids.map((_, position) => buildMerkleProof(ids, position)),
    ),
  ]
}

function chainCodecs(story: Story): CodecCase[] {
  const { chain, announcement, blocks, records } = story
  const proofs = records.slice(0, 20).map(([key]) => chain.state.trie.prove(key))
  return [
    codec('block', decodeBlock, (block) => encodeBlock(forgetAll(block)), blocks),
    codec(
      'extension',
      whole(readExtension),
      (extension) => encodeWith((writer) => writeExtension(writer, extension)),
      blocks.map((block) => block.extension),
    ),
    codec('L1 section', whole(readL1Section), encodeL1Section, [
      ...blocks.map((block) => block.l1Section),
      { ...EMPTY_L1_SECTION, keyEpochs: [announcement] },
    ]),
    codec('key epoch announcement', decodeKeyEpochAnnouncement, encodeKeyEpochAnnouncement, [
      announcement,
    ]),
    codec(
      'state proof',
      whole(readStateProof),
      (proof) => encodeWith((writer) => writeStateProof(writer, proof)),
      proofs,
    ),
    {
      name: 'coin',
      corpus: records.filter(([key]) => key.startsWith(NAMESPACE.coin)).map(([, bytes]) => bytes),
      again: (bytes) => encodeCoin(decodeCoin(bytes)),
    },
    codec('delta', decodeDelta, encodeDelta, [
      { puts: new Map(), deletes: new Set<StateKey>() },
      { puts: new Map(records), deletes: new Set(['6301', '7200000009']) },
    ]),
    recordCodec('books', NAMESPACE.pegBooks, story, getPegBooks, putPegBooks),
    recordCodec('batch', NAMESPACE.batch, story, (view) => findBatch(view, 0), putBatch),
    recordCodec('release', NAMESPACE.release, story, (view) => findRelease(view, 0), putRelease),
    recordCodec(
      'reserve coin',
      NAMESPACE.reserve,
      story,
      (view) => findReserve(view, anOutPoint('any')),
      putReserve,
    ),
  ]
}

function consensusCodecs(): CodecCase[] {
  const core = new CoreHarness()
  const block = core.block(1, [1, 2])
  const nullify = core.certificate('nullify', 0)
  const notarize = core.certificate('notarize', 1, block.hash)
  const finalize = core.certificate('finalize', 1, block.hash)
  const votes = [
    core.vote(1, 'nullify', 3),
    core.vote(2, 'finalize', 1, block.hash),
    core.vote(2, 'nullify', 1),
  ] as const
  const justifications = [{ nulls: [] }, { nulls: [nullify] }, { base: notarize, nulls: [nullify] }]
  const detail = {
    notarize: Uint8Array.of(5),
    nullify: Uint8Array.of(0),
    finalize: [{ view: 1, signer: 3 }],
    hasProposal: true,
    hasNotarization: false,
  }
  const [validatorKey] = core.context.validators
  if (validatorKey === undefined) throw new TypeError('no validator')
  return [
    codec('certificate', decodeCertificate, encodeCertificate, [nullify, notarize, finalize]),
    codec('vote', whole(readVote), (vote) => encodeWith((w) => writeVote(w, vote)), votes),
    codec(
      'evidence',
      whole(readEvidence),
      (evidence) => encodeWith((writer) => writeEvidence(writer, evidence)),
      [
        inOrder({ first: votes[0], second: votes[1] }),
        inOrder({ first: votes[1], second: votes[2] }),
      ],
    ),
    codec(
      'justification',
      whole(readJustification),
      (justification) => encodeWith((writer) => writeJustification(writer, justification)),
      justifications,
    ),
    codec('message', decodeMessage, encodeMessage, [
      {
        kind: 'hello',
        chainId: core.context.chainId,
        validatorKey,
        // Begins with a byte order mark, which is text like any other.
        peerId: '\u{feff}12D3KooW',
        sequence: 7,
        signature: new Uint8Array(64).fill(1),
      },
      core.proposal(1, block, { nulls: [nullify] }),
      core.proposal(2, block, { base: notarize, nulls: [] }),
      { kind: 'vote', vote: votes[0] },
      { kind: 'enter', height: 1, view: 1, certificates: [nullify, notarize] },
      { kind: 'status', height: 4, view: 2 },
      { kind: 'status', height: 4, view: 2, detail },
      { kind: 'get-block', height: 3, hash: block.hash },
      { kind: 'block', height: 3, block: block.bytes },
      { kind: 'decided', block: block.bytes, certificate: finalize },
      { kind: 'evidence', first: votes[0], second: votes[1] },
      { kind: 'transactions', transactions: [Uint8Array.of(1), utf8('two')] },
    ]),
    codec('log record', decodeWalRecord, encodeWalRecord, [
      { kind: 'vote', height: 1, vote: votes[0] },
      { kind: 'vote', height: 1, vote: votes[1], justification: { nulls: [nullify] } },
      { kind: 'block', height: 1, block: block.bytes },
      { kind: 'certificate', height: 1, certificate: finalize },
    ]),
    codec('request for decided blocks', decodeDecidedRequest, encodeDecidedRequest, [
      { fromHeight: 0, count: 1 },
      { fromHeight: 2 ** 40, count: 64 },
    ]),
    codec('decided blocks', decodeDecidedAnswer, encodeDecidedAnswer, [
      [],
      [{ block: block.bytes, certificate: finalize }],
      [
        { block: block.bytes, certificate: finalize },
        { block: block.bytes, certificate: core.certificate('finalize', 4, block.hash, 2) },
      ],
    ]),
  ]
}

/** Builds the corpus, which takes a moment. */
export function codecCases(): readonly CodecCase[] {
  const story = aStory()
  return [...bitcoinCodecs(story), ...chainCodecs(story), ...consensusCodecs()]
}
