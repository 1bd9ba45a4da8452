/**
 * Certificates and what they do to the view: a nullification ends its view, a notarization pulls
 * everybody up to its view, a finality certificate ends the height. Every new certificate is
 * persisted: after a crash of all nodes nobody else may be able to show it.
 */

import { present, unreachable } from '../primitives/assert.ts'
import { type Certificate, encodeCertificate } from './certificate.ts'
import type { Core } from './core.ts'
import { findJustification, justificationCertificates } from './justification.ts'
import { MAX_ENTER_CERTIFICATES } from './messages.ts'
import { armFinalize, armRetransmit, armView } from './timers.ts'

/** A vote-stream frame is at most 64 KB; the rest of a long justification follows in later replies. */
const ENTER_BYTES_MAX = 48_000
/** Views that one leader can miss before it makes no more difference. */
const MISSED_MAX = 16

/** Timers that an idle node does without start here. */
function becomeActive(core: Core): void {
  if (core.height.active) return
  core.height.active = true
  armRetransmit(core)
}

/** wake(): an idle node starts the timers of its view. */
export function wake(core: Core): void {
  if (core.height.active || core.isSettled) return
  becomeActive(core)
  armView(core, core.height.view)
}

export function hasCertificate(core: Core, certificate: Certificate): boolean {
  const { height } = core
  if (certificate.height !== height.height) return false
  switch (certificate.type) {
    case 'notarize':
      return height.notarizations.get(certificate.view)?.blockHash === certificate.blockHash
    case 'nullify':
      return height.nullifications.has(certificate.view)
    case 'finalize':
      return false
    default:
      return unreachable(certificate.type)
  }
}

/** addCert(c): takes a verified certificate. */
export function addCertificate(core: Core, certificate: Certificate): void {
  if (core.isSettled || certificate.height !== core.height.height) return
  switch (certificate.type) {
    case 'finalize':
      // F: fin = c. The drain loop does the rest; nothing more happens at this height.
      core.height.finality = certificate
      core.revision++
      creditLeader(core, certificate.view)
      return
    case 'notarize':
      return addNotarization(core, certificate)
    case 'nullify':
      return addNullification(core, certificate)
    default:
      return unreachable(certificate.type)
  }
}

function addNotarization(core: Core, certificate: Certificate): void {
  const { height } = core
  const { view } = certificate
  const known = height.notarizations.get(view)
  if (known !== undefined) {
    if (known.blockHash !== certificate.blockHash) {
      core.halt(`two blocks notarized at height ${height.height}, view ${view}`)
    }
    return
  }
  height.notarizations.set(view, certificate)
  core.revision++
  core.emit({
    kind: 'persist',
    record: { kind: 'certificate', height: height.height, certificate },
  })
  creditLeader(core, view)
  if (view > height.view) {
    height.view = view
    core.broadcast({ kind: 'status', height: height.height, view })
  }
  if (view === height.view) {
    becomeActive(core)
    armFinalize(core, view)
  }
}

function addNullification(core: Core, certificate: Certificate): void {
  const { height } = core
  const { view } = certificate
  if (height.nullifications.has(view)) return
  height.nullifications.set(view, certificate)
  core.revision++
  core.emit({
    kind: 'persist',
    record: { kind: 'certificate', height: height.height, certificate },
  })
  const leader = present(core.peers[height.leader(view)], 'leader')
  leader.missed = Math.min(leader.missed + 1, MISSED_MAX)
  if (view >= height.view) enterView(core, view + 1, certificate)
}

function creditLeader(core: Core, view: number): void {
  present(core.peers[core.height.leader(view)], 'leader').missed = 0
}

/** enter(v): `movedBy` is the certificate that did it, if it was one. */
export function enterView(core: Core, view: number, movedBy?: Certificate): void {
  const { height } = core
  if (core.isSettled || view <= height.view) return
  height.view = view
  core.revision++
  becomeActive(core)
  if (height.notarizations.has(view)) armFinalize(core, view)
  else armView(core, view)
  core.broadcast({ kind: 'status', height: height.height, view })
  const certificates = entryCertificates(core, view)
  core.broadcast({
    kind: 'enter',
    height: height.height,
    view,
    certificates: certificates.length === 0 && movedBy !== undefined ? [movedBy] : certificates,
  })
}

/**
 * What moves a peer to `view`: J(view) and the notarization of the view, if known. When J has a gap
 * here, the certificates of the views just below. The newest ones when there is no room for all.
 */
export function entryCertificates(core: Core, view: number): readonly Certificate[] {
  const { height } = core
  const justification = findJustification(height, view)
  const wanted: Certificate[] = []
  if (justification === undefined) {
    for (let u = Math.max(0, view - MAX_ENTER_CERTIFICATES); u < view; u++) {
      const certificate = height.findNotarization(u) ?? height.findNullification(u)
      if (certificate !== undefined) wanted.push(certificate)
    }
  } else {
    wanted.push(...justificationCertificates(justification))
  }
  const notarization = height.findNotarization(view)
  if (notarization !== undefined) wanted.push(notarization)
  return newestWithin(wanted, ENTER_BYTES_MAX)
}

function newestWithin(certificates: readonly Certificate[], bytesMax: number): Certificate[] {
  const chosen: Certificate[] = []
  let bytes = 0
  for (const certificate of certificates.toReversed()) {
    bytes += encodeCertificate(certificate).length
    if (bytes > bytesMax || chosen.length >= MAX_ENTER_CERTIFICATES) break
    chosen.push(certificate)
  }
  return chosen.toReversed()
}
