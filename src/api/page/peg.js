/**
 * The peg on the first page: whether releases are paid and why not, what waits, the batches on their way,
 * the reserves, the keys and members behind them, and how long the recovery keys still have to wait.
 */

import {
  bitcoin,
  byId,
  cell,
  dateTime,
  feeRate,
  fillRows,
  idCell,
  idElement,
  linesCell,
  linkCell,
  number,
  rest,
  setNote,
  setText,
} from './draw.js'

const L1_BLOCKS_A_DAY = 144
/** With less than this part of the delay left the federation is late to move its coins. */
const LATE_SHARE = 4
/** An estimate that is nearer than this is not worth showing. */
const SOON_MS = 60_000

// --- words ----------------------------------------------------------------------------------

const votersFor = (votes, freeze) =>
  votes.filter((vote) => vote.freeze === freeze).map(({ validator }) => validator)

/** Why the peg pays nothing, by whose votes; empty while it does. */
export function frozenReason(status, { freeze }) {
  if (status.peg.state !== 'frozen') return ''
  if (freeze.since === null) return 'This node signs nothing and gives out no address.'
  const { height, timeMs } = freeze.since
  const stopping = `validators ${votersFor(freeze.votes, true).join(', ')}`
  const going = votersFor(freeze.votes, false).length
  return (
    `Releases are frozen since block ${number(height)} (${dateTime(timeMs)}) by ${stopping}. ` +
    `What is paid in is still minted. ${going} of ${freeze.quorum} votes to let releases go on.`
  )
}

const WAIT_WORDS = {
  frozen: 'the peg is frozen',
  'no-key': 'there is no key yet',
  'large-release': 'large: waits for its delay',
  'outflow-cap': 'no room under the outflow cap',
  interval: 'the next batch waits for company',
  'reserves-in-flight': 'reserves are in other batches',
  'reserves-scattered': 'reserves are in too many small coins',
  'fee-reserve': 'the fee reserve does not pay Bitcoin’s fee',
  queue: 'others are before it',
}

function expectedTime({ expectedTimeMs, untilL1Height }, l1Height) {
  const blocks = untilL1Height === null ? 0 : untilL1Height - l1Height
  const inBlocks = blocks > 0 ? `about ${number(blocks)} Bitcoin blocks` : ''
  if (expectedTimeMs === null) return inBlocks === '' ? 'not known' : inBlocks
  if (expectedTimeMs - Date.now() < SOON_MS) return inBlocks === '' ? 'soon' : inBlocks
  const time = `about ${dateTime(expectedTimeMs)}`
  return inBlocks === '' ? time : `${inBlocks}, ${time}`
}

function pendingWords({ epoch, threshold, members, stage, probeL1Height, keyGeneration }) {
  const who = `Epoch ${epoch}: ${members.length} members are to take over, ${threshold} sign.`
  if (stage === 'funding') {
    return `${who} Their key is made. It waits for a coin and a fee reserve to prove itself with.`
  }
  if (stage === 'probe') {
    return `${who} Their key proves itself with a coin on Bitcoin, since block ${number(probeL1Height)}.`
  }
  const away =
    keyGeneration?.waitingFor ??
    members.filter(({ online }) => online === false).map(({ index }) => index)
  const attempt = keyGeneration === null ? '' : ` (attempt ${keyGeneration.attempt})`
  const waiting =
    away.length === 0 ? '' : `, waiting for ${away.map((i) => `member ${i}`).join(', ')}`
  return `${who} They make their key${attempt}${waiting}.`
}

// --- drawing --------------------------------------------------------------------------------

export function drawPeg(peg) {
  const { outflow, largeReleases, freeze, waiting, l1Height } = peg
  const stops = votersFor(freeze.votes, true)
  const votes =
    stops.length === 0 || freeze.frozen === true
      ? ''
      : ` ${stops.length} of ${freeze.quorum} votes to freeze the peg (validators ${stops.join(', ')}).`
  setText(
    'limits',
    `${bitcoin(outflow.freeSats)} of ${bitcoin(outflow.capSats)} may leave now ` +
      `(the cap for ${number(outflow.windowL1Blocks)} Bitcoin blocks). ` +
      `From ${bitcoin(largeReleases.fromSats)} on a release waits ${number(largeReleases.delayL1Blocks)} Bitcoin blocks.${votes}`,
  )
  byId('waiting-table').hidden = waiting.length === 0
  fillRows(
    'waiting',
    waiting,
    ({ id }) => String(id),
    ({ id, valueSats, savedSats, wait }) => [
      linkCell(String(id), `/v1/releases/${id}`),
      cell(bitcoin(valueSats), 'number'),
      cell(
        savedSats === 0
          ? WAIT_WORDS[wait.kind]
          : `${WAIT_WORDS[wait.kind]}, ${bitcoin(savedSats)} saved`,
      ),
      cell(expectedTime(wait, l1Height)),
    ],
    'Nothing waits',
  )
  setNote('waiting-more', rest(waiting.length, '/v1/peg'))
}

