/** The thread of `signing-thread.ts`: a workbench that does what comes in, in order. */

import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { parentPort } from 'node:worker_threads'
import { present } from '../../src/primitives/assert.ts'
import { utf8 } from '../../src/primitives/bytes.ts'
import { installNativeBackends } from '../../src/runtime/native-backends.ts'
import { deriveGroupKey, KeyShare } from './frost.ts'
import type { ThreadAnswer, ThreadRequest } from './signing-thread.ts'
import { Workbench } from './workbench.ts'

installNativeBackends()
const port = present(parentPort, 'port of a signing thread')
/** Of this life of this process on this machine, also where the random generator is not to be trusted. */
const salt = utf8(`${hostname()} ${process.pid} ${Date.now()} ${process.hrtime.bigint()}`)
const workbench = new Workbench((length) => new Uint8Array(randomBytes(length)), salt)

port.on('message', (request: ThreadRequest) => {
  if (request.kind === 'job') {
    const answer: ThreadAnswer = { id: request.id, result: workbench.perform(request.job) }
    port.postMessage(answer)
    return
  }
  const { epoch, attempt, member, memberCount, commitments, secret } = request
  const group = deriveGroupKey(commitments, memberCount)
  workbench.addShare(new KeyShare({ epoch, attempt, member, group, secret }))
  secret.fill(0)
})
