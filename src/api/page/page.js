/**
 * The first page's moving part. It draws what the server's own JSON says, listens to `/v1/events`, and
 * asks anew when something happened. Everything from outside goes into the page as text.
 */

const ROWS_MAX = 10
const AGE_INTERVAL_MS = 1_000
/** Events come in bunches; the page asks once for each bunch. */
const REFRESH_DELAY_MS = 250

let lastBlockTimeMs
let refreshTimer

const byId = (id) => document.getElementById(id)

function setText(id, text) {
  byId(id).textContent = text
}

/** 150000000 to "1.50000000 BTC". */
function bitcoin(sats) {
  const digits = String(sats).padStart(9, '0')
  return `${digits.slice(0, -8)}.${digits.slice(-8)} BTC`
}

function short(text) {
  return text.length <= 20 ? text : `${text.slice(0, 10)}…${text.slice(-8)}`
}

async function getJson(path, options) {
  const response = await fetch(path, options)
  const data = await response.json()
  if (!response.ok) throw new Error(data.detail ?? response.statusText)
  return data
}

function cell(content, className) {
  const element = document.createElement('td')
  if (className !== undefined) element.className = className
  if (content instanceof Node) element.append(content)
  else element.textContent = content
  return element
}

function idCell(text, href) {
  const element = document.createElement(href === undefined ? 'span' : 'a')
  element.className = 'mono'
  element.title = text
  element.textContent = short(text)
  if (href !== undefined) element.href = href
  return cell(element)
}

/** Fills a table; rows that were not there before light up. */
function fillRows(id, items, keyOf, cellsOf, emptyText) {
  const body = byId(id)
  const before = new Set([...body.rows].map((row) => row.dataset.key))
  const rows = items.slice(0, ROWS_MAX).map((item) => {
    const row = document.createElement('tr')
    row.dataset.key = keyOf(item)
    if (before.size > 0 && !before.has(row.dataset.key)) row.className = 'fresh'
    row.append(...cellsOf(item))
    return row
  })
  if (rows.length === 0) {
    const row = document.createElement('tr')
    const empty = cell(emptyText, 'note')
    empty.colSpan = 4
    row.append(empty)
    rows.push(row)
  }
  body.replaceChildren(...rows)
}

// --- drawing --------------------------------------------------------------------------------

function drawStatus(status) {
  setText('network', status.network)
  setText('height', status.height.toLocaleString('en'))
  lastBlockTimeMs = status.blockTimeMs
  drawAge()
  const here = status.validators.filter((one) => one.connected === true || one.self === true).length
  setText('validators', `${here} of ${status.validators.length}`)
  setText('mempool', `waiting transactions: ${status.mempool.count}`)
  setText('l1-height', status.l1.chainHeight.toLocaleString('en'))
  setText('l1-state', `${status.l1.network}, this node’s view: ${status.l1.state}`)
  setText('peg-state', status.peg.state)
  setText(
    'peg-note',
    status.peg.keyEpoch === null
      ? 'waiting for the federation’s key'
      : `key epoch ${status.peg.keyEpoch}, ${status.peg.l1Depth} confirmations`,
  )
  drawOffenders(status.validators)
  drawWarning(status)
}

function drawOffenders(validators) {
  const offenders = validators.filter(({ offences }) => offences > 0).map(({ index }) => index)
  byId('offenders').hidden = offenders.length === 0
  setText('offenders', `signed contradicting votes: ${offenders.join(', ')} (/v1/evidence)`)
}

function drawWarning(status) {
  const problems = []
  if (status.halted !== null) problems.push(`This node has halted: ${status.halted}`)
  if (status.synced !== true) problems.push('This node is catching up; what it shows is old.')
  if (status.peg.state === 'frozen') problems.push('The peg is frozen.')
  if (status.l1.message !== null) problems.push(`Bitcoin: ${status.l1.message}`)
  byId('warning').hidden = problems.length === 0
  setText('warning', problems.join(' '))
}

function drawAge() {
  if (lastBlockTimeMs === undefined) return
  const seconds = Math.max(0, Math.round((Date.now() - lastBlockTimeMs) / 1_000))
  setText('block-age', seconds < 60 ? `${seconds} s ago` : `${Math.floor(seconds / 60)} min ago`)
}