export function drawReserves({ equation, coins, next, recovery, batches }, { l1, peg }) {
  setText('supply', bitcoin(equation.supply))
  setText('pending', bitcoin(equation.pendingReleases))
  setText('fee-reserve', bitcoin(equation.feeReserve))
  setText('in-flight', bitcoin(equation.inFlightFees))
  setText('reserves', bitcoin(equation.reserves))
  const { supply, pendingReleases, feeReserve, inFlightFees, reserves } = equation
  const holds = supply + pendingReleases + feeReserve + inFlightFees === reserves
  byId('solvent').className = holds ? 'verdict good' : 'verdict bad'
  setText('solvent', holds ? '✓ Adds up, to the satoshi' : '✗ Does not add up')
  fillRows(
    'coins',
    coins,
    (coin) => `${coin.txid}:${coin.vout}`,
    (coin) => [
      idCell(`${coin.txid}:${coin.vout}`),
      cell(bitcoin(coin.valueSats), 'number'),
      cell(String(coin.keyEpoch)),
      cell(coin.inBatch === null ? '' : String(coin.inBatch)),
      cell(number(coin.opensAtL1Height), 'number'),
    ],
    'No reserves yet',
  )
  setNote('coins-more', rest(next === null ? coins.length : Infinity, '/v1/reserves'))
  drawCountdown(peg.recovery, recovery, l1.network)
  drawBatches(batches)
}

function drawCountdown(opening, { delayBlocks }, network) {
  if (opening === null) {
    setNote('recovery', '')
    return
  }
  const { opensAtL1Height, blocksLeft, coins, valueSats } = opening
  const days = Math.floor(blocksLeft / L1_BLOCKS_A_DAY)
  const left =
    network === 'regtest' || days < 1
      ? `${number(blocksLeft)} blocks left`
      : `${number(blocksLeft)} blocks left, about ${number(days)} days`
  const what = `${coins === 1 ? 'the oldest coin' : `the ${coins} oldest coins`} (${bitcoin(valueSats)})`
  byId('recovery').className = blocksLeft * LATE_SHARE < delayBlocks ? 'error' : 'note'
  setNote(
    'recovery',
    blocksLeft === 0
      ? `The recovery keys can move ${what} now.`
      : `The recovery keys could move ${what} from Bitcoin block ${number(opensAtL1Height)} on: ${left}. ` +
          'The federation moves its coins before that.',
  )
}

const BATCH_KINDS = {
  payment: 'pays releases',
  upkeep: 'moves reserves',
  probe: 'tries a new key',
  proof: 'proves a new key',
}

/** [1, 2, 3, 7] to "1–3, 7". */
function ranges(ids) {
  const runs = []
  for (const id of ids) {
    const run = runs.at(-1)
    if (run !== undefined && run.last + 1 === id) run.last = id
    else runs.push({ first: id, last: id })
  }
  return runs
    .map(({ first, last }) => (first === last ? `${first}` : `${first}–${last}`))
    .join(', ')
}

function batchState({ status, signed }) {
  if (status === 'confirmed') return 'confirmed'
  return signed === true ? 'signed, under way' : 'waits for signatures'
}

/** Those under way first. Versions replace one another: at most one of them confirms. */
function drawBatches(batches) {
  fillRows(
    'batches',
    batches.toSorted((a, b) => (b.status === 'open') - (a.status === 'open')),
    ({ id, status }) => `${id} ${status}`,
    (batch) => [
      cell(String(batch.id)),
      cell(BATCH_KINDS[batch.kind]),
      cell(ranges(batch.releases), 'wrap'),
      linesCell(
        batch.versions.map(({ txid, feeSats, feeRateSatsPerKvb }) => [
          idElement(txid),
          ` ${feeRate(feeRateSatsPerKvb)}, ${number(feeSats)} sat`,
          batch.versions.length > 1 && txid === batch.txid
            ? batch.status === 'confirmed'
              ? ' (confirmed)'
              : ' (now)'
            : '',
        ]),
      ),
      cell(batchState(batch)),
    ],
    'No batches yet',
  )
  setNote('batches-more', rest(batches.length, '/v1/reserves'))
}

/** The members, their keys with the reserves that are left of each, and the change under way. */
export function drawFederation({ epoch, threshold, members, keyEpochs, pending, waitingChange }) {
  const online = members.filter((member) => member.online).length
  setText(
    'members',
    `${members.length} members, ${online} seen by this node; ${threshold} sign together.`,
  )
  fillRows(
    'epochs',
    keyEpochs.toReversed(),
    (key) => `${key.epoch} ${key.state}`,
    (key) => [
      cell(String(key.epoch)),
      cell(key.epoch === epoch ? `${key.state}, validators` : key.state),
      cell(`${key.threshold} of ${key.members.length}`),
      cell(key.activatedHeight === null ? '' : number(key.activatedHeight), 'number'),
      cell(number(key.coins), 'number'),
      cell(bitcoin(key.coinsSats), 'number'),
      idCell(key.groupKey),
    ],
    'No key yet',
  )
  setNote('epochs-more', rest(keyEpochs.length, '/v1/federation'))
  const waiting =
    waitingChange === null
      ? ''
      : `A change to epoch ${waitingChange.epoch} (${waitingChange.members.length} members) is approved and waits for a block.`
  setNote('pending-change', pending === null ? waiting : pendingWords(pending))
}
