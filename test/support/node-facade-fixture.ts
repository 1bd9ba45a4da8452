/** The API's other port in memory: a node beside a `ChainFixture`, with canned answers about the peg. */

import type { PegView } from '../../src/api/peg-schemas.ts'
import type { NodeFacade, ProofOfBlock } from '../../src/api/ports.ts'
import type { EvidenceView, ReleaseView, StatusView } from '../../src/api/schemas.ts'
import { L1_ADDRESS_NETWORKS } from '../../src/bitcoin/address.ts'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { compareOffences } from '../../src/chain/evidence.ts'
import { utf8 } from '../../src/primitives/bytes.ts'
import { ok } from '../../src/primitives/result.ts'
import { type ChainFixture, l1OutPoint, spendingInput } from './chain-fixture.ts'

export function nodeFacade(fixture: ChainFixture): NodeFacade {
  return {
    addressNetwork: { bech32: 'cway' },
    l1AddressNetwork: L1_ADDRESS_NETWORKS.regtest,
    mempool: {
      find: (txid) =>
        fixture.mempool.find((item) => transactionId(item.transaction) === txid)?.transaction,
      all: () => fixture.mempool,
      byScript: (hash) =>
        fixture.mempool
          .map((item) => item.transaction)
          .filter((transaction) => fixture.touches(transaction, hash)),
      spender(outPoint) {
        for (const { transaction } of fixture.mempool) {
          const vin = spendingInput(transaction, outPoint)
          if (vin >= 0) return { txid: transactionId(transaction), vin }
        }
        return undefined
      },
    },
    async submitTransaction(transaction) {
      fixture.submitted.push(transaction)
      return fixture.verdict ?? ok(transactionId(transaction))
    },
    submitPackage: async (transactions, options) =>
      fixture.pool.admitPackage(transactions, { ...fixture.admission, ...options }),
    testTransactions: async (transactions, options) =>
      fixture.pool.dryRun(transactions, { ...fixture.admission, ...options }),
    status: () => statusView(fixture),
    networkActivity: () => ({ trustedPeers: 2, observers: 1, totals: { gossipOverRate: 7 } }),
    async requestDepositAddress() {
      if (fixture.depositAddressVerdict !== undefined) {
        return { ok: false, error: fixture.depositAddressVerdict }
      }
      return ok({
        address: 'bcrt1pdeposit',
        recipient: 'cway1qrecipient',
        keyEpoch: 0,
        groupKey: `02${'fe'.repeat(32)}`,
        minDepositSats: 10_000,
        l1Depth: 6,
        uri: 'bitcoin:bcrt1pdeposit',
      })
    },
    deposits: async ({ recipientScript }) => [
      {
        l1Txid: l1OutPoint(0xd1).txid,
        vout: 1,
        valueSats: 50_000,
        recipient: recipientScript === undefined ? 'cway1qanybody' : 'cway1qthisone',
        depositAddress: 'bcrt1pdeposit',
        status: 'confirming',
        confirmations: 2,
        requiredConfirmations: 6,
        mintTxid: null,
        mintHeight: null,
      } as const,
    ],
    async claimDeposit(outPoint) {
      fixture.claims.push(outPoint)
      return ok(undefined)
    },
    withdrawQuote: async () =>
      ok({
        withdrawAddress: 'cway1sburn',
        l1Address: 'bcrt1qtarget',
        minReleaseSats: 10_000,
        estimatedFeeSats: 300,
        estimatedSeconds: 600,
      }),
    releases: async ({ limit }) => fixture.releases.slice(0, limit),
    release: async (id) =>
      fixture.releases.find((one) =>
        typeof id === 'number'
          ? one.id === id
          : one.burnTxid === id.txid && one.burnVout === id.vout,
      ),
    reserves: async () => ({
      height: 3,
      equation: {
        supply: 90_000,
        pendingReleases: 9_000,
        feeReserve: 500,
        inFlightFees: 500,
        reserves: 100_000,
        holds: true,
      },
      coins: [
        {
          txid: l1OutPoint(0xd1).txid,
          vout: 1,
          valueSats: 100_000,
          keyEpoch: 0,
          l1Height: 120,
          inBatch: null,
          opensAtL1Height: 4_440,
        },
      ],
      next: null,
      recovery: { delayBlocks: 4_320, threshold: 2, keys: [] },
      batches: [],
    }),
    peg: async () => pegLimits(fixture),
    async submitFreezeVote(vote) {
      fixture.freezeVotes.push(vote)
      return fixture.freezeVerdict ?? ok(undefined)
    },
    federation: () => ({
      epoch: 0,
      setHash: 'e0'.repeat(32),
      nextEpoch: 1,
      threshold: 3,
      members: [],
      pending: null,
      waitingChange: null,
      keyEpochs: [],
    }),
    submitMemberChange: async (change) => {
      fixture.memberChanges.push(change)
      return ok(undefined)
    },
    evidence: async ({ before, limit }) =>
      fixture.evidence
        .filter(({ height, validator: signer }) => {
          return before === undefined || compareOffences({ height, signer }, before) < 0
        })
        .slice(0, limit),
    genesis: () => ({ name: 'test' }),
    supplyProof: async () => ok(proofAtTip(fixture, 'supply')),
    coinProof: async ({ txid, vout }) => ok(proofAtTip(fixture, `${txid}:${vout}`)),
    reservesProof: async () => ok({ ...proofAtTip(fixture, ''), pieces: fixture.proofPieces }),
    health: () => ({ ok: fixture.reasons.length === 0, reasons: fixture.reasons }),
    onEvent(handler) {
      fixture.handlers.add(handler)
      return () => fixture.handlers.delete(handler)
    },
  }
}

