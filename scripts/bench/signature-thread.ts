/** A thread that checks signatures for a second and says how many, for `vote-floor.ts`. */

import { workerData } from 'node:worker_threads'
import { installNativeBackends } from '../../src/runtime/native-backends.ts'
import { BenchmarkError } from './benchmark.ts'
import { signatureChecksPerSecond } from './references.ts'

installNativeBackends()
if (!(workerData instanceof SharedArrayBuffer)) throw new BenchmarkError('no place for the result')
new Float64Array(workerData)[0] = signatureChecksPerSecond()
