/**
 * The first page's moving part. It draws what the server's own JSON says, listens to `/v1/events`, and
 * asks anew when something happened. Everything from outside goes into the page as text.
 */

import {
  bitcoin,
  byId,
  cell,
  dateTime,
  fillRows,
  idCell,
  linkCell,
  number,
  setNote,
  setText,
  short,
  timeElement,
} from './draw.js'
import { drawFederation, drawPeg, drawReserves, frozenReason } from './peg.js'

const AGE_INTERVAL_MS = 1_000
/** Events come in bunches; the page asks once for each bunch. */
const REFRESH_DELAY_MS = 400
/** Confirmations on Bitcoin, votes and keys in the making have no events of their own. */
const REFRESH_INTERVAL_MS = 15_000

let lastBlockTimeMs
let refreshTimer

async function getJson(path, options) {
  const response = await fetch(path, options)
  const data = await response.json()
  if (!response.ok) throw new Error(data.detail ?? response.statusText)
  return data
}

// --- drawing --------------------------------------------------------------------------------

function drawStatus(status, peg) {
  setText('network', status.network)
  setText('height', number(status.height))
  lastBlockTimeMs = status.blockTimeMs
  drawAge()
  const here = status.validators.filter((one) => one.connected === true || one.self === true).length
  setText('validators', `${here} of ${status.validators.length}`)
  setText('mempool', `waiting transactions: ${status.mempool.count}`)
  setText('l1-height', number(status.l1.chainHeight))
  setText('l1-state', `${status.l1.network}, this node’s view: ${status.l1.state}`)
  setText('peg-state', status.peg.state)
  setText(
    'peg-note',
    status.peg.keyEpoch === null
      ? 'waiting for the federation’s key'
      : `key epoch ${status.peg.keyEpoch}, ${status.peg.l1Depth + 1} confirmations`,
  )
  drawOffenders(status.validators)
  drawWarning(status, peg)
}

function drawOffenders(validators) {
  const offenders = validators.filter(({ offences }) => offences > 0).map(({ index }) => index)
  setNote(
    'offenders',
    offenders.length === 0
      ? ''
      : `signed contradicting votes: ${offenders.join(', ')} (/v1/evidence)`,
  )
}

function drawWarning(status, peg) {
  const problems = []
  if (status.halted !== null) problems.push(`This node has halted: ${status.halted}`)
  if (status.synced !== true) problems.push('This node is catching up; what it shows is old.')
  if (status.peg.state === 'frozen') problems.push(frozenReason(status, peg))
  if (status.l1.message !== null) problems.push(`Bitcoin: ${status.l1.message}`)
  setNote('warning', problems.join(' '))
}

function drawAge() {
  if (lastBlockTimeMs === undefined) return
  const seconds = Math.max(0, Math.round((Date.now() - lastBlockTimeMs) / 1_000))
  setText('block-age', seconds < 60 ? `${seconds} s ago` : `${Math.floor(seconds / 60)} min ago`)
}

function drawBlocks(blocks) {
  fillRows(
    'blocks',
    blocks,
    (block) => block.id,
    (block) => [
      cell(number(block.height), 'number'),
      idCell(block.id, `/api/block/${block.id}`),
      cell(String(block.tx_count), 'number'),
      cell(timeElement(block.timestamp)),
    ],
    'No blocks yet',
  )
}

const DEPOSIT_WORDS = {
  seen: () => 'seen on Bitcoin',
  confirming: (one) => `${one.confirmations} of ${one.requiredConfirmations} confirmations`,
  'below-minimum': () => 'waits for more: below the minimum',
  expired: () => 'expired: too old to be minted; the holders of the recovery keys can return it',
  minted: (one) => `arrived in block ${number(one.mintHeight)}`,
}

function drawDeposits({ deposits }) {
  fillRows(
    'deposits',
    deposits,
    (one) => `${one.l1Txid}:${one.vout}`,
    (one) => [
      idCell(`${one.l1Txid}:${one.vout}`),
      cell(bitcoin(one.valueSats), 'number'),
      idCell(one.recipient, `/api/address/${one.recipient}`),
      one.mintTxid === null
        ? cell(DEPOSIT_WORDS[one.status](one), one.status === 'expired' ? 'error' : undefined)
        : linkCell(DEPOSIT_WORDS[one.status](one), `/api/tx/${one.mintTxid}`),
    ],
    'No deposits yet',
  )
}

