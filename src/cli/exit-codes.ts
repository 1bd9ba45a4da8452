/** The exit codes of `causeway`: part of its interface, documented for scripts. */

export const EXIT = {
  ok: 0,
  /** Something went wrong that no other code names. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The block, transaction, deposit, release or wallet does not exist. */
  notFound: 3,
  /** No node answers. */
  noNode: 4,
  /** The node answers but is not synced, or the peg is not open yet. */
  syncing: 5,
  /** The node or the chain's rules refuse what was asked. */
  rejected: 6,
  timedOut: 7,
  /** Wrong or missing passphrase or credentials. */
  auth: 8,
  /** What the node said does not hold: an address, a certificate, a chain id. */
  verificationFailed: 9,
  /** Ctrl-C: 128 + SIGINT. */
  interrupted: 130,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]
