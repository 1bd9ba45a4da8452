/** All adversaries of whole nodes by name. */

export type NodeAdversaryKind = 'silent'
export const NODE_ADVERSARY_KINDS: readonly NodeAdversaryKind[] = ['silent']
