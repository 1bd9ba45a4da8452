/**
 * Which connected peer is which validator. Each side's first frame on the consensus channel is a
 * HELLO: the transport has proved the peer id, the signature proves that the validator vouches for
 * it. A HELLO may be lost with its stream, so it is said again now and then; hearing it again costs
 * nothing.
 *
 * A link belongs to a key, and to every key that the chain's state names: validators, those who are to
 * become validators, and members of earlier keys. Indexes are those of the present set, so they change
 * with it. A HELLO of a key that is not named yet is kept until the state names it.
 *
 * Upon a second peer that proves to be the same validator: the first keeps the place while its link
 * lives, and the second is handed the first one's HELLO. A node that is told so by f + 1 validators,
 * one of them honest, is the second with its key and must go.
 */

import { helloDigest, verifyHello } from '../consensus/hello.ts'
import { encodeMessage, type HelloMessage } from '../consensus/messages.ts'
import { faultTolerance } from '../consensus/quorum.ts'
import type { Hash32, XOnlyKey } from '../primitives/hashes.ts'
import type { CancelTimer, Network, PeerId, Runtime } from '../runtime/runtime.ts'

export interface ValidatorIdentity {
  readonly publicKey: XOnlyKey
  /** BIP340 signature by the validator key over a 32-byte tagged hash. */
  sign(digest: Uint8Array): Uint8Array
}

/** Who is who, by the present state. */
export interface LinkContext {
  readonly chainId: Hash32
  /** The validators of the next block, in order. */
  readonly validators: readonly XOnlyKey[]
  /** Every key that may have something to say, the validators' among them. */
  readonly named: ReadonlySet<XOnlyKey>
}

export interface ValidatorLinks {
  /** Index of the validator behind a peer, if it has said so and is in the present set. */
  indexOf(peer: PeerId): number | undefined
  peerOf(index: number): PeerId | undefined
  /** Indexes of the present validators with a live link. */
  connected(): readonly number[]
  /** The named key behind a peer, if it has said so. */
  keyOf(peer: PeerId): XOnlyKey | undefined
  peerOfKey(key: XOnlyKey): PeerId | undefined
  /** Named keys with a live link. */
  connectedKeys(): readonly XOnlyKey[]
  /** False when the HELLO proves that the peer lies. */
  onHello(from: PeerId, hello: HelloMessage): boolean
  /** A link to a validator of the present set. */
  onLinked(handler: (index: number, peer: PeerId) => void): void
  /** Another node runs with this node's validator key; `isOlder` when it was there first. */
  onTwin(handler: (peer: PeerId, isOlder: boolean) => void): void
  /** The state may name other keys now. */
  refresh(): void
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
  context: () => LinkContext,
  self: ValidatorIdentity | undefined,
  runtime: Pick<Runtime, 'clock' | 'timers'>,
): ValidatorLinks {
  return new Links(network, context, self, runtime)
}

class Links implements ValidatorLinks {
  readonly #network: Network
  readonly #readContext: () => LinkContext
  readonly #self: ValidatorIdentity | undefined
  readonly #runtime: Pick<Runtime, 'clock' | 'timers'>
  /** When this node was started, milliseconds of wall-clock time. */
  readonly #sequence: number
  #context: LinkContext
  readonly #links = new Map<XOnlyKey, Link>()
  readonly #keys = new Map<PeerId, XOnlyKey>()
  /** The last HELLO of each connected peer whose key nothing names. */
  readonly #strangers = new Map<PeerId, HelloMessage>()
  readonly #linkedHandlers: ((index: number, peer: PeerId) => void)[] = []
  readonly #twinHandlers: ((peer: PeerId, isOlder: boolean) => void)[] = []
  /** Which validators have told of a twin, and when (monotonic ms). */
  readonly #twinClaims = new Map<XOnlyKey, number>()
  #hello: Uint8Array | undefined
  #cancel: CancelTimer | undefined

