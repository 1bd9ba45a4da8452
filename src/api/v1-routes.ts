/** Causeway's own routes under `/v1`: status, the peg in both directions, proofs, events. */

import { type Context, Hono } from 'hono'
import type { z } from 'zod'
import { type AddressNetwork, decodeAddress } from '../bitcoin/address.ts'
import { encodeHeader } from '../bitcoin/header.ts'
import { isWithdrawTarget } from '../bitcoin/script.ts'
import type { OutPoint } from '../bitcoin/transaction.ts'
import { writeExtension } from '../chain/extension.ts'
import type { MemberChange } from '../chain/member-change.ts'
import { isRecipient } from '../chain/peg/deposits.ts'
import { bitmapIndexes, decodeCertificate } from '../consensus/certificate.ts'
import { bytesToHex, hexToBytes } from '../primitives/bytes.ts'
import { encodeWith } from '../primitives/codec.ts'
import { toTxid, toXOnlyKey } from '../primitives/hashes.ts'
import type { Rejection, Result } from '../primitives/result.ts'
import type { ApiContext, ApiEnv } from './api-context.ts'
import { submitTransactions } from './batch-broadcast.ts'
import type { EventStreams } from './events-stream.ts'
import { pegRoutes } from './peg-routes.ts'
import type { ProofOfBlock, StoredBlock } from './ports.ts'
import { HttpError, rejectionError } from './problem.ts'
import { parseBody, parseQuery } from './request-input.ts'
import { ReservesProofStreams } from './reserves-proof-stream.ts'
import {
  type CertificateView,
  claimRequest,
  depositAddressRequest,
  depositsQuery,
  EVIDENCE_LIMIT_MAX,
  evidenceQuery,
  type HandoversView,
  memberChangeRequest,
  outPointText,
  type ProofView,
  RELEASES_LIMIT_MAX,
  RESERVES_LIMIT,
  releasesQuery,
  reservesQuery,
  u32Text,
  withdrawAddressQuery,
} from './schemas.ts'

const DEPOSITS_MAX = 100

function unwrap<T>(result: Result<T, Rejection>): T {
  if (!result.ok) throw rejectionError(result.error)
  return result.value
}

/** The script of a sidechain address that deposits may be minted to. @throws HttpError 400 */
function recipientScript(address: string, network: AddressNetwork): Uint8Array {
  const script = unwrap(decodeAddress(address, network))
  if (isRecipient(script)) return script
  throw new HttpError(400, 'deposits go to P2WPKH, P2WSH and P2TR addresses', {
    code: 'recipient-type',
  })
}

/** The script of an L1 address that releases may pay. @throws HttpError 400 */
function l1ScriptOf(address: string, network: AddressNetwork): Uint8Array {
  const script = unwrap(decodeAddress(address, network))
  if (isWithdrawTarget(script)) return script
  throw new HttpError(400, 'releases go to P2PKH, P2SH, P2WPKH, P2WSH and P2TR addresses', {
    code: 'l1-address-type',
  })
}

export function v1Routes(api: ApiContext, events: EventStreams): Hono<ApiEnv> {
  const routes = new Hono<ApiEnv>()
  routes.use(async (c, next) => {
    await next()
    if (!c.res.headers.has('Cache-Control')) c.header('Cache-Control', 'no-store')
  })
  const { node } = api
  routes.get('/status', (c) => c.json(node.status()))
  routes.get('/federation', (c) => c.json(node.federation()))
  routes.post('/federation/member-change', async (c) => {
    unwrap(await node.submitMemberChange(memberChangeOf(await parseBody(c, memberChangeRequest))))
    return c.json({ accepted: true }, 202)
  })
  routes.get('/evidence', async (c) => {
    const { before, limit } = parseQuery(c, evidenceQuery)
    const filter = before === undefined ? {} : { before }
    const evidence = await node.evidence({ ...filter, limit: limit ?? EVIDENCE_LIMIT_MAX })
    return c.json({ evidence })
  })
  routes.get('/genesis', (c) => c.json(node.genesis()))
  routes.get('/events', (c) => events.open(c))
  routes.post('/transactions', (c) => submitTransactions(c, api))
  routes.get('/blocks/:height/certificate', (c) => {
    const view = certificateView(mustFindBlock(api, c.req.param('height')))
    c.header('Cache-Control', 'public, max-age=157784630')
    return c.json(view)
  })
  routes.get('/handovers', (c) => c.json(handoversJson(api)))
  addProofRoutes(routes, api)
  addReservesRoutes(routes, api)
  addDepositRoutes(routes, api)
  addReleaseRoutes(routes, api)
  routes.route('/', pegRoutes(api))
  return routes
}

function handoversJson({ queries }: ApiContext): HandoversView {
  return { handovers: queries.handovers().map(bytesToHex) }
}

function addProofRoutes(routes: Hono<ApiEnv>, { node }: ApiContext): void {
  routes.get('/proofs/supply', async (c) => c.json(proofJson(unwrap(await node.supplyProof()))))
  routes.get('/proofs/coin/:txid/:vout', async (c) => {
    const outPoint = parseOutPoint(`${c.req.param('txid')}:${c.req.param('vout')}`)
    return c.json(proofJson(unwrap(await node.coinProof(outPoint))))
  })
}

