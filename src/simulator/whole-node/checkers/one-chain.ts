/**
 * Agreement: no two honest nodes make different blocks of a height durable, every node's chain is
 * unbroken across its lives, nothing durable is lost, and each block is stored with a certificate of its
 * own.
 */

import { type Block, blockHash } from '../../../chain/block.ts'
import { decodeCertificate, verifyCertificate } from '../../../consensus/certificate.ts'
import type { WholeNode } from '../whole-node.ts'
import type { WholeWatch } from './whole-watch.ts'

export class OneChain {
  readonly #watch: WholeWatch
  readonly #durable = new Map<number, number>()

  constructor(watch: WholeWatch) {
    this.#watch = watch
  }

  started(node: WholeNode): void {
    const durable = this.#durable.get(node.index) ?? 0
    if (node.height < durable) {
      this.#watch.fail(`${node.name} had ${durable} durable blocks and starts with ${node.height}`)
    }
    // What was durable and could not be told of before the crash.
    this.#durable.set(node.index, node.height)
  }

  /** Its database is gone with its disk: it begins again. */
  losesChain(node: WholeNode): void {
    this.#durable.delete(node.index)
  }

  committed(node: WholeNode, block: Block): void {
    const { canonical, fail, byzantine, sets } = this.#watch
    if (byzantine.has(node.index)) return
    const { height } = block.extension
    const hash = blockHash(block)
    if (height === canonical.height + 1) canonical.append(block)
    const known = canonical.hashAt(height)
    if (known !== hash) fail(`two blocks at height ${height}: ${known ?? 'none'} and ${hash}`)
    const before = this.#durable.get(node.index) ?? 0
    if (height !== before + 1) fail(`${node.name} makes ${height} durable after ${before}`)
    this.#durable.set(node.index, height)
    const stored = node.running?.node.chain.database.findBlockBytes(height)
    if (stored === undefined) return fail(`${node.name} says ${height} is durable and has it not`)
    const certificate = decodeCertificate(stored.certificate)
    const isFinal = certificate.type === 'finalize' && certificate.blockHash === hash
    if (!isFinal || !verifyCertificate(certificate, sets.contextAt(height))) {
      fail(`${node.name} stores block ${height} with a bad certificate`)
    }
  }
}
