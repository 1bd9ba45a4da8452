/**
 * The extension of the last block on disk. Status and fee estimates are asked for far more often than
 * blocks come, and reading a full block takes milliseconds: so each is read once.
 */

import type { BlockExtension } from '../chain/extension.ts'
import { present } from '../primitives/assert.ts'
import type { BlockHash } from '../primitives/hashes.ts'
import type { ChainDatabase } from '../storage/chain-database.ts'

type Blocks = Pick<ChainDatabase, 'tip' | 'findBlock'>

const lastRead = new WeakMap<Blocks, { hash: BlockHash; extension: BlockExtension }>()

/** Undefined before block 0 is stored. */
export function tipExtension(database: Blocks): BlockExtension | undefined {
  const tip = database.tip()
  if (tip === undefined) return undefined
  const known = lastRead.get(database)
  if (known?.hash === tip.hash) return known.extension
  const { extension } = present(database.findBlock(tip.hash), 'block of the tip').block
  lastRead.set(database, { hash: tip.hash, extension })
  return extension
}
