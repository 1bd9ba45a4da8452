/**
 * What a real bitcoind says of a spend. It runs with its policy switched off as far as it can be, so
 * that only the script decides: testmempoolaccept verifies under the standard flags, and generateblock,
 * told to throw the block away, under those of consensus.
 */

import { z } from 'zod'
import { L1RpcError } from '../../../federation/l1/l1-error.ts'
import { encodeAddress, L1_ADDRESS_NETWORKS } from '../../../src/bitcoin/address.ts'
import type { ScriptErrorCode } from '../../../src/bitcoin/script-error.ts'
import {
  encodeTransaction,
  type OutPoint,
  type Transaction,
  transactionId,
} from '../../../src/bitcoin/transaction.ts'
import { present } from '../../../src/primitives/assert.ts'
import { bytesToHex } from '../../../src/primitives/bytes.ts'
import { toTxid } from '../../../src/primitives/hashes.ts'
import { sats } from '../../../src/primitives/units.ts'
import { type RunningBitcoind, startBitcoind } from '../../support/bitcoind.ts'
import {
  COIN_VALUE,
  COMPANION_SCRIPT,
  COMPANION_WITNESS,
  type FundedCase,
  type SpendCase,
} from './spend-case.ts'

/** Core's ScriptErrorString. */
const CODES: Readonly<Record<string, ScriptErrorCode>> = {
  'Script evaluated without error but finished with a false/empty top stack element': 'EVAL_FALSE',
  'Script failed an OP_VERIFY operation': 'VERIFY',
  'Script failed an OP_EQUALVERIFY operation': 'EQUALVERIFY',
  'Script failed an OP_CHECKMULTISIGVERIFY operation': 'CHECKMULTISIGVERIFY',
  'Script failed an OP_CHECKSIGVERIFY operation': 'CHECKSIGVERIFY',
  'Script failed an OP_NUMEQUALVERIFY operation': 'NUMEQUALVERIFY',
  'Script is too big': 'SCRIPT_SIZE',
  'Push value size limit exceeded': 'PUSH_SIZE',
  'Operation limit exceeded': 'OP_COUNT',
  'Stack size limit exceeded': 'STACK_SIZE',
  'Signature count negative or greater than pubkey count': 'SIG_COUNT',
  'Pubkey count negative or limit exceeded': 'PUBKEY_COUNT',
  'Opcode missing or not understood': 'BAD_OPCODE',
  'Attempted to use a disabled opcode': 'DISABLED_OPCODE',
  'Operation not valid with the current stack size': 'INVALID_STACK_OPERATION',
  'Operation not valid with the current altstack size': 'INVALID_ALTSTACK_OPERATION',
  'OP_RETURN was encountered': 'OP_RETURN',
  'Invalid OP_IF construction': 'UNBALANCED_CONDITIONAL',
  'Negative locktime': 'NEGATIVE_LOCKTIME',
  'Locktime requirement not satisfied': 'UNSATISFIED_LOCKTIME',
  'Signature hash type missing or not understood': 'SIG_HASHTYPE',
  'Non-canonical DER signature': 'SIG_DER',
  'Data push larger than necessary': 'MINIMALDATA',
  'Non-canonical signature: S value is unnecessarily high': 'SIG_HIGH_S',
  'Dummy CHECKMULTISIG argument must be zero': 'SIG_NULLDUMMY',
  'OP_IF/NOTIF argument must be minimal': 'MINIMALIF',
  'Signature must be zero for failed CHECK(MULTI)SIG operation': 'SIG_NULLFAIL',
  'NOPx reserved for soft-fork upgrades': 'DISCOURAGE_UPGRADABLE_NOPS',
  'Witness version reserved for soft-fork upgrades': 'DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM',
  'Taproot version reserved for soft-fork upgrades': 'DISCOURAGE_UPGRADABLE_TAPROOT_VERSION',
  'OP_SUCCESSx reserved for soft-fork upgrades': 'DISCOURAGE_OP_SUCCESS',
  'Public key version reserved for soft-fork upgrades': 'DISCOURAGE_UPGRADABLE_PUBKEYTYPE',
  'Public key is neither compressed or uncompressed': 'PUBKEYTYPE',
  'Stack size must be exactly one after execution': 'CLEANSTACK',
  'Witness program has incorrect length': 'WITNESS_PROGRAM_WRONG_LENGTH',
  'Witness program was passed an empty witness': 'WITNESS_PROGRAM_WITNESS_EMPTY',
  'Witness program hash mismatch': 'WITNESS_PROGRAM_MISMATCH',
  'Witness requires empty scriptSig': 'WITNESS_MALLEATED',
  'Using non-compressed keys in segwit': 'WITNESS_PUBKEYTYPE',
  'Invalid Schnorr signature size': 'SCHNORR_SIG_SIZE',
  'Invalid Schnorr signature hash type': 'SCHNORR_SIG_HASHTYPE',
  'Invalid Schnorr signature': 'SCHNORR_SIG',
  'Invalid Taproot control block size': 'TAPROOT_WRONG_CONTROL_SIZE',
  'Too much signature validation relative to witness weight': 'TAPSCRIPT_VALIDATION_WEIGHT',
  'OP_CHECKMULTISIG(VERIFY) is not available in tapscript': 'TAPSCRIPT_CHECKMULTISIG',
  'OP_IF/NOTIF argument must be minimal in tapscript': 'TAPSCRIPT_MINIMALIF',
  'Empty public key in tapscript': 'TAPSCRIPT_EMPTY_PUBKEY',
  'Script number overflowed or is non-minimally encoded': 'SCRIPTNUM',
  // Bitcoin Knots gives undefined hash types with bit 5 to a fork of its own, which is not active.
  'Signature opts in to the hardfork, which is not active here': 'SIG_HASHTYPE',
  // Before numbers had an error of their own.
  'unknown error': 'SCRIPTNUM',
}

