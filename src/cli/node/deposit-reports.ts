/**
 * Deposits as the API shows them: those on their way from the member's book, the minted also from the
 * chain alone, so that a node without member knows them and none is ever forgotten.
 */

import type { DepositReport } from '../../../federation/deposits/deposit-desk.ts'
import type { Member } from '../../../federation/member.ts'
import type { DepositView } from '../../api/schemas.ts'
import { transactionId } from '../../bitcoin/transaction.ts'
import type { Block } from '../../chain/block.ts'
import { getPegBooks } from '../../chain/peg/books.ts'
import { extraHeadersFor, isMinting } from '../../chain/peg/deposits.ts'
import type { Node } from '../../node/node.ts'
import { hash32FromBytes } from '../../primitives/hashes.ts'
import { sha256 } from '../../primitives/sha256.ts'

export interface DepositReports {
  /** Newest first. */
  deposits(recipient: Uint8Array | undefined, limit: number): Promise<readonly DepositView[]>
  /** Deposits that a block minted. */
  mintedIn(block: Block): readonly DepositView[]
}

export interface DepositReportParts {
  readonly node: Pick<Node, 'chain'>
  readonly member: Pick<Member, 'desk'> | undefined
  /** Sidechain and L1 addresses of scripts. */
  readonly address: (script: Uint8Array) => string
  readonly l1Address: (script: Uint8Array) => string
}

/** History entries looked through for mints; each may cost a block to read. */
const HISTORY_MAX = 50
/** Where a mint transaction stands in its block. */
const MINT_POSITION = 1

export function createDepositReports(parts: DepositReportParts): DepositReports {
  const { node, member, address } = parts
  const { database } = node.chain
  const mintedIn = (block: Block): readonly DepositView[] => mintedInBlock(parts, block)

  /** Newest first, of one recipient, as the chain's indexes have them. */
  async function mintedTo(recipient: Uint8Array): Promise<readonly DepositView[]> {
    const hash = hash32FromBytes(sha256(recipient))
    const history = await database.history(hash, { limit: HISTORY_MAX })
    const own = address(recipient)
    return history.flatMap(({ height, position }) => {
      if (position !== MINT_POSITION) return []
      const blockHash = database.blockHashAt(height)
      const stored = blockHash === undefined ? undefined : database.findBlock(blockHash)
      if (stored === undefined) return []
      return mintedIn(stored.block).filter((deposit) => deposit.recipient === own)
    })
  }

  return {
    mintedIn,
    async deposits(recipient, limit) {
      const known = (member?.desk.reports(recipient, limit) ?? []).map((report) =>
        viewOf(parts, report),
      )
      if (recipient === undefined || known.length >= limit) return known
      const shown = new Set(known.map(keyOf))
      const minted = (await mintedTo(recipient)).filter((view) => !shown.has(keyOf(view)))
      return [...known, ...minted].slice(0, limit)
    },
  }
}

function viewOf(
  { node, address, l1Address }: DepositReportParts,
  report: DepositReport,
): DepositView {
  const { deposit, mintHeight } = report
  // The rows of a block come to the disk a moment after its state.
  const mint =
    mintHeight === undefined ? undefined : node.chain.database.findSpend(deposit.outPoint)
  return {
    l1Txid: deposit.outPoint.txid,
    vout: deposit.outPoint.vout,
    valueSats: Number(deposit.value),
    recipient: address(deposit.recipient),
    depositAddress: l1Address(deposit.script),
    status: report.status,
    confirmations: report.confirmations,
    requiredConfirmations: report.requiredConfirmations,
    mintTxid: mint?.txid ?? null,
    mintHeight: mintHeight ?? null,
  }
}

function mintedInBlock(parts: DepositReportParts, block: Block): readonly DepositView[] {
  const { node, address, l1Address } = parts
  const { database, params } = node.chain
  const mint = block.transactions[MINT_POSITION]
  // The mint's inputs and outputs follow the section's claims one by one, without gifts.
  const places = block.l1Section.deposits.flatMap((proof) =>
    proof.claims.filter(isMinting).map(() => proof),
  )
  if (mint === undefined || places.length === 0) return []
  const knownTo = getPegBooks(node.chain.state().view).l1Height
  return mint.inputs.flatMap((input, index): DepositView[] => {
    const [output, proof] = [mint.outputs[index], places[index]]
    if (output === undefined || proof === undefined) return []
    const prevout = database.depositPrevout(input.prevout)
    const extra = extraHeadersFor(params, output.value, proof.merkle.position)
    return [
      {
        l1Txid: input.prevout.txid,
        vout: input.prevout.vout,
        valueSats: Number(output.value),
        recipient: address(output.script),
        depositAddress: prevout === undefined ? '' : l1Address(prevout.script),
        status: 'minted',
        confirmations: Math.max(0, knownTo - proof.l1Height + 1),
        requiredConfirmations: params.peg.l1Depth + 1 + extra,
        mintTxid: transactionId(mint),
        mintHeight: block.extension.height,
      },
    ]
  })
}

function keyOf({ l1Txid, vout }: DepositView): string {
  return `${l1Txid}:${vout}`
}