function drawReserves({ equation, coins, next }) {
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
      cell(coin.opensAtL1Height.toLocaleString('en'), 'number'),
    ],
    'No reserves yet',
  )
  setText(
    'coins-more',
    next === null ? '' : `These are ${coins.length} of them; /v1/reserves has all, by the page.`,
  )
}

function drawBlocks(blocks) {
  fillRows(
    'blocks',
    blocks,
    (block) => block.id,
    (block) => [
      cell(block.height.toLocaleString('en'), 'number'),
      idCell(block.id, `/api/block/${block.id}`),
      cell(String(block.tx_count), 'number'),
      cell(timeElement(block.timestamp)),
    ],
    'No blocks yet',
  )
}

function timeElement(seconds) {
  const date = new Date(seconds * 1_000)
  const element = document.createElement('time')
  element.dateTime = date.toISOString()
  element.textContent = date.toLocaleTimeString()
  element.title = date.toLocaleString()
  return element
}

const DEPOSIT_WORDS = {
  seen: () => 'seen on Bitcoin',
  confirming: (one) => `${one.confirmations} of ${one.requiredConfirmations} confirmations`,
  'below-minimum': () => 'waits for more: below the minimum',
  expired: () => 'too old to be minted',
  minted: (one) => `arrived in block ${one.mintHeight}`,
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
        ? cell(DEPOSIT_WORDS[one.status](one))
        : linkCell(DEPOSIT_WORDS[one.status](one), `/api/tx/${one.mintTxid}`),
    ],
    'No deposits yet',
  )
}

function linkCell(text, href) {
  const link = document.createElement('a')
  link.href = href
  link.textContent = text
  return cell(link)
}

/** An estimate, where there is one that is further away than the page would notice. */
function expected(wait) {
  const timeMs = wait?.expectedTimeMs ?? null
  if (timeMs === null || timeMs - Date.now() < 60_000) return ''
  return `, not before about ${new Date(timeMs).toLocaleString('en')}`
}

function drawLimits({ outflow, largeReleases, freeze }) {
  const cap =
    `${bitcoin(outflow.freeSats)} of ${bitcoin(outflow.capSats)} may leave now ` +
    `(the cap for ${outflow.windowL1Blocks} Bitcoin blocks). ` +
    `From ${bitcoin(largeReleases.fromSats)} on a release waits ${largeReleases.delayL1Blocks} Bitcoin blocks.`
  const stops = freeze.votes.filter((vote) => vote.freeze === true).length
  const votes = stops === 0 ? '' : ` ${stops} of ${freeze.quorum} votes to freeze the peg.`
  setText('limits', `${cap}${votes}`)
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
      cell(bitcoin(one.netSats ?? one.valueSats), 'number'),
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
    `After ${terms.l1Depth} confirmations the coins arrive at ${short(recipient)}. You can close this page.`,
  ])
})

onSubmit('withdraw-form', 'withdraw-result', async (form) => {
  const l1Address = form.get('l1Address').trim()
  const terms = await getJson(`/v1/withdraw-address?${new URLSearchParams({ l1Address })}`)
  showResult('withdraw-result', terms.withdrawAddress, [
    `Pay at least ${bitcoin(terms.minReleaseSats)} to this address from your wallet on this chain.`,
    `Bitcoin’s fee now: about ${bitcoin(terms.estimatedFeeSats)}. Expected time: about ${Math.ceil(terms.estimatedSeconds / 60)} min.`,
  ])
})

// --- staying up to date ---------------------------------------------------------------------

async function refresh() {
  const parts = [
    ['/v1/status', drawStatus],
    ['/v1/reserves', drawReserves],
    ['/v1/peg', drawLimits],
    ['/v1/deposits', drawDeposits],
    ['/v1/releases', drawReleases],
    ['/api/blocks', drawBlocks],
  ]
  await Promise.allSettled(
    parts.map(async ([path, draw]) => draw(await getJson(path, { cache: 'no-store' }))),
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
for (const kind of ['block', 'deposit', 'release', 'reset']) {
  events.addEventListener(kind, refreshSoon)
}
setInterval(drawAge, AGE_INTERVAL_MS)
await refresh()
