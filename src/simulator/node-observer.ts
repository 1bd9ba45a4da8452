/** What simulated nodes show, as it happens, to checkers and to the trace; several see the same. */

import type { Effect, Event } from '../consensus/events-and-effects.ts'
import type { Message } from '../consensus/messages.ts'
import type { SimulatedNode } from './simulated-node.ts'

export interface NodeObserver {
  /** A process begins: with empty memory, and what is on its disk. */
  started?(node: SimulatedNode): void
  /** The core has taken a step. */
  stepped?(node: SimulatedNode, event: Event, effects: readonly Effect[]): void
  /** A message leaves the node: everything it depends on is on disk. */
  released?(node: SimulatedNode, message: Message): void
  /** A block is final and durable at the node. */
  committed?(node: SimulatedNode, effect: Extract<Effect, { kind: 'commit' }>): void
  evidence?(node: SimulatedNode, effect: Extract<Effect, { kind: 'evidence' }>): void
  halted?(node: SimulatedNode, reason: string): void
  /** A process ends: killed, or by itself because its disk failed. */
  stopped?(node: SimulatedNode, why: string): void
}

export class ObserverGroup implements NodeObserver {
  readonly #members: readonly NodeObserver[]

  constructor(members: readonly NodeObserver[]) {
    this.#members = members
  }

  started(node: SimulatedNode): void {
    for (const member of this.#members) member.started?.(node)
  }

  stepped(node: SimulatedNode, event: Event, effects: readonly Effect[]): void {
    for (const member of this.#members) member.stepped?.(node, event, effects)
  }

  released(node: SimulatedNode, message: Message): void {
    for (const member of this.#members) member.released?.(node, message)
  }

  committed(node: SimulatedNode, effect: Extract<Effect, { kind: 'commit' }>): void {
    for (const member of this.#members) member.committed?.(node, effect)
  }

  evidence(node: SimulatedNode, effect: Extract<Effect, { kind: 'evidence' }>): void {
    for (const member of this.#members) member.evidence?.(node, effect)
  }

  halted(node: SimulatedNode, reason: string): void {
    for (const member of this.#members) member.halted?.(node, reason)
  }

  stopped(node: SimulatedNode, why: string): void {
    for (const member of this.#members) member.stopped?.(node, why)
  }
}