const POLICY_OFF = [
  '-acceptnonstdtxn=1',
  '-datacarriersize=100000',
  '-txindex=0',
  '-checkmempool=0',
]
const KNOTS_POLICY_OFF = [
  '-acceptnonstddatacarrier=1',
  '-maxscriptsize=4000000',
  '-bytespersigop=0',
  '-bytespersigopstrict=0',
  '-datacarrierfullcount=0',
  '-rejectparasites=0',
  '-rejecttokens=0',
  '-mempooltruc=accept',
  '-permitbaredatacarrier=1',
]

const ACCEPTANCE = z.tuple([
  z.object({ allowed: z.boolean(), 'reject-reason': z.string().optional() }),
])
/** Outputs of one funding transaction: 43 bytes each, within a block. */
const OUTPUTS_PER_TRANSACTION = 10_000
/** Blocks above the funding, 10 minutes each: what relative locks can count on. */
const DEPTH = 40
const BLOCK_SECONDS = 600
const MATURITY = 100

const MINE_TO = present(
  encodeAddress(COMPANION_SCRIPT, L1_ADDRESS_NETWORKS.regtest),
  'address to mine to',
)

export class CoreOracle {
  readonly #node: RunningBitcoind
  #time: number
  readonly #coinbases: OutPoint[] = []

  private constructor(node: RunningBitcoind, time: number) {
    this.#node = node
    this.#time = time
  }

  static async start(): Promise<CoreOracle> {
    const node = await startPermissive()
    const { time } = z
      .object({ time: z.int() })
      .parse(await node.rpc.call('getblockheader', [await node.rpc.call('getbestblockhash', [])]))
    const oracle = new CoreOracle(node, time)
    await oracle.#mine(MATURITY + 20)
    return oracle
  }

  async stop(): Promise<void> {
    await this.#node.stop()
  }

  /** Blocks with these transactions in the first; the time runs 10 minutes a block. */
  async #mine(count: number, transactions: readonly string[] = []): Promise<void> {
    const { rpc } = this.#node
    for (let i = 0; i < count; i++) {
      this.#time += BLOCK_SECONDS
      await rpc.call('setmocktime', [this.#time])
      const body = i === 0 ? transactions : []
      const { hash } = z
        .object({ hash: z.string() })
        .parse(await rpc.call('generateblock', [MINE_TO, body]))
      const { tx } = z
        .object({ tx: z.array(z.string()) })
        .parse(await rpc.call('getblock', [hash, 1], { responseBytesMax: 1 << 24 }))
      this.#coinbases.push({ txid: toTxid(present(tx[0], 'coinbase')), vout: 0 })
    }
  }

  /** Gives every case a coin of its own, `DEPTH` blocks deep. */
  async fund(cases: readonly SpendCase[]): Promise<FundedCase[]> {
    const funded: FundedCase[] = []
    for (let from = 0; from < cases.length; from += OUTPUTS_PER_TRANSACTION) {
      const batch = cases.slice(from, from + OUTPUTS_PER_TRANSACTION)
      const coinbase = present(this.#coinbases.shift(), 'mature coinbase')
      const scripts = [COMPANION_SCRIPT, ...batch.map((entry) => entry.output)]
      const transaction: Transaction = {
        version: 2,
        inputs: [
          {
            prevout: coinbase,
            scriptSig: new Uint8Array(),
            sequence: 0xffff_ffff,
            witness: COMPANION_WITNESS,
          },
        ],
        outputs: scripts.map((script) => ({ value: sats(COIN_VALUE), script })),
        lockTime: 0,
      }
      await this.#mine(1, [bytesToHex(encodeTransaction(transaction))])
      const txid = transactionId(transaction)
      const companion = { txid, vout: 0 }
      for (const [i, spend] of batch.entries()) {
        funded.push({ spend, coin: { txid, vout: i + 1 }, companion })
      }
    }
    await this.#mine(DEPTH)
    return funded
  }

  /** 'OK' or the error under the standard flags. */
  async judgeStandard(transaction: Transaction): Promise<string> {
    const hex = bytesToHex(encodeTransaction(transaction))
    const answer = await this.#node.rpc.call('testmempoolaccept', [[hex], 0])
    const [{ allowed, 'reject-reason': reason = '' }] = ACCEPTANCE.parse(answer)
    return allowed ? 'OK' : codeOf(reason)
  }

  /** 'OK' or the error under the flags of a block, which is tried and thrown away. */
  async judgeConsensus(transaction: Transaction): Promise<string> {
    const hex = bytesToHex(encodeTransaction(transaction))
    try {
      await this.#node.rpc.call('generateblock', [MINE_TO, [hex], false])
      return 'OK'
    } catch (error) {
      if (error instanceof L1RpcError) return codeOf(error.message)
      throw error
    }
  }
}

/** The script's error; what else was wrong with the transaction in bitcoind's own words. */
function codeOf(reason: string): string {
  if (!reason.includes('script-verify-flag')) return reason
  const known = Object.entries(CODES).find(([text]) => reason.includes(`(${text})`))
  return known === undefined ? reason : known[1]
}

/** Bitcoin Knots has more policy to switch off, by options that Core refuses. */
async function startPermissive(): Promise<RunningBitcoind> {
  try {
    return await startBitcoind({ extraArguments: [...POLICY_OFF, ...KNOTS_POLICY_OFF] })
  } catch {
    return await startBitcoind({ extraArguments: POLICY_OFF })
  }
}
