/**
 * One member's part in ROAST, signer and coordinator together, on decoded messages. What the two say to
 * each other inside one member never touches the network. Whoever finishes tells everybody; every member
 * verifies the signatures against its own state before it believes them.
 */

import { unreachable } from '../../src/primitives/assert.ts'
import { verifySchnorr } from '../../src/primitives/secp256k1.ts'
import { Computations } from './computations.ts'
import { type CoordinatorEffect, RoastCoordinator } from './roast-coordinator.ts'
import { taskKey } from './roast-session.ts'
import { type RoastConfig, type RoastDeps, RoastSigner, type SignerEffect } from './roast-signer.ts'
import {
  encodeSigningMessage,
  type SignedMessage,
  type SigningMessage,
  type SigningTask,
} from './signing-messages.ts'
import type { WorkResult } from './work-jobs.ts'

/** Signatures kept to answer members that come late; the oldest go first. */
const MAX_SIGNED_TASKS = 64

export type RoastEffect =
  | SignerEffect
  | CoordinatorEffect
  | { readonly kind: 'broadcast'; readonly message: SigningMessage }

export class RoastMember {
  readonly #config: RoastConfig
  readonly #deps: RoastDeps
  readonly #signer: RoastSigner
  readonly #coordinator: RoastCoordinator
  readonly #work = new Computations<SignerEffect | CoordinatorEffect>()
  readonly #signed = new Map<string, SignedMessage>()

  constructor(config: RoastConfig, deps: RoastDeps) {
    this.#config = config
    this.#deps = deps
    this.#signer = new RoastSigner(config, deps, this.#work)
    this.#coordinator = new RoastCoordinator(config, deps, this.#work)
  }

  begin(task: SigningTask, nowMs: number): RoastEffect[] {
    return this.#signed.has(taskKey(task)) ? [] : this.#deliver(this.#signer.begin(task, nowMs))
  }

  end(task: SigningTask): RoastEffect[] {
    return [...this.#signer.end(task), ...this.#coordinator.end(task)]
  }

  /** The answer to an effect `compute`. */
  computed(token: number, result: WorkResult): RoastEffect[] {
    return this.#deliver(this.#work.answer(token, result))
  }

  tick(nowMs: number): RoastEffect[] {
    return [
      ...this.#deliver(this.#signer.tick(nowMs)),
      ...this.#deliver(this.#coordinator.tick(nowMs)),
    ]
  }

  journaled(token: number): RoastEffect[] {
    return this.#deliver(this.#signer.journaled(token))
  }

  /** A message whose sender is proved; `sealed` is what proves it. */
  receive(from: number, message: SigningMessage, sealed: Uint8Array): RoastEffect[] {
    const signed = this.#signed.get(taskKey(message))
    if (signed !== undefined) {
      // A late member is told, a late coordinator is not answered.
      const asks = message.kind === 'hello' || message.kind === 'gone'
      return asks && from !== this.#config.self ? [{ kind: 'send', to: from, message: signed }] : []
    }
    switch (message.kind) {
      case 'hello':
        return this.#deliver(this.#coordinator.hello(from, message, sealed))
      case 'share':
        return this.#deliver(this.#coordinator.share(from, message, sealed))
      case 'gone':
        return this.#deliver(this.#coordinator.gone(from, message, sealed))
      case 'start':
        return this.#deliver(this.#signer.start(from, message, sealed))
      case 'signed':
        return this.#verifySigned(message) ? this.#finish(message) : []
      default:
        return unreachable(message)
    }
  }

  /** Loops messages to ourselves back, and turns our own success into news for all. */
  #deliver(effects: readonly (SignerEffect | CoordinatorEffect)[]): RoastEffect[] {
    return effects.flatMap((effect): RoastEffect[] => {
      if (effect.kind === 'send' && effect.to === this.#config.self) {
        return this.receive(effect.to, effect.message, encodeSigningMessage(effect.message))
      }
      if (effect.kind !== 'signed') return [effect]
      const message = { kind: 'signed', ...effect.task, signatures: effect.signatures } as const
      return [{ kind: 'broadcast', message }, ...this.#finish(message)]
    })
  }

  #verifySigned(message: SignedMessage): boolean {
    const inputs = this.#deps.authorise(message)?.inputs
    return (
      inputs?.length === message.signatures.length &&
      inputs.every(({ sighash, tweak }, i) =>
        verifySchnorr(message.signatures[i] ?? new Uint8Array(), sighash, tweak.point.subarray(1)),
      )
    )
  }

  #finish(message: SignedMessage): RoastEffect[] {
    const { batchId, version, signatures } = message
    const task = { batchId, version }
    const oldest = this.#signed.keys().next()
    if (this.#signed.size >= MAX_SIGNED_TASKS && oldest.done !== true) {
      this.#signed.delete(oldest.value)
    }
    this.#signed.set(taskKey(task), message)
    return [{ kind: 'signed', task, signatures }, ...this.end(task)]
  }
}
