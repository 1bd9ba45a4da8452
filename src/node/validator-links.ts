/**
 * Which connected peer is which validator. Each side's first frame on the consensus channel is a
 * HELLO: the transport has proved the peer id, the signature proves that the validator vouches for
 * it. A HELLO may be lost with its stream, so it is said again now and then; hearing it again costs
 * nothing.
 *
 * Upon a second peer that proves to be the same validator: the first keeps the place while its link
 * lives, and the second is handed the first one's HELLO. A node that is told so by f + 1 validators,
 * one of them honest, is the second with its key and must go.
 */

import { helloDigest, verifyHello } from '../consensus/hello.ts'
import { encodeMessage, type HelloMessage } from '../consensus/messages.ts'
import { faultTolerance } from '../consensus/quorum.ts'
import type { VoteContext } from '../consensus/votes.ts'
import type { XOnlyKey } from '../primitives/hashes.ts'
import type { CancelTimer, Network, PeerId, Runtime } from '../runtime/runtime.ts'

export interface ValidatorIdentity {
  readonly index: number
  readonly publicKey: XOnlyKey
  /** BIP340 signature by the validator key over a 32-byte tagged hash. */
  sign(digest: Uint8Array): Uint8Array
}

export interface ValidatorLinks {
  /** The validator behind a peer, if it has said so. */
  indexOf(peer: PeerId): number | undefined
  peerOf(index: number): PeerId | undefined
  /** Indexes of the validators with a live link. */
  connected(): readonly number[]
  /** False when the HELLO proves nothing. */
  onHello(from: PeerId, hello: HelloMessage): boolean
  onLinked(handler: (index: number, peer: PeerId) => void): void
  /** Another node runs with this node's validator key; `isOlder` when it was there first. */
  onTwin(handler: (peer: PeerId, isOlder: boolean) => void): void
  start(): void
  stop(): void
}

interface Link {
  readonly peer: PeerId
  readonly sequence: number
  /** For a second node that claims to be this validator. */
  readonly hello: HelloMessage
}

const SAY_AGAIN_MS = 10_000
/** What was told of a twin counts for so long: a few times what it is said again after. */
const TWIN_CLAIM_MS = 30_000

export function createValidatorLinks(
  network: Network,
  context: VoteContext,
  self: ValidatorIdentity | undefined,
  runtime: Pick<Runtime, 'clock' | 'timers'>,
): ValidatorLinks {
  return new Links(network, context, self, runtime)
}

class Links implements ValidatorLinks {
  readonly #network: Network
  readonly #context: VoteContext
  readonly #self: ValidatorIdentity | undefined
  readonly #runtime: Pick<Runtime, 'clock' | 'timers'>
  /** When this node was started, milliseconds of wall-clock time. */
  readonly #sequence: number
  readonly #links = new Map<number, Link>()
  readonly #indexes = new Map<PeerId, number>()
  readonly #linkedHandlers: ((index: number, peer: PeerId) => void)[] = []
  readonly #twinHandlers: ((peer: PeerId, isOlder: boolean) => void)[] = []
  /** Which validators have told of a twin, and when (monotonic ms). */
  readonly #twinClaims = new Map<number, number>()
  #hello: Uint8Array | undefined
  #cancel: CancelTimer | undefined

  constructor(
    network: Network,
    context: VoteContext,
    self: ValidatorIdentity | undefined,
    runtime: Pick<Runtime, 'clock' | 'timers'>,
  ) {
    this.#network = network
    this.#context = context
    this.#self = self
    this.#runtime = runtime
    this.#sequence = runtime.clock.nowMs()
    network.onPeerConnected((peer) => this.#greet(peer))
    network.onPeerDisconnected((peer) => this.#forget(peer))
  }

  start(): void {
    if (this.#self !== undefined) this.#greetAllLater()
  }

  stop(): void {
    this.#cancel?.()
  }

  indexOf(peer: PeerId): number | undefined {
    return this.#indexes.get(peer)
  }

  peerOf(index: number): PeerId | undefined {
    return this.#links.get(index)?.peer
  }

  connected(): readonly number[] {
    return [...this.#links.keys()].toSorted((a, b) => a - b)
  }

  onLinked(handler: (index: number, peer: PeerId) => void): void {
    this.#linkedHandlers.push(handler)
  }

  onTwin(handler: (peer: PeerId, isOlder: boolean) => void): void {
    this.#twinHandlers.push(handler)
  }

  onHello(from: PeerId, hello: HelloMessage): boolean {
    const index = this.#context.validators.indexOf(hello.validatorKey)
    const known = this.#links.get(index)
    // Nothing new: not worth the signature check, whatever it says.
    if (known?.peer === from && known.sequence >= hello.sequence && hello.peerId === from)
      return true
    if (index === this.#self?.index && hello.peerId !== from) return this.#hearOfTwin(from, hello)
    if (!verifyHello(hello, from, this.#context)) return false
    if (index === this.#self?.index) {
      const isOlder = hello.sequence <= this.#sequence
      for (const handler of this.#twinHandlers) handler(from, isOlder)
      // It has proved what it is; and it must hear the same of this node.
      return true
    }
    // One validator is at one peer, and one peer is one validator.
    if (known !== undefined && known.peer !== from) {
      this.#network.send(from, 'consensus', encodeMessage(known.hello))
      return true
    }
    this.#forget(from)
    this.#network.setTrusted(from, true)
    this.#links.set(index, { peer: from, sequence: hello.sequence, hello })
    this.#indexes.set(from, index)
    for (const handler of this.#linkedHandlers) handler(index, from)
    return true
  }

  /** Told by others, so an old HELLO may be told again: only f + 1 validators are believed. */
  #hearOfTwin(from: PeerId, hello: HelloMessage): boolean {
    const teller = this.#indexes.get(from)
    if (teller === undefined || hello.peerId === this.#network.peerId) return true
    if (!verifyHello(hello, hello.peerId, this.#context)) return false
    const nowMs = this.#runtime.clock.monotonicMs()
    this.#twinClaims.set(teller, nowMs)
    for (const [index, atMs] of this.#twinClaims) {
      if (nowMs - atMs > TWIN_CLAIM_MS) this.#twinClaims.delete(index)
    }
    if (this.#twinClaims.size <= faultTolerance(this.#context.validators.length)) return true
    for (const handler of this.#twinHandlers) handler(hello.peerId, true)
    return true
  }

  #forget(peer: PeerId): void {
    const index = this.#indexes.get(peer)
    this.#indexes.delete(peer)
    if (index !== undefined && this.#links.get(index)?.peer === peer) this.#links.delete(index)
  }

  #greet(peer: PeerId): void {
    const frame = this.#ownHello()
    if (frame !== undefined) this.#network.send(peer, 'consensus', frame)
  }

  #greetAllLater(): void {
    this.#cancel = this.#runtime.timers.after(SAY_AGAIN_MS, () => {
      for (const { peerId } of this.#network.peers()) this.#greet(peerId)
      this.#greetAllLater()
    })
  }

  /** Signed once. */
  #ownHello(): Uint8Array | undefined {
    const self = this.#self
    if (self === undefined || this.#hello !== undefined) return this.#hello
    const fields = {
      chainId: this.#context.chainId,
      validatorKey: self.publicKey,
      peerId: this.#network.peerId,
      sequence: this.#sequence,
    }
    const signature = self.sign(helloDigest(fields))
    this.#hello = encodeMessage({ kind: 'hello', ...fields, signature })
    return this.#hello
  }
}
