/** Mutants of counting votes and of checking signatures. */

import { edit, type Mutant } from './mutant.ts'

export const CERTIFICATE_MUTANTS: readonly Mutant[] = [
  {
    name: 'a quorum is one vote short',
    edits: [
      edit(
        'consensus/quorum.ts',
        'return validatorCount - faultTolerance(validatorCount)',
        'return validatorCount - faultTolerance(validatorCount) - 1',
      ),
    ],
  },
  {
    name: 'a quorum is 2f + 1 of six',
    edits: [
      edit(
        'consensus/quorum.ts',
        'return validatorCount - faultTolerance(validatorCount)',
        'return 2 * faultTolerance(validatorCount) + 1',
      ),
    ],
    validators: 6,
  },
  {
    name: 'a certificate is made one vote too early',
    edits: [
      edit(
        'consensus/tally.ts',
        'if (equal.length >= core.quorum) {',
        'if (equal.length + 1 >= core.quorum) {',
      ),
    ],
  },
  {
    name: 'a signer counts as often as it votes',
    edits: [
      edit(
        'consensus/tally.ts',
        '    if (!sameStatement(earlier, vote)) reportContradiction(core, earlier, vote)\n    return\n',
        '',
      ),
      edit(
        'consensus/tally.ts',
        '[vote.type].set(vote.signer, vote)',
        '[vote.type].set(vote.signer + (earlier === undefined ? 0 : 1_000), vote)',
      ),
    ],
  },
  {
    name: 'votes for different blocks count together',
    edits: [
      edit('consensus/tally.ts', '.filter((other) =>\n    sameStatement(other, vote),\n  )', ''),
    ],
    adversaries: ['splitter', 'equivocator'],
  },
  {
    name: 'one good signature carries a certificate',
    edits: [
      edit(
        'consensus/certificate.ts',
        'return signers.every((signer, i) => {',
        'return signers.some((signer, i) => {',
      ),
    ],
    adversaries: ['certificate-padder'],
  },
  {
    name: 'a certificate may have any number of signers',
    edits: [edit('consensus/certificate.ts', 'signers.length < quorumSize(count) || ', '')],
    adversaries: ['certificate-padder'],
  },
  {
    name: 'signatures do not cover the height',
    edits: [edit('consensus/votes.ts', '.u64be(BigInt(statement.height))', '.u64be(0n)')],
    adversaries: ['replayer'],
  },
  {
    name: 'signatures do not cover the view',
    edits: [edit('consensus/votes.ts', '.u32be(statement.view)', '.u32be(0)')],
    adversaries: ['replayer'],
  },
  {
    name: 'signatures do not cover the type',
    edits: [
      edit(
        'consensus/votes.ts',
        '.u8(TYPE_CODES[statement.type])\n      .u64be',
        '.u8(0)\n      .u64be',
      ),
      edit(
        'consensus/votes.ts',
        'writeReversed(writer, statement.blockHash ?? ZERO_BLOCK_HASH)',
        'writeReversed(writer, ZERO_BLOCK_HASH)',
      ),
    ],
    adversaries: ['replayer'],
  },
]
