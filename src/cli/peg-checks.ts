/**
 * The client's own derivation of deposit and withdraw addresses, compared with what the node says.
 * A node that lies about either would send the user's money to somebody else.
 */

import { decodeAddress, encodeAddress, L1_ADDRESS_NETWORKS } from '../bitcoin/address.ts'
import { isWithdrawTarget, withdrawScript } from '../bitcoin/script.ts'
import { depositScript } from '../chain/peg/deposit-address.ts'
import { isRecipient } from '../chain/peg/deposits.ts'
import { hexToBytes } from '../primitives/bytes.ts'
import { toXOnlyKey } from '../primitives/hashes.ts'
import { isXOnlyKey } from '../primitives/secp256k1.ts'
import type { ChainIdentity } from './chain-identity.ts'
import { CliError } from './cli-error.ts'
import { EXIT } from './exit-codes.ts'
import { sidechainScript } from './sidechain-script.ts'

const DISTRUST = 'send nothing there; ask another node with --api URL'

function verificationError(code: string, message: string): CliError {
  return new CliError(EXIT.verificationFailed, code, message, { hint: DISTRUST })
}

/** The output script that deposits may be minted to. @throws CliError exit 2 for any other. */
export function depositRecipient(address: string, addressPrefix: string): Uint8Array {
  const script = sidechainScript(address, addressPrefix)
  if (isRecipient(script)) return script
  throw new CliError(EXIT.usage, 'address-kind', `deposits cannot be minted to ${address}`, {
    hint: 'use a P2TR, P2WPKH or P2WSH address of the sidechain',
  })
}

export interface ExpectedDeposit {
  readonly identity: ChainIdentity
  readonly keyEpoch: number
  /** Compressed, 66 hex digits. */
  readonly groupKey: string
  /** Output script on the sidechain; empty for the federation itself. */
  readonly recipient: Uint8Array
}

/** The L1 address that pays `recipient` in that key epoch. @throws CliError exit 9. */
export function deriveDepositAddress(expected: ExpectedDeposit): string {
  const { identity, keyEpoch } = expected
  const groupKey = hexToBytes(expected.groupKey)
  const isPoint = groupKey[0] === 0x02 || groupKey[0] === 0x03
  if (!isPoint || !isXOnlyKey(groupKey.subarray(1))) {
    throw verificationError('bad-group-key', 'the group key that the node names is not a key')
  }
  const { recovery } = identity.genesis.peg
  const script = depositScript({
    chainId: identity.chainId,
    epoch: keyEpoch,
    groupKey,
    recovery: { ...recovery, keys: recovery.keys.map(toXOnlyKey) },
    recipient: expected.recipient,
  })
  const network = L1_ADDRESS_NETWORKS[identity.genesis.l1.network]
  const address = encodeAddress(script, network)
  if (address === undefined) throw verificationError('bad-address', 'the address has no text form')
  return address
}

/** @throws CliError exit 9 unless the node's address is the one derived here. */
export function verifyDepositAddress(answered: string, expected: ExpectedDeposit): void {
  const derived = deriveDepositAddress(expected)
  if (answered === derived) return
  throw verificationError(
    'deposit-address-mismatch',
    `the node gave the deposit address ${answered}, but the chain's key makes ${derived}`,
  )
}

/** The withdraw address of an L1 address. @throws CliError exit 2 for what no release can pay. */
export function deriveWithdrawAddress(
  identity: ChainIdentity,
  l1Address: string,
): { readonly script: Uint8Array; readonly address: string } {
  const { l1, addressPrefix } = identity.genesis
  const decoded = decodeAddress(l1Address, L1_ADDRESS_NETWORKS[l1.network])
  if (!decoded.ok) {
    const { code, detail } = decoded.error
    throw new CliError(
      EXIT.usage,
      code,
      `not a Bitcoin ${l1.network} address: ${l1Address}${detail === undefined ? '' : ` (${detail})`}`,
    )
  }
  if (!isWithdrawTarget(decoded.value)) {
    throw new CliError(EXIT.usage, 'address-kind', `releases cannot pay ${l1Address}`, {
      hint: 'use a P2TR, P2WPKH, P2WSH, P2SH or P2PKH address',
    })
  }
  const script = withdrawScript(decoded.value)
  const address = encodeAddress(script, { bech32: addressPrefix })
  if (address === undefined) throw verificationError('bad-address', 'the address has no text form')
  return { script, address }
}

/** @throws CliError exit 9 unless the node's withdraw address is the one derived here. */
export function verifyWithdrawAddress(answered: string, derived: string): void {
  if (answered === derived) return
  throw verificationError(
    'withdraw-address-mismatch',
    `the node gave the withdraw address ${answered}, but that L1 address makes ${derived}`,
  )
}
