/** What the page draws with: texts, amounts, cells and tables. Whatever comes from outside becomes text. */

const ROWS_MAX = 10

export const byId = (id) => document.getElementById(id)

/** Only what is new: a screen reader says again what is written again. */
export function setText(id, text) {
  const element = byId(id)
  if (element.textContent !== text) element.textContent = text
}

/** Shows the text, or nothing at all when there is none. */
export function setNote(id, text) {
  byId(id).hidden = text === ''
  setText(id, text)
}

/** 150000000 to "1.50000000 BTC". */
export function bitcoin(sats) {
  const digits = String(sats).padStart(9, '0')
  return `${digits.slice(0, -8)}.${digits.slice(-8)} BTC`
}

/** Satoshis per 1,000 vbytes to "1.5 sat/vB". */
export function feeRate(satsPerKvb) {
  return `${Number((satsPerKvb / 1_000).toFixed(2))} sat/vB`
}

export function number(value) {
  return value.toLocaleString('en')
}

export function short(text) {
  return text.length <= 20 ? text : `${text.slice(0, 10)}…${text.slice(-8)}`
}

export function dateTime(timeMs) {
  return new Date(timeMs).toLocaleString('en')
}

export function timeElement(seconds) {
  const date = new Date(seconds * 1_000)
  const element = document.createElement('time')
  element.dateTime = date.toISOString()
  element.textContent = date.toLocaleTimeString()
  element.title = date.toLocaleString()
  return element
}

export function cell(content, className) {
  const element = document.createElement('td')
  if (className !== undefined) element.className = className
  if (content instanceof Node) element.append(content)
  else element.textContent = content
  return element
}

export function linkCell(text, href) {
  const link = document.createElement('a')
  link.href = href
  link.textContent = text
  return cell(link)
}

/** A hash or an address: short, and whole when one points at it. */
export function idElement(text, href) {
  const element = document.createElement(href === undefined ? 'span' : 'a')
  element.className = 'mono'
  element.title = text
  element.textContent = short(text)
  if (href !== undefined) element.href = href
  return element
}

export function idCell(text, href) {
  return cell(idElement(text, href))
}

/** One line for each list of texts and elements. */
export function linesCell(lines) {
  const element = document.createElement('td')
  for (const parts of lines) {
    const line = document.createElement('div')
    line.append(...parts)
    element.append(line)
  }
  return element
}

/** Fills a table; rows that were not there before light up. */
export function fillRows(id, items, keyOf, cellsOf, emptyText) {
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
    empty.colSpan = body.closest('table').querySelectorAll('th').length
    row.append(empty)
    rows.push(row)
  }
  body.replaceChildren(...rows)
}

/** "These are the first 10 of 30; …", or nothing when all are shown. */
export function rest(count, where) {
  return count <= ROWS_MAX ? '' : `These are ${ROWS_MAX} of them; ${where} has more.`
}
