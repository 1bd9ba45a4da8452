/** What a library for transactions has to be able to do on a running chain. */

import { Transaction } from 'bitcoinjs-lib'
import { expect, it } from 'vitest'
import { present } from '../../src/primitives/assert.ts'
import { bytesToHex, utf8 } from '../../src/primitives/bytes.ts'
import type { AcceptanceNet } from './acceptance-net.ts'
import { TEST_TIMEOUT_MS } from './esplora-http.ts'
import type { ClientLibrary } from './spend-kind.ts'

const VALUE = 100_000n
const FEE = 1_000n
/** Blocks that a locked coin waits. */
const LOCK_BLOCKS = 6

/** The tests of one library, in the order in which they stand. */
export function testLibrary(net: () => AcceptanceNet, library: ClientLibrary): void {
  it(
    'spends every kind of output that it can make',
    async () => {
      const { api, other, treasury } = net()
      const coins = await treasury.pay(
        ...library.kinds.map(({ script }) => ({ script, value: VALUE })),
      )
      const data = library.dataScript(utf8(`paid by ${library.name}`))
      const txids: string[] = []
      for (const [index, kind] of library.kinds.entries()) {
        const coin = present(coins[index], 'coin')
        const hex = kind.spend(coin, [
          { script: kind.script, value: VALUE - FEE },
          { script: data, value: 0n },
        ])
        txids.push(await api.broadcast(hex))
        expect(txids.at(-1)).toBe(Transaction.fromHex(hex).getId())
      }
      for (const txid of txids) {
        await other.whenFinal(txid)
        const json = await other.transaction(txid)
        expect(json.fee).toBe(Number(FEE))
        expect(json.vout[1]).toMatchObject({
          scriptpubkey: bytesToHex(data),
          scriptpubkey_type: 'op_return',
          value: 0,
        })
      }
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'is refused a damaged witness in the words of Bitcoin Core, and accepted after it',
    async () => {
      const { api, treasury } = net()
      const coins = await treasury.pay(
        ...library.kinds.map(({ script }) => ({ script, value: VALUE })),
      )
      for (const [index, kind] of library.kinds.entries()) {
        const outputs = [{ script: treasury.script, value: VALUE - FEE }]
        const hex = kind.spend(present(coins[index], 'coin'), outputs)
        const damaged = Transaction.fromHex(hex)
        const signature = damaged.ins[0]?.witness.find((item) => item.length >= 64)
        const bytes = present(signature, 'signature')
        bytes[40] = (bytes[40] ?? 0) ^ 1
        const { status, text } = await api.request('/tx', damaged.toHex())
        expect(status).toBe(400)
        expect(text).toMatch(
          /^sendrawtransaction RPC error: \{"code":-26,"message":"mandatory-script-verify-flag-failed \([A-Z_]+\)/,
        )
        expect(await api.broadcast(hex)).toBe(damaged.getId())
        await api.whenFinal(damaged.getId())
      }
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'waits as many blocks as its script and sequence say',
    async () => {
      const { api, treasury } = net()
      const kind = library.relativelyLocked(LOCK_BLOCKS)
      const coin = await treasury.payOne(kind.script, VALUE)
      const { height } = await api.whenFinal(coin.txid)
      const outputs = [{ script: treasury.script, value: VALUE - FEE }]

      const unlocked = kind.spend(coin, outputs, { sequence: 0, lockTime: 0 })
      expect((await api.request('/tx', unlocked)).text).toContain('UNSATISFIED_LOCKTIME')

      const locks = { sequence: LOCK_BLOCKS, lockTime: 0 }
      const hex = kind.spend(coin, outputs, locks)
      const place = await broadcastWhenMature(net(), hex, height + LOCK_BLOCKS, 'non-BIP68-final')
      expect(place).toBeGreaterThanOrEqual(height + LOCK_BLOCKS)
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'waits for the height that its script and lock time say',
    async () => {
      const { api, treasury } = net()
      // Spendable in the block after this one.
      const lockTime = (await api.tipHeight()) + LOCK_BLOCKS
      const kind = library.absolutelyLocked(lockTime)
      const coin = await treasury.payOne(kind.script, VALUE)
      const outputs = [{ script: treasury.script, value: VALUE - FEE }]

      const unlocked = kind.spend(coin, outputs)
      expect((await api.request('/tx', unlocked)).text).toContain('UNSATISFIED_LOCKTIME')

      const locks = { sequence: 0xffff_fffe, lockTime }
      const hex = kind.spend(coin, outputs, locks)
      const place = await broadcastWhenMature(net(), hex, lockTime + 1, 'non-final')
      expect(place).toBeGreaterThan(lockTime)
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'waits for the median time that its script and lock time say',
    async () => {
      const { api, treasury } = net()
      const tip = await api.json<{ mediantime: number }>(
        `/block/${await api.text('/blocks/tip/hash')}`,
      )
      const past = library.absolutelyLocked(tip.mediantime - 1)
      const future = library.absolutelyLocked(tip.mediantime + 3_600)
      const first = await treasury.payOne(past.script, VALUE)
      const second = await treasury.payOne(future.script, VALUE)
      const outputs = [{ script: treasury.script, value: VALUE - FEE }]
      const sequence = 0xffff_fffe
      const mature = past.spend(first, outputs, {
        sequence,
        lockTime: tip.mediantime - 1,
      })
      await api.whenFinal(await api.broadcast(mature))
      const early = future.spend(second, outputs, {
        sequence,
        lockTime: tip.mediantime + 3_600,
      })
      const { status, text } = await api.request('/tx', early)
      expect(status).toBe(400)
      expect(text).toContain('non-final')
    },
    TEST_TIMEOUT_MS,
  )
}

/** Makes block after block until the transaction is accepted; returns its height. */
async function broadcastWhenMature(
  { api, treasury }: AcceptanceNet,
  hex: string,
  matureHeight: number,
  refusal: string,
): Promise<number> {
  let refusals = 0
  for (;;) {
    const before = await api.tipHeight()
    const { status, text } = await api.request('/tx', hex)
    if (status === 200) {
      expect(refusals).toBeGreaterThan(0)
      return (await api.whenFinal(text)).height
    }
    // Refused for this reason, and only while the next block is too early.
    expect(text).toContain(refusal)
    expect(before + 1).toBeLessThan(matureHeight)
    refusals++
    await treasury.pay()
  }
}
