/** What a campaign did to its victims, one line for each kind of fault, for whoever reads the run. */

export class FaultLog {
  readonly #title: string
  readonly #counts = new Map<string, number>()
  readonly #notes: string[] = []

  constructor(title: string) {
    this.#title = title
  }

  count(kind: string, times = 1): void {
    this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + times)
  }

  /** A figure worth knowing; nothing is asserted of it. */
  note(line: string): void {
    this.#notes.push(line)
  }

  print(): void {
    const faults = [...this.#counts].map(([kind, times]) => `  survived ${times} × ${kind}`)
    const notes = this.#notes.map((line) => `  ${line}`)
    process.stdout.write(`${[this.#title, ...faults, ...notes].join('\n')}\n`)
  }
}
