/** A BDK wallet (WebAssembly) with BDK's own Esplora client. */

import {
  Address,
  Amount,
  EsploraClient,
  FeeRate,
  Recipient,
  SignOptions,
  seed_to_descriptor,
  Wallet,
} from '@metamask/bitcoindevkit'

const STOP_GAP = 5
const PARALLEL_REQUESTS = 2

export interface BdkBalance {
  readonly confirmed: bigint
  readonly immature: bigint
  readonly pending: bigint
}

export interface BdkPayment {
  readonly txid: string
  readonly fee: bigint
}

/** A wallet of BIP86 addresses. */
export class BdkClient {
  readonly wallet: Wallet

  constructor(seed: Uint8Array) {
    const descriptors = seed_to_descriptor(seed, 'regtest', 'p2tr')
    this.wallet = Wallet.create('regtest', descriptors.external, descriptors.internal)
  }

  newAddress(): string {
    return this.wallet.reveal_next_address('external').address.toString()
  }

  /** What a restored wallet does. */
  async fullScan(url: string): Promise<void> {
    const request = this.wallet.start_full_scan()
    const update = await bdkEsplora(url).full_scan(request, STOP_GAP, PARALLEL_REQUESTS)
    this.wallet.apply_update(update)
  }

  /** What a wallet does from then on. */
  async sync(url: string): Promise<void> {
    const request = this.wallet.start_sync_with_revealed_spks()
    this.wallet.apply_update(await bdkEsplora(url).sync(request, PARALLEL_REQUESTS))
  }

  balance(): BdkBalance {
    const { confirmed, immature, trusted_pending, untrusted_pending } = this.wallet.balance
    return {
      confirmed: confirmed.to_sat(),
      immature: immature.to_sat(),
      pending: trusted_pending.to_sat() + untrusted_pending.to_sat(),
    }
  }

  async pay(url: string, to: string, amount: bigint): Promise<BdkPayment> {
    const address = Address.from_string(to, 'regtest')
    const psbt = this.wallet
      .build_tx()
      .fee_rate(new FeeRate(2n))
      .add_recipient(Recipient.from_address(address, Amount.from_sat(amount)))
      .finish()
    if (!this.wallet.sign(psbt, new SignOptions())) throw new Error('BDK did not sign everything')
    const fee = psbt.fee().to_sat()
    const transaction = psbt.extract_tx()
    const txid = transaction.compute_txid().toString()
    await bdkEsplora(url).broadcast(transaction)
    return { txid, fee }
  }
}

/** Without retries: every answer counts. */
export function bdkEsplora(url: string): EsploraClient {
  return new EsploraClient(url, 0)
}