function pegLimits({ tip }: ChainFixture): PegView {
  const wait = {
    kind: 'outflow-cap',
    untilL1Height: 190,
    expectedTimeMs: 1_700_000_000_000,
  } as const
  return {
    l1Height: 120,
    outflow: {
      capSats: 20_000,
      usedSats: 15_000,
      savedSats: 5_000,
      freeSats: 5_000,
      windowL1Blocks: 144,
      capBasisPoints: 2_000,
      floorSats: 20_000,
      frees: [{ l1Height: 190, sats: 15_000, expectedTimeMs: 1_700_000_000_000 }],
    },
    largeReleases: { fromSats: 1_000_000, delayL1Blocks: 72 },
    freeze: {
      frozen: true,
      since: { height: tip.height, timeMs: 1_700_000_000_000, l1Height: 119 },
      quorum: 3,
      votes: [0, 1, 2].map((validator) => ({
        validator,
        publicKey: `${validator}`.repeat(64),
        freeze: true,
        serial: 1_700_000_000,
        height: validator === 2 ? null : tip.height,
        signature: 'ab'.repeat(64),
      })),
    },
    waiting: [{ id: 3, valueSats: 9_000, savedSats: 5_000, wait }],
  }
}

/** Not a proof: the words that it would be about. */
function proofAtTip({ tip }: ChainFixture, about: string): ProofOfBlock {
  return { height: tip.height, blockHash: tip.hash, proof: utf8(about) }
}

function statusView(fixture: ChainFixture): StatusView {
  return {
    version: '0.1.0',
    network: 'devnet',
    chainId: '00'.repeat(32),
    addressPrefix: 'cway',
    height: fixture.tip.height,
    blockHash: fixture.tip.hash,
    blockTimeMs: fixture.tip.block.extension.timeMs,
    synced: true,
    halted: null,
    peers: 3,
    agreement: { height: fixture.tip.height + 1, view: 2 },
    validator: { index: 0 },
    validators: [0, 1, 2, 3].map((index) => ({
      index,
      publicKey: 'ab'.repeat(32),
      connected: index !== 3,
      self: index === 0,
      offences: index === 2 ? 1 : 0,
    })),
    memberFaults: [{ member: 'ab'.repeat(32), kind: 'bad-share', count: 2 }],
    mempool: { count: fixture.mempool.length, bytes: 0 },
    l1: { network: 'regtest', state: 'ok', height: 130, chainHeight: 124, message: null },
    peg: {
      state: 'open',
      keyEpoch: 0,
      groupKey: `02${'fe'.repeat(32)}`,
      supply: 90_000,
      pendingReleases: 9_000,
      feeReserve: 500,
      inFlightFees: 500,
      reserves: 100_000,
      solvent: true,
      minDepositSats: 10_000,
      minReleaseSats: 10_000,
      l1Depth: 6,
      feeRateSatsPerKvb: 1_000,
      recovery: { opensAtL1Height: 4_440, blocksLeft: 4_309, coins: 1, valueSats: 100_000 },
    },
  }
}

/** Evidence that no block carries; its votes are dummies. */
export function evidenceView(height: number, validator: number): EvidenceView {
  return {
    validator,
    publicKey: 'ab'.repeat(32),
    kind: 'double-notarize',
    height,
    view: 0,
    votes: ['01', '02'],
    block: null,
  }
}

/** A release in the queue. */
export function releaseView(id: number): ReleaseView {
  return {
    id,
    burnTxid: 'cc'.repeat(32),
    burnVout: id,
    height: 3,
    valueSats: 20_000,
    l1Address: 'bcrt1qtarget',
    l1Script: '0014',
    status: 'queued',
    reason: null,
    feeSats: 1_000,
    netSats: 19_000,
    l1Txid: null,
    replacedL1Txids: [],
    wait: null,
    confirmations: 0,
    requiredConfirmations: 6,
  }
}