  constructor(
    network: Network,
    context: () => LinkContext,
    self: ValidatorIdentity | undefined,
    runtime: Pick<Runtime, 'clock' | 'timers'>,
  ) {
    this.#network = network
    this.#readContext = context
    this.#context = context()
    this.#self = self
    this.#runtime = runtime
    this.#sequence = runtime.clock.nowMs()
    network.onPeerConnected((peer) => this.#greet(peer))
    network.onPeerDisconnected((peer) => {
      this.#strangers.delete(peer)
      this.#forget(peer)
    })
  }

  start(): void {
    if (this.#self !== undefined) this.#greetAllLater()
  }

  stop(): void {
    this.#cancel?.()
  }

  refresh(): void {
    this.#context = this.#readContext()
    const { named } = this.#context
    for (const [peer, key] of this.#keys) {
      if (named.has(key)) continue
      this.#forget(peer)
      this.#network.setTrusted(peer, false)
    }
    const waiting = [...this.#strangers]
    for (const [peer, hello] of waiting) {
      if (!named.has(hello.validatorKey)) continue
      this.#strangers.delete(peer)
      if (!this.onHello(peer, hello)) this.#network.disconnect(peer, 'invalid hello')
    }
  }

  #indexOfKey(key: XOnlyKey): number | undefined {
    const index = this.#context.validators.indexOf(key)
    return index === -1 ? undefined : index
  }

  indexOf(peer: PeerId): number | undefined {
    const key = this.#keys.get(peer)
    return key === undefined ? undefined : this.#indexOfKey(key)
  }

  peerOf(index: number): PeerId | undefined {
    const key = this.#context.validators[index]
    return key === undefined ? undefined : this.peerOfKey(key)
  }

  connected(): readonly number[] {
    const indexes: number[] = []
    for (const [index, key] of this.#context.validators.entries()) {
      if (this.#links.has(key)) indexes.push(index)
    }
    return indexes
  }

  keyOf(peer: PeerId): XOnlyKey | undefined {
    return this.#keys.get(peer)
  }

  peerOfKey(key: XOnlyKey): PeerId | undefined {
    return this.#links.get(key)?.peer
  }

  connectedKeys(): readonly XOnlyKey[] {
    return [...this.#links.keys()]
  }

  onLinked(handler: (index: number, peer: PeerId) => void): void {
    this.#linkedHandlers.push(handler)
  }

  onTwin(handler: (peer: PeerId, isOlder: boolean) => void): void {
    this.#twinHandlers.push(handler)
  }

  onHello(from: PeerId, hello: HelloMessage): boolean {
    const key = hello.validatorKey
    const known = this.#links.get(key)
    // Nothing new: not worth the signature check, whatever it says.
    if (known?.peer === from && known.sequence >= hello.sequence && hello.peerId === from)
      return true
    const isOwn = key === this.#self?.publicKey
    if (isOwn && hello.peerId !== from) return this.#hearOfTwin(from, hello)
    if (hello.chainId !== this.#context.chainId || hello.peerId !== from) return false
    if (!isOwn && !this.#context.named.has(key)) {
      // Not a lie: this node may be behind, or the change that names the key still to come.
      if (this.#isConnected(from)) this.#strangers.set(from, hello)
      return true
    }
    if (!this.#verify(from, hello)) return false
    this.#takeProved(from, hello, known)
    return true
  }

  /** The peer has proved what it is. */
  #takeProved(from: PeerId, hello: HelloMessage, known: Link | undefined): void {
    if (hello.validatorKey === this.#self?.publicKey) {
      // And it must hear the same of this node.
      const isOlder = hello.sequence <= this.#sequence
      for (const handler of this.#twinHandlers) handler(from, isOlder)
    } else if (known !== undefined && known.peer !== from) {
      // One validator is at one peer, and one peer is one validator.
      this.#network.send(from, 'consensus', encodeMessage(known.hello))
    } else {
      this.#link(from, hello)
    }
  }

  #isConnected(peer: PeerId): boolean {
    return this.#network.peers().some(({ peerId }) => peerId === peer)
  }

  #verify(peerId: PeerId, hello: HelloMessage): boolean {
    const { chainId } = this.#context
    return verifyHello(hello, peerId, { chainId, validators: [hello.validatorKey] })
  }

  #link(peer: PeerId, hello: HelloMessage): void {
    const { validatorKey: key, sequence } = hello
    this.#forget(peer)
    this.#strangers.delete(peer)
    this.#network.setTrusted(peer, true)
    this.#links.set(key, { peer, sequence, hello })
    this.#keys.set(peer, key)
    const index = this.#indexOfKey(key)
    if (index === undefined) return
    for (const handler of this.#linkedHandlers) handler(index, peer)
  }

  /** Told by others, so an old HELLO may be told again: only f + 1 validators are believed. */
  #hearOfTwin(from: PeerId, hello: HelloMessage): boolean {
    const teller = this.#keys.get(from)
    if (teller === undefined || hello.peerId === this.#network.peerId) return true
    if (!this.#verify(hello.peerId, hello)) return false
    const nowMs = this.#runtime.clock.monotonicMs()
    this.#twinClaims.set(teller, nowMs)
    for (const [key, atMs] of this.#twinClaims) {
      const isOver = nowMs - atMs > TWIN_CLAIM_MS || this.#indexOfKey(key) === undefined
      if (isOver) this.#twinClaims.delete(key)
    }
    if (this.#twinClaims.size <= faultTolerance(this.#context.validators.length)) return true
    for (const handler of this.#twinHandlers) handler(hello.peerId, true)
    return true
  }

  #forget(peer: PeerId): void {
    const key = this.#keys.get(peer)
    this.#keys.delete(peer)
    if (key !== undefined && this.#links.get(key)?.peer === peer) this.#links.delete(key)
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
