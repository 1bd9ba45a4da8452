/**
 * What a real bitcoind pays to take transactions into its mempool, over its JSON-RPC: there is no other
 * way in but the network. The processor time of its process leaves out our side of the connection.
 */

import { encodeTransaction, type Transaction } from '../../src/bitcoin/transaction.ts'
import { bytesToHex } from '../../src/primitives/bytes.ts'
import { BenchmarkError } from './benchmark.ts'
import { type BitcoindRun, submitBlock, withBitcoind } from './bitcoind-run.ts'
import { processCost } from './processes.ts'

/** What one call did to all transactions. */
export interface AdmittedByBitcoind {
  readonly wallMs: number
  /** Of its process, all threads. */
  readonly cpuMs: number
}

export interface BitcoindAdmission {
  /** `testmempoolaccept`, one transaction a call. */
  readonly tested: AdmittedByBitcoind
  /** `sendrawtransaction`, whose signatures the test has put into its cache. */
  readonly sent: AdmittedByBitcoind
}

/** Its answers are checked. @throws BenchmarkError when it refuses one. */
export async function admitByBitcoind(
  run: BitcoindRun,
  transactions: readonly Transaction[],
): Promise<BitcoindAdmission> {
  const hexes = transactions.map((one) => bytesToHex(encodeTransaction(one)))
  return withBitcoind(run, async ({ rpc, pid }) => {
    for (const block of run.blocks.setUp) await submitBlock(rpc, block)
    const measure = async (
      call: (hex: string) => Promise<unknown>,
    ): Promise<AdmittedByBitcoind> => {
      const before = await processCost(pid)
      const startedMs = performance.now()
      for (const hex of hexes) {
        run.signal.throwIfAborted()
        await call(hex)
      }
      const wallMs = performance.now() - startedMs
      return { wallMs, cpuMs: (await processCost(pid)).processorMs - before.processorMs }
    }
    const tested = await measure(async (hex) => {
      const answer = await rpc.call('testmempoolaccept', [[hex]])
      if (!JSON.stringify(answer).includes('"allowed":true')) {
        throw new BenchmarkError(`bitcoind would refuse: ${JSON.stringify(answer)}`)
      }
    })
    const sent = await measure((hex) => rpc.call('sendrawtransaction', [hex]))
    return { tested, sent }
  })
}
