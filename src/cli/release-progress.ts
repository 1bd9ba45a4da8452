/** A release on its way: the line that says where it is, and waiting for its end. */

import { CliError } from './cli-error.ts'
import type { CommandContext } from './command-context.ts'
import { EXIT } from './exit-codes.ts'
import type { Release } from './node-answers.ts'
import { btc, fields } from './output.ts'
import { waitUntil } from './wait-until.ts'

/** "queued (why)", "confirming 2/6 in L1 transaction …" */
export function releaseState(release: Release): string {
  const { status, reason, l1Txid, confirmations, requiredConfirmations } = release
  const why = reason === null ? '' : ` (${reason})`
  const where = l1Txid === null ? '' : ` in L1 transaction ${l1Txid}`
  if (status === 'confirming') return `confirming ${confirmations}/${requiredConfirmations}${where}`
  return `${status}${why}${where}`
}

export function releaseFields(release: Release): string {
  return fields([
    ['release', String(release.id)],
    ['burn', `${release.burnTxid}:${release.burnVout} at height ${release.height}`],
    ['amount', btc(release.valueSats)],
    ['L1 fee', btc(release.feeSats)],
    ['pays', btc(release.netSats)],
    ['to (L1)', release.l1Address],
    ...release.replacedL1Txids.map((txid) => ['replaced', txid] as const),
    ['status', releaseState(release)],
  ])
}

/** The release, or undefined while the node does not know it (its burn is not in a block yet). */
export async function findRelease(
  context: CommandContext,
  id: string,
): Promise<Release | undefined> {
  try {
    return await context.node.release(id)
  } catch (error) {
    if (error instanceof CliError && error.exitCode === EXIT.notFound) return undefined
    throw error
  }
}

/** Follows a release until it is paid. @throws CliError `timed-out`. */
export async function awaitRelease(
  context: CommandContext,
  id: string,
  timeoutSeconds: number,
): Promise<Release> {
  const release = await waitUntil(context, {
    ask: () => findRelease(context, id),
    isDone: (state) => state?.status === 'paid',
    describe: (state) => (state === undefined ? 'waiting for a block' : releaseState(state)),
    timeoutSeconds,
  })
  if (release !== undefined) return release
  throw new CliError(EXIT.notFound, 'not-found', `no release ${id}`)
}
