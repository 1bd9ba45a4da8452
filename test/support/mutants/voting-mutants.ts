/** Mutants of what is voted for, and of what is kept of it on disk. */

import { edit, type Mutant } from './mutant.ts'

export const LOG_MUTANTS: readonly Mutant[] = [
  {
    name: 'own votes are not journaled',
    edits: [
      edit(
        'consensus/voting.ts',
        "core.emit({ kind: 'persist', record: voteRecord(core, vote) })",
        'voteRecord(core, vote)',
      ),
    ],
  },
  {
    name: 'certificates are not journaled',
    edits: [
      edit(
        'consensus/view-change.ts',
        "record: { kind: 'certificate', height: height.height, certificate },",
        "record: { kind: 'certificate', height: 0, certificate: { ...certificate, height: 0 } },",
      ),
    ],
  },
  {
    name: 'bodies are not journaled',
    edits: [
      edit(
        'consensus/bodies.ts',
        "record: { kind: 'block', height: height.height, block: block.bytes },",
        "record: { kind: 'block', height: 0, block: block.bytes },",
      ),
    ],
  },
  {
    name: 'own votes do not count again after a restart',
    edits: [edit('consensus/restart.ts', 'for (const vote of ownVotes) addVote(core, vote)', '')],
  },
  {
    name: 'own votes are forgotten in a restart',
    edits: [edit('consensus/restart.ts', 'restoreVote(core, record)', '')],
  },
  {
    name: 'a restarted node begins at view 0',
    edits: [
      edit(
        'consensus/restart.ts',
        '...[...height.nullifications.keys()].map((view) => view + 1),',
        '',
      ),
      edit('consensus/restart.ts', '...height.notarizations.keys(),', ''),
      edit('consensus/restart.ts', '...height.own.keys(),', ''),
    ],
  },
  {
    name: 'messages leave before their records are on disk',
    edits: [
      edit('simulator/simulated-disk.ts', "this.#outbox.push({ kind: 'action', run })", 'run()'),
    ],
  },
  {
    name: 'a node goes on when its disk has failed',
    edits: [
      edit(
        'simulator/simulated-disk.ts',
        'if (this.error !== undefined) return this.onError(this.error)',
        'if (this.error !== undefined) this.#outbox = this.#outbox.filter(({ kind }) => kind !== "record")',
      ),
    ],
  },
]

export const VOTE_MUTANTS: readonly Mutant[] = [
  {
    name: 'finalize is cast after nullify',
    edits: [
      edit(
        'consensus/voting.ts',
        'if (own.nullify || own.finalize !== undefined ||',
        'if (own.finalize !== undefined ||',
      ),
      edit(
        'consensus/voting.ts',
        "assert(own.finalize === undefined && !own.nullify, 'finalize after nullify')",
        '',
      ),
    ],
  },
  {
    name: 'nullify is cast after finalize',
    edits: [
      edit(
        'consensus/voting.ts',
        'if (core.isSettled || own.finalize !== undefined || own.nullify) return',
        'if (core.isSettled || own.nullify) return',
      ),
      edit(
        'consensus/voting.ts',
        "assert(!own.nullify && own.finalize === undefined, 'nullify after finalize')",
        '',
      ),
    ],
  },
  {
    name: 'two blocks are notarized in a view',
    edits: [
      edit(
        'consensus/voting.ts',
        'if (own.notarize !== undefined || own.nullify || height.notarizations.has(view)) return',
        'if (own.notarize === proposal.hash || own.nullify || height.notarizations.has(view)) return',
      ),
      edit(
        'consensus/voting.ts',
        "assert(own.notarize === undefined && !own.nullify, 'second vote in a view')",
        '',
      ),
      edit('consensus/receiving.ts', 'if (!height.proposals.has(view)) {', '{'),
    ],
    adversaries: ['splitter'],
  },
  {
    name: 'an invalid proposal is notarized',
    edits: [edit('consensus/voting.ts', "if (verdict === 'invalid') return nullify(core)", '')],
    adversaries: ['invalid-proposer'],
  },
  {
    name: 'anybody leads any view',
    edits: [
      edit(
        'consensus/receiving.ts',
        'return message.leaderVote.signer === core.height.leader(message.leaderVote.view)',
        'return true',
      ),
      edit(
        'consensus/voting.ts',
        'const isPlaced = block.view === view && block.proposer === height.leader(view)',
        'const isPlaced = block.view === view',
      ),
    ],
    adversaries: ['justification-forger'],
  },
  {
    name: 'a finalized block needs no body',
    edits: [
      edit(
        'consensus/voting.ts',
        "  persistBody(core, block)\n  castVote(core, 'finalize'",
        "  castVote(core, 'finalize'",
      ),
    ],
    adversaries: ['invalid-proposer'],
  },
]

export const JUSTIFICATION_MUTANTS: readonly Mutant[] = [
  {
    name: 'the justification of a proposal is not checked',
    edits: [
      edit(
        'consensus/receiving.ts',
        'if (!verifyJustification(message.justification, { height: height.height, view, hash })) return',
        '',
      ),
    ],
  },
  {
    name: 'a justification may have gaps',
    edits: [
      edit(
        'consensus/justification.ts',
        'if (nulls.length !== place.view - next) return false',
        '',
      ),
      edit(
        'consensus/justification.ts',
        'certificate.view === next + i,',
        'certificate.view >= next,',
      ),
    ],
    adversaries: ['justification-forger'],
  },
  {
    name: 'a base binds the proposer to nothing',
    edits: [
      edit(
        'consensus/justification.ts',
        'base.view >= place.view || base.blockHash !== place.hash',
        'base.view >= place.view',
      ),
      edit(
        'consensus/proposing.ts',
        'if (justification.base !== undefined) return repropose(core, justification)',
        '',
      ),
    ],
  },
  {
    name: 'a notarized block is proposed again without its justification',
    edits: [
      edit(
        'consensus/proposing.ts',
        "core.broadcast({ kind: 'propose', block: block.bytes, justification, leaderVote })",
        "core.broadcast({ kind: 'propose', block: block.bytes, justification: { nulls: justification.nulls }, leaderVote })",
      ),
    ],
  },
  {
    name: 'a fresh block is proposed over a notarized one',
    edits: [
      edit(
        'consensus/proposing.ts',
        'if (justification.base !== undefined) return repropose(core, justification)',
        '',
      ),
    ],
  },
]
