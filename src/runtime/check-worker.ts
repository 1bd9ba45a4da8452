/**
 * The worker thread of a check pool: loads the native backends for itself and makes the checks that
 * the pool's board offers, until the pool terminates it. It has no event loop of its own and sends no
 * messages; everything goes through the shared memory (check-board.ts).
 */

import { workerData } from 'node:worker_threads'
import { assert } from '../primitives/assert.ts'
import { openCheckBoard, serveBoard } from './check-board.ts'
import { createRecordCheck } from './check-records.ts'
import { installNativeBackends } from './native-backends.ts'

const memory: unknown = workerData
assert(memory instanceof SharedArrayBuffer, 'a check worker is given a board')
installNativeBackends()
const board = openCheckBoard(memory)
serveBoard(board, createRecordCheck(board.records))