function addReservesRoutes(routes: Hono<ApiEnv>, { node, limits }: ApiContext): void {
  const proofs = new ReservesProofStreams(node, limits)
  routes.get('/proofs/reserves', (c) => proofs.open(c))
  routes.get('/reserves', async (c) => {
    const { after, limit = RESERVES_LIMIT } = parseQuery(c, reservesQuery)
    const from = after === undefined ? {} : { after: parseOutPoint(after) }
    return c.json(await node.reserves({ ...from, limit }))
  })
}

function proofJson({ height, blockHash, proof }: ProofOfBlock): ProofView {
  return { height, blockHash, proof: bytesToHex(proof) }
}

function addDepositRoutes(routes: Hono<ApiEnv>, { node }: ApiContext): void {
  routes.post('/deposit-address', async (c) => {
    const { recipient } = await parseBody(c, depositAddressRequest)
    const script = recipientScript(recipient, node.addressNetwork)
    return c.json(unwrap(await node.requestDepositAddress(script)))
  })
  routes.get('/deposits', async (c) => {
    const { recipient } = parseQuery(c, depositsQuery)
    const filter =
      recipient === undefined
        ? {}
        : { recipientScript: recipientScript(recipient, node.addressNetwork) }
    const deposits = await node.deposits({ ...filter, limit: DEPOSITS_MAX })
    return c.json({ deposits })
  })
  routes.post('/deposits/claim', async (c) => {
    const { l1Txid, vout, recipient } = await parseBody(c, claimRequest)
    const script = recipientScript(recipient, node.addressNetwork)
    unwrap(await node.claimDeposit({ txid: toTxid(l1Txid), vout }, script))
    return c.json({ accepted: true }, 202)
  })
}

function addReleaseRoutes(routes: Hono<ApiEnv>, { node }: ApiContext): void {
  routes.get('/withdraw-address', async (c) => {
    const { l1Address } = parseQuery(c, withdrawAddressQuery)
    const l1Script = l1ScriptOf(l1Address, node.l1AddressNetwork)
    return c.json(unwrap(await node.withdrawQuote(l1Script)))
  })
  routes.get('/releases', async (c) => {
    const { l1Address, limit } = parseQuery(c, releasesQuery)
    const filter =
      l1Address === undefined ? {} : { l1Script: l1ScriptOf(l1Address, node.l1AddressNetwork) }
    const releases = await node.releases({ ...filter, limit: limit ?? RELEASES_LIMIT_MAX })
    return c.json({ releases })
  })
  routes.get('/releases/:id', async (c) => {
    const release = await node.release(parseReleaseId(c.req.param('id')))
    if (release === undefined) {
      throw new HttpError(404, 'no such release', { code: 'release-not-found' })
    }
    return c.json(release)
  })
}

function memberChangeOf(request: z.infer<typeof memberChangeRequest>): MemberChange {
  const { epoch, threshold, members, approvals } = request
  return {
    epoch,
    threshold,
    members: members.map(toXOnlyKey),
    approvals: approvals.map(({ signer, signature }) => {
      return { signer, signature: hexToBytes(signature) }
    }),
  }
}

/** A number in the queue, or the burn output as "txid:vout". @throws HttpError 400 */
function parseReleaseId(text: string): number | OutPoint {
  const id = u32Text.safeParse(text)
  if (id.success) return id.data
  const outPoint = findOutPoint(text)
  if (outPoint !== undefined) return outPoint
  throw new HttpError(400, 'a release is named by its number or by its burn output, txid:vout', {
    code: 'invalid-request',
  })
}

/** @throws HttpError 400 */
function parseOutPoint(text: string): OutPoint {
  const outPoint = findOutPoint(text)
  if (outPoint !== undefined) return outPoint
  throw new HttpError(400, 'a coin is named by its txid and output index', {
    code: 'invalid-request',
  })
}

/** "txid:vout" */
function findOutPoint(text: string): OutPoint | undefined {
  const [txid = '', index = ''] = outPointText.safeParse(text).success ? text.split(':') : []
  const vout = u32Text.safeParse(index)
  return vout.success ? { txid: toTxid(txid.toLowerCase()), vout: vout.data } : undefined
}

function mustFindBlock({ queries }: ApiContext, text: string): StoredBlock {
  const height = u32Text.safeParse(text)
  if (!height.success) throw new HttpError(400, 'not a height', { code: 'invalid-request' })
  const hash = queries.blockHashAt(height.data)
  const block = hash === undefined ? undefined : queries.findBlock(hash)
  if (block !== undefined) return block
  throw new HttpError(404, 'no block at this height', { code: 'block-not-found' })
}

function certificateView(stored: StoredBlock): CertificateView {
  if (stored.certificate.length === 0) {
    throw new HttpError(404, 'block 0 has no certificate', { code: 'certificate-not-found' })
  }
  const certificate = decodeCertificate(stored.certificate)
  const { header, extension } = stored.block
  return {
    height: stored.height,
    blockHash: stored.hash,
    view: certificate.view,
    signers: bitmapIndexes(certificate.bitmap),
    certificate: bytesToHex(stored.certificate),
    extension: bytesToHex(encodeWith((writer) => writeExtension(writer, extension))),
    header: bytesToHex(encodeHeader(header)),
  }
}

/** 200 when the node does its work, 503 with the reasons when it does not. */
export function respondHealth(c: Context<ApiEnv>, { node }: ApiContext): Response {
  const { ok, reasons } = node.health()
  c.header('Cache-Control', 'no-store')
  return ok ? c.json({ ok: true }) : c.json({ ok: false, reasons }, 503)
}
