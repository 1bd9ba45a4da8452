import { expect, test } from 'vitest'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { toTxid } from '../../src/primitives/hashes.ts'
import { sats } from '../../src/primitives/units.ts'
import type { Branch } from '../../src/wallet/account.ts'
import type { ChainSource, SourceTransaction } from '../../src/wallet/chain-source.ts'
import { MIN_FEE_RATE } from '../../src/wallet/fee-rate.ts'
import { GAP_LIMIT, readHistory, scanAccount } from '../../src/wallet/scan.ts'
import { testWallet } from './test-wallet.ts'

const { scripts } = testWallet('p2tr')
const STRANGER = Uint8Array.of(0x51, 0x02, 0x4e, 0x73)

function own(branch: Branch, index: number): Uint8Array {
  return scripts.derive(branch, index).script
}

function tx(number: number, parts: Partial<SourceTransaction>): SourceTransaction {
  return {
    txid: toTxid(number.toString(16).padStart(64, '0')),
    fee: sats(100),
    spent: [],
    outputs: [],
    height: number,
    blockTime: 1_700_000_000 + number,
    ...parts,
  }
}

/** A chain in memory: everything follows from its transactions. */
class MemoryChain implements ChainSource {
  readonly asked = new Set<string>()
  readonly #transactions: readonly SourceTransaction[]

  constructor(transactions: readonly SourceTransaction[]) {
    this.#transactions = transactions
  }

  #touching(script: Uint8Array): readonly SourceTransaction[] {
    const hex = bytesToHex(script)
    this.asked.add(hex)
    return this.#transactions.filter(({ spent, outputs }) =>
      [...spent, ...outputs].some((each) => each !== undefined && bytesToHex(each.script) === hex),
    )
  }

  countTransactions(script: Uint8Array): Promise<number> {
    return Promise.resolve(this.#touching(script).length)
  }

  listCoins(script: Uint8Array): ReturnType<ChainSource['listCoins']> {
    const hex = bytesToHex(script)
    return Promise.resolve(
      this.#touching(script).flatMap(({ txid, outputs, height }) =>
        outputs.flatMap((output, vout) =>
          bytesToHex(output.script) === hex
            ? [{ outPoint: { txid, vout }, value: output.value, height }]
            : [],
        ),
      ),
    )
  }

  listTransactions(script: Uint8Array, limit: number): Promise<readonly SourceTransaction[]> {
    return Promise.resolve(this.#touching(script).slice(0, limit))
  }

  estimateFeeRate(): ReturnType<ChainSource['estimateFeeRate']> {
    return Promise.resolve(MIN_FEE_RATE)
  }

  broadcast(): Promise<never> {
    return Promise.reject(new RangeError('nothing is broadcast here'))
  }
}

test('coins within the gap are found, with their key paths', async () => {
  const chain = new MemoryChain([
    tx(1, { outputs: [{ script: own(0, 19), value: sats(1_000) }] }),
    tx(2, { outputs: [{ script: own(0, 39), value: sats(2_000) }] }),
    tx(3, { outputs: [{ script: own(1, 4), value: sats(3_000) }] }),
  ])
  const scan = await scanAccount(chain, scripts)
  expect(scan.coins.map(({ branch, index, value }) => [branch, index, value])).toEqual([
    [0, 19, 1_000n],
    [0, 39, 2_000n],
    [1, 4, 3_000n],
  ])
  expect(scan.next).toEqual({ receive: 40, change: 5 })
})

test('the scan stops after a full gap, exactly', async () => {
  const chain = new MemoryChain([
    tx(1, { outputs: [{ script: own(0, GAP_LIMIT), value: sats(1_000) }] }),
  ])
  const scan = await scanAccount(chain, scripts)
  expect(scan.coins).toEqual([])
  expect(scan.next).toEqual({ receive: 0, change: 0 })
  expect(chain.asked.size).toBe(2 * GAP_LIMIT)
})

test('addresses handed out are looked at however long the gap', async () => {
  const chain = new MemoryChain([tx(1, { outputs: [{ script: own(0, 50), value: sats(1_000) }] })])
  const scan = await scanAccount(chain, scripts, { handedOut: { receive: 51, change: 0 } })
  expect(scan.coins).toHaveLength(1)
  expect(scan.next.receive).toBe(51)
})

test('history nets what came in and went out, newest first, waiting ones on top', async () => {
  const chain = new MemoryChain([
    tx(1, { outputs: [{ script: own(0, 0), value: sats(10_000) }] }),
    tx(2, {
      spent: [{ script: own(0, 0), value: sats(10_000) }],
      outputs: [
        { script: STRANGER, value: sats(4_000) },
        { script: own(1, 0), value: sats(5_900) },
      ],
    }),
    tx(3, {
      spent: [{ script: STRANGER, value: sats(900) }, undefined],
      outputs: [{ script: own(0, 1), value: sats(700) }],
      height: undefined,
    }),
  ])
  const { used } = await scanAccount(chain, scripts)
  const history = await readHistory(chain, used, 10)
  expect(history.map(({ netSats, feeSats, height }) => [netSats, feeSats, height])).toEqual([
    [700n, undefined, undefined],
    [-4_100n, 100n, 2],
    [10_000n, undefined, 1],
  ])
  expect(await readHistory(chain, used, 1)).toHaveLength(1)
})
