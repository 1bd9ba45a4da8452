/**
 * TCP ports of this machine that nobody listens on just now, for a devnet's servers. They lie below those
 * that systems hand out by themselves (Linux 32768 and up, RFC 6335 49152 and up): a port that is found
 * here and taken later is not given to somebody's outgoing connection meanwhile.
 */

import { randomInt } from 'node:crypto'
import { createServer, type Server } from 'node:net'
import { present } from '../../primitives/assert.ts'

const FIRST_PORT = 10_000
const LAST_PORT = 32_767
/** On a machine whose ports are mostly taken the system chooses after this. */
const TRIES_MAX = 50

/** All are held until the last is known, so they differ. */
export async function findFreePorts(count: number): Promise<readonly number[]> {
  const servers: Server[] = []
  try {
    for (let index = 0; index < count; index++) servers.push(await listenSomewhere())
    return servers.map((server) => {
      const address = server.address()
      return typeof address === 'object' ? present(address, 'address').port : 0
    })
  } finally {
    await Promise.all(servers.map(close))
  }
}

async function listenSomewhere(): Promise<Server> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    try {
      return await listen(randomInt(FIRST_PORT, LAST_PORT + 1))
    } catch {
      // Taken, or kept by the system.
    }
  }
  return listen(0)
}

export async function isPortFree(port: number): Promise<boolean> {
  try {
    await close(await listen(port))
    return true
  } catch {
    return false
  }
}

async function listen(port: number): Promise<Server> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return server
}

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
}
