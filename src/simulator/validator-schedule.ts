/**
 * Who the validators of a run are, height by height. Usually the same throughout; a run in which they
 * change goes from four to five and then replaces one of them, while members keep their index.
 */

import type { VoteContext } from '../consensus/votes.ts'
import { present } from '../primitives/assert.ts'
import { type FakeSigners, fakeContextOf } from './fake-signatures.ts'

export type SimulatedSet = VoteContext & FakeSigners

export interface ValidatorSchedule {
  at(height: number): SimulatedSet
  /** Is it the last height of its set? */
  isLast(height: number): boolean
  /** False: an index belongs to one node for ever, and `placeOf` has nothing to say. */
  readonly changes: boolean
  /** Where the validator of an index is at a height, if there is one. */
  placeOf(index: number, height: number): number | undefined
}

/** One set for ever. */
export function constantValidators(set: SimulatedSet): ValidatorSchedule {
  return { at: () => set, isLast: () => false, changes: false, placeOf: () => undefined }
}

/** Places by index: four validators, then a fifth, then another one in the place of the fourth. */
export const CHANGING_SETS: readonly (readonly number[])[] = [
  [0, 1, 2, 3],
  [0, 1, 2, 3, 4],
  [0, 1, 2, 5, 4],
]
export const CHANGING_PLACES = 6

/** The index that whoever is at a place has whenever it is a validator. */
export function changingIndexOf(place: number): number {
  return present(
    CHANGING_SETS.map((places) => places.indexOf(place)).find((index) => index !== -1),
    'a place in some set',
  )
}

/** `lastHeights`: of the first set and the second, ascending. */
export function changingValidators(lastHeights: readonly [number, number]): ValidatorSchedule {
  const sets = CHANGING_SETS.map((places, epoch) => ({ places, set: fakeContextOf(epoch, places) }))
  const entryAt = (height: number) => {
    const ended = lastHeights.filter((last) => last < height).length
    return present(sets[ended], 'set of a height')
  }
  return {
    at: (height) => entryAt(height).set,
    isLast: (height) => lastHeights.includes(height),
    changes: true,
    placeOf: (index, height) => entryAt(height).places[index],
  }
}
