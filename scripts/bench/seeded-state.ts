/**
 * A chain state with coins that no transaction made, as large as a benchmark wants it. The books do not
 * count coins, so blocks on it are judged by the same rules as on any other.
 */

import { devnetGenesis } from '../../genesis/devnet.ts'
import { chainParams, parseGenesis } from '../../genesis/network.ts'
import type { OutPoint, TxOutput } from '../../src/bitcoin/transaction.ts'
import type { ChainState } from '../../src/chain/connect-block.ts'
import { genesisChainState, genesisDelta } from '../../src/chain/genesis-state.ts'
import type { ChainParams } from '../../src/chain/params.ts'
import {
  EMPTY_STATE,
  putCoin,
  RANGED_NAMESPACES,
  type StateDelta,
  type StateKey,
  StateOverlay,
  type StateView,
} from '../../src/chain/state.ts'
import { StateTrie } from '../../src/chain/state-trie.ts'
import { utf8 } from '../../src/primitives/bytes.ts'
import { xOnlyPublicKey } from '../../src/primitives/secp256k1.ts'
import { sha256 } from '../../src/primitives/sha256.ts'

function publicKeys(role: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) =>
    xOnlyPublicKey(sha256(utf8(`benchmark ${role} ${index}`))),
  )
}

/** A network of four validators that nobody runs. */
export function benchmarkParams(): ChainParams {
  const genesis = devnetGenesis({
    validators: publicKeys('validator', 4),
    recoveryKeys: publicKeys('recovery key', 3),
    salt: '00'.repeat(32),
  })
  return chainParams(parseGenesis(genesis))
}

export interface SeedCoin {
  readonly outPoint: OutPoint
  readonly output: TxOutput
}

/** The state after genesis with more records. `seed` adds what else it wants there. */
export function seededState(
  params: ChainParams,
  coins: Iterable<SeedCoin>,
  seed: (overlay: StateOverlay) => void = () => undefined,
): ChainState {
  const genesis = genesisChainState(params)
  const overlay = new StateOverlay(EMPTY_STATE)
  for (const [key, value] of genesisDelta(params).puts) overlay.put(key, value)
  for (const { outPoint, output } of coins) {
    putCoin(overlay, outPoint, { ...output, height: 0, medianTimeBefore: 0, origin: 'ordinary' })
  }
  seed(overlay)
  const delta = overlay.delta()
  const trie = new StateTrie()
  trie.apply(trie.prepare(delta))
  return { tip: genesis.tip, view: viewOf(delta), trie }
}

/** As a node reads its state: records by key, and the small namespaces in order. */
function viewOf({ puts }: StateDelta): StateView {
  const keys = [...puts.keys()].toSorted()
  const ranged = new Map<string, readonly (readonly [StateKey, Uint8Array])[]>()
  for (const namespace of RANGED_NAMESPACES) {
    const records = keys.flatMap((key) => {
      const value = key.startsWith(namespace) ? puts.get(key) : undefined
      return value === undefined ? [] : [[key, value] as const]
    })
    ranged.set(namespace, records)
  }
  return { get: (key) => puts.get(key), range: (namespace) => ranged.get(namespace) ?? [] }
}