/** An estimate, where there is one that is further away than the page would notice. */
function expected(wait) {
  const timeMs = wait?.expectedTimeMs ?? null
  if (timeMs === null || timeMs - Date.now() < 60_000) return ''
  return `, not before about ${dateTime(timeMs)}`
}

const RELEASE_WORDS = {
  queued: (one) => `${one.reason ?? 'waiting for a batch'}${expected(one.wait)}`,
  batched: () => 'in a batch',
  signed: () => 'signed',
  broadcast: () => 'sent on Bitcoin',
  confirming: (one) => `${one.confirmations} of ${one.requiredConfirmations} confirmations`,
  paid: () => 'paid',
}

function drawReleases({ releases }) {
  fillRows(
    'releases',
    releases,
    (one) => String(one.id),
    (one) => [
      linkCell(String(one.id), `/v1/releases/${one.id}`),
      cell(bitcoin(one.netSats), 'number'),
      cell(bitcoin(one.feeSats), 'number'),
      idCell(one.l1Address),
      cell(RELEASE_WORDS[one.status](one)),
    ],
    'No releases yet',
  )
}

// --- forms ----------------------------------------------------------------------------------

function showResult(id, address, lines) {
  const output = document.createElement('output')
  output.textContent = address
  const notes = lines.map((line) => {
    const note = document.createElement('p')
    note.className = 'note'
    note.textContent = line
    return note
  })
  byId(id).replaceChildren(output, ...notes)
}

function showError(id, error) {
  const note = document.createElement('p')
  note.className = 'error'
  note.textContent = error.message
  byId(id).replaceChildren(note)
}

function onSubmit(formId, resultId, ask) {
  byId(formId).addEventListener('submit', (event) => {
    event.preventDefault()
    ask(new FormData(event.target)).catch((error) => showError(resultId, error))
  })
}

onSubmit('deposit-form', 'deposit-result', async (form) => {
  const recipient = form.get('recipient').trim()
  const terms = await getJson('/v1/deposit-address', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ recipient }),
  })
  showResult('deposit-result', terms.address, [
    `Pay at least ${bitcoin(terms.minDepositSats)} to this Bitcoin address, as often as you like.`,
    `After ${terms.l1Depth + 1} confirmations the coins arrive at ${short(recipient)}. You can close this page.`,
  ])
})

onSubmit('withdraw-form', 'withdraw-result', async (form) => {
  const l1Address = form.get('l1Address').trim()
  const terms = await getJson(`/v1/withdraw-address?${new URLSearchParams({ l1Address })}`)
  showResult('withdraw-result', terms.withdrawAddress, [
    `Pay at least ${bitcoin(terms.minReleaseSats)} to this address from your wallet on this chain.`,
    `Bitcoin’s fee now: at most ${bitcoin(terms.estimatedFeeSats)}, taken from the amount and fixed when your payment is final.`,
    `Expected time: about ${Math.ceil(terms.estimatedSeconds / 60)} min, if nothing under “Releases” makes it wait.`,
  ])
})

// --- staying up to date ---------------------------------------------------------------------

async function refresh() {
  const asked = new Map()
  const answerTo = (path) => {
    if (!asked.has(path)) asked.set(path, getJson(path, { cache: 'no-store' }))
    return asked.get(path)
  }
  const parts = [
    [drawStatus, '/v1/status', '/v1/peg'],
    [drawReserves, '/v1/reserves', '/v1/status'],
    [drawPeg, '/v1/peg'],
    [drawFederation, '/v1/federation'],
    [drawDeposits, '/v1/deposits'],
    [drawReleases, '/v1/releases'],
    [drawBlocks, '/api/blocks'],
  ]
  await Promise.allSettled(
    parts.map(async ([draw, ...paths]) => draw(...(await Promise.all(paths.map(answerTo))))),
  )
}

function refreshSoon() {
  refreshTimer ??= setTimeout(() => {
    void refresh().finally(() => {
      refreshTimer = undefined
    })
  }, REFRESH_DELAY_MS)
}

function setLive(text, className) {
  const badge = byId('live')
  badge.className = `badge ${className}`
  badge.textContent = text
}

const events = new EventSource('/v1/events')
events.addEventListener('open', () => {
  setLive('live', 'good')
  refreshSoon()
})
events.addEventListener('error', () => setLive('connection lost, trying again', 'bad'))
for (const kind of ['block', 'deposit', 'release', 'freeze', 'key-epoch', 'reset']) {
  events.addEventListener(kind, refreshSoon)
}
setInterval(drawAge, AGE_INTERVAL_MS)
setInterval(refreshSoon, REFRESH_INTERVAL_MS)
await refresh()
