/**
 * One life of a process. Everything that a simulated process asks of the outside world goes through
 * here, so that it can be killed inside any such call: between two awaits, or within one. What a dead
 * process still does in memory reaches nobody: its calls have no effect and are never answered.
 */

export class ProcessLife {
  #isAlive = true
  #callsLeft = Number.POSITIVE_INFINITY
  readonly #onDeath: () => void

  /** `onDeath`: runs when a call was the last one. */
  constructor(onDeath: () => void) {
    this.#onDeath = onDeath
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  end(): void {
    this.#isAlive = false
  }

  /** It will be killed in the middle of this call to the outside world, counted from now. */
  dieAtCall(count: number): void {
    this.#callsLeft = count
  }

  /** True when the call may take place; false for the dead. */
  enter(): boolean {
    if (!this.#isAlive) return false
    this.#callsLeft -= 1
    if (this.#callsLeft > 0) return true
    this.#callsLeft = Number.POSITIVE_INFINITY
    this.#onDeath()
    return false
  }
}

/** The answer to the dead. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined)
}
