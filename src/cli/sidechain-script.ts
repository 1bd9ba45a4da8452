/** Addresses of the sidechain, as the user types them. */

import { decodeAddress } from '../bitcoin/address.ts'
import { classifyOutput } from '../bitcoin/script.ts'
import { CliError } from './cli-error.ts'
import { EXIT } from './exit-codes.ts'

/** The output script of a sidechain address. @throws CliError exit 2 that says what is wrong. */
export function sidechainScript(address: string, addressPrefix: string): Uint8Array {
  const decoded = decodeAddress(address, { bech32: addressPrefix })
  if (!decoded.ok) {
    const { code, detail } = decoded.error
    throw new CliError(
      EXIT.usage,
      code,
      `not an address of this network: ${address}${detail === undefined ? '' : ` (${detail})`}`,
      { hint: `addresses here start with ${addressPrefix}1` },
    )
  }
  if (classifyOutput(decoded.value).kind === 'unknown') {
    throw new CliError(EXIT.usage, 'address-kind', `nothing can be paid to ${address}`)
  }
  return decoded.value
}
