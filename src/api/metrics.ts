/**
 * `/metrics`: what `/v1/status` says, the limits of `/v1/peg`, and what the network layer has done and
 * turned away, in the text format that Prometheus reads (exposition format 0.0.4).
 * Leaves out histograms and what the process itself uses.
 */

import type { Context } from 'hono'
import type { ApiContext, ApiEnv } from './api-context.ts'
import type { PegView } from './peg-schemas.ts'
import type { NetworkActivity } from './ports.ts'
import { L1_STATES, PEG_STATES, type StatusView } from './schemas.ts'

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

interface Metric {
  readonly name: string
  readonly type: 'gauge' | 'counter'
  readonly help: string
  readonly samples: readonly Sample[]
}

interface Sample {
  readonly labels?: Readonly<Record<string, string | number>>
  readonly value: number
}

export async function respondMetrics(c: Context<ApiEnv>, { node }: ApiContext): Promise<Response> {
  const metrics = [
    ...metricsOf(node.status()),
    ...limitMetrics(await node.peg()),
    ...networkMetrics(node.networkActivity()),
  ]
  const text = metrics.map(textOf).join('')
  return c.body(text, 200, { 'Content-Type': CONTENT_TYPE, 'Cache-Control': 'no-store' })
}

function metricsOf(status: StatusView): readonly Metric[] {
  const { agreement, l1, memberFaults, mempool, peg, validators } = status
  return [
    gauge('height', 'Height of the last final block.', status.height),
    gauge('block_time_seconds', 'Its time, since 1970.', status.blockTimeMs / 1_000),
    gauge('agreement_height', 'Height that is being agreed on.', agreement.height),
    gauge('agreement_view', 'View of that height.', agreement.view),
    gauge('synced', '1 when this node is in sync.', Number(status.synced)),
    gauge('halted', '1 when this node has stopped for good.', Number(status.halted !== null)),
    gauge('peers', 'Connected peers.', status.peers),
    {
      name: 'validator_connected',
      type: 'gauge',
      help: '1 when there is a link to the validator.',
      samples: validators.map(({ index, connected }) => ({
        labels: { validator: index },
        value: Number(connected),
      })),
    },
    {
      name: 'validator_offences_total',
      type: 'counter',
      help: 'Heights at which the chain convicts the validator of double votes.',
      samples: validators.map(({ index, offences }) => ({
        labels: { validator: index },
        value: offences,
      })),
    },
    {
      name: 'member_faults_total',
      type: 'counter',
      help: 'What this member caught another at in key generation and signing.',
      samples: memberFaults.map(({ member, kind, count }) => ({
        labels: { member, kind },
        value: count,
      })),
    },
    gauge('mempool_transactions', 'Transactions that wait.', mempool.count),
    gauge('mempool_vbytes', 'Their virtual bytes.', mempool.bytes),
    ...(l1.height === null ? [] : [gauge('l1_height', 'Height of this node’s L1.', l1.height)]),
    gauge('l1_chain_height', 'Height of the last L1 header in the chain.', l1.chainHeight),
    state('l1_state', '1 for what this node thinks of its L1, see the API.', L1_STATES, l1.state),
    state('peg_state', '1 for the state of the peg as this node has it.', PEG_STATES, peg.state),
    ...books(peg),
    ...(peg.recovery === null
      ? []
      : [
          gauge(
            'peg_recovery_opens_l1_height',
            'First L1 block in which the recovery keys can move a reserve coin.',
            peg.recovery.opensAtL1Height,
          ),
          gauge(
            'peg_recovery_blocks_left',
            'L1 blocks before the recovery keys can move a reserve coin.',
            peg.recovery.blocksLeft,
          ),
        ]),
    gauge('peg_solvent', '1 when supply and reserves agree.', Number(peg.solvent)),
  ]
}

function books(peg: StatusView['peg']): readonly Metric[] {
  return [
    gauge('peg_supply_satoshis', 'Supply.', peg.supply),
    gauge(
      'peg_pending_releases_satoshis',
      'Owed to releases that are not paid.',
      peg.pendingReleases,
    ),
    gauge('peg_fee_reserve_satoshis', 'Kept for L1 fees.', peg.feeReserve),
    gauge('peg_in_flight_fees_satoshis', 'Fees of unconfirmed batches.', peg.inFlightFees),
    gauge('peg_reserves_satoshis', 'Reserves on L1.', peg.reserves),
  ]
}

function limitMetrics({ outflow, freeze, waiting }: PegView): readonly Metric[] {
  return [
    gauge(
      'peg_frozen',
      '1 when a quorum of validators has stopped the releases.',
      Number(freeze.frozen),
    ),
    gauge(
      'peg_freeze_votes',
      'Validators whose newest vote is to stop them.',
      freeze.votes.filter((vote) => vote.freeze).length,
    ),
    gauge('peg_outflow_cap_satoshis', 'What may leave within the window.', outflow.capSats),
    gauge('peg_outflow_used_satoshis', 'What is used of it.', outflow.usedSats),
    gauge('peg_waiting_releases', 'Queued releases, 100 at most.', waiting.length),
  ]
}

function networkMetrics({ trustedPeers, observers, totals }: NetworkActivity): readonly Metric[] {
  return [
    gauge('network_trusted_peers', 'Peers that have proved to be validators.', trustedPeers),
    gauge('network_observers', 'Peers that have not.', observers),
    ...Object.entries(totals).map(([name, value]) => ({
      name: `network_${snakeCase(name)}_total`,
      type: 'counter' as const,
      help: `${wordsOf(name)}, since the node started.`,
      samples: [{ value }],
    })),
  ]
}

const snakeCase = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** "gossipOverRate" as "Gossip over rate". */
function wordsOf(name: string): string {
  const words = snakeCase(name).replaceAll('_', ' ')
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`
}

function gauge(name: string, help: string, value: number): Metric {
  return { name, type: 'gauge', help, samples: [{ value }] }
}

/** One sample for each state: alarms name the one that they are about. */
function state(name: string, help: string, all: readonly string[], current: string): Metric {
  const samples = all.map((each) => ({
    labels: { state: each },
    value: Number(each === current),
  }))
  return { name, type: 'gauge', help, samples }
}

/** Names, labels and help are ours, so nothing in them needs escapes. */
function textOf({ name, type, help, samples }: Metric): string {
  const full = `causeway_${name}`
  const lines = samples.map(({ labels = {}, value }) => {
    const pairs = Object.entries(labels).map(([label, of]) => `${label}="${of}"`)
    return `${full}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`
  })
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join('')}`
}
