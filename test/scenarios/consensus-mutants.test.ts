/**
 * Rules deliberately broken, one at a time: the simulator must notice. A mutant that survives means
 * that the simulator has gone blind, or that the rule is not needed.
 */

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { Mutant } from '../support/run-mutant.ts'

const run = promisify(execFile)
const RUNNER = new URL('../support/run-mutant.ts', import.meta.url).pathname

type Edit = Mutant['edits'][number]

const mutants: [string, Edit[]][] = [
  [
    'own votes are not journaled',
    [
      {
        file: 'consensus/voting.ts',
        from: "core.emit({ kind: 'persist', record: voteRecord(core, vote) })",
        to: 'voteRecord(core, vote)',
      },
    ],
  ],
  [
    'certificates are not journaled',
    [
      {
        file: 'consensus/view-change.ts',
        from: "record: { kind: 'certificate', height: height.height, certificate },",
        to: "record: { kind: 'certificate', height: 0, certificate: { ...certificate, height: 0 } },",
      },
    ],
  ],
  [
    'bodies are not journaled',
    [
      {
        file: 'consensus/bodies.ts',
        from: "record: { kind: 'block', height: height.height, block: block.bytes },",
        to: "record: { kind: 'block', height: 0, block: block.bytes },",
      },
    ],
  ],
  [
    'finalize is cast after nullify',
    [
      {
        file: 'consensus/voting.ts',
        from: 'if (own.nullify || own.finalize !== undefined ||',
        to: 'if (own.finalize !== undefined ||',
      },
      {
        file: 'consensus/voting.ts',
        from: "assert(own.finalize === undefined && !own.nullify, 'finalize after nullify')",
        to: '',
      },
    ],
  ],
  [
    'nullify is cast after finalize',
    [
      {
        file: 'consensus/voting.ts',
        from: 'if (core.isSettled || own.finalize !== undefined || own.nullify) return',
        to: 'if (core.isSettled || own.nullify) return',
      },
      {
        file: 'consensus/voting.ts',
        from: "assert(!own.nullify && own.finalize === undefined, 'nullify after finalize')",
        to: '',
      },
    ],
  ],
  [
    'a quorum is one vote short',
    [
      {
        file: 'consensus/quorum.ts',
        from: 'return validatorCount - faultTolerance(validatorCount)',
        to: 'return validatorCount - faultTolerance(validatorCount) - 1',
      },
    ],
  ],
  [
    'own votes do not count again after a restart',
    [
      {
        file: 'consensus/restart.ts',
        from: 'for (const vote of ownVotes) addVote(core, vote)',
        to: '',
      },
    ],
  ],
  [
    'a stalled node keeps its transactions to itself',
    [
      {
        file: 'consensus/step.ts',
        from: "core.emit({ kind: 'share-transactions' })",
        to: 'core.ticks += 0',
      },
    ],
  ],
  [
    'nobody repairs what others lack',
    [
      {
        file: 'consensus/status-repair.ts',
        from: 'replyAtHeight(core, from, status.view, status.detail)',
        to: '',
      },
    ],
  ],
  [
    'a certificate is made one vote too early',
    [
      {
        file: 'consensus/tally.ts',
        from: 'if (equal.length >= core.quorum) {',
        to: 'if (equal.length + 1 >= core.quorum) {',
      },
    ],
  ],
  [
    'messages leave before their records are on disk',
    [
      {
        file: 'simulator/simulated-disk.ts',
        from: "this.#outbox.push({ kind: 'action', run })",
        to: 'run()',
      },
    ],
  ],
  [
    'the justification of a proposal is not checked',
    [
      {
        file: 'consensus/receiving.ts',
        from: 'if (!verifyJustification(message.justification, { height: height.height, view, hash })) return',
        to: '',
      },
    ],
  ],
]

describe('a mutant is caught when', () => {
  it.each(mutants)(
    '%s',
    async (_, edits) => {
      const mutant: Mutant = { edits, validators: 4, seeds: 150 }
      const { stdout } = await run(process.execPath, [RUNNER, JSON.stringify(mutant)])
      expect(stdout).toMatch(/^(InvariantViolation|AssertionError): /)
    },
    60_000,
  )
})
