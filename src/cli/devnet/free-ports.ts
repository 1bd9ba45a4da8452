/** TCP ports of this machine that nobody listens on just now, for a devnet's servers. */

import { createServer, type Server } from 'node:net'
import { present } from '../../primitives/assert.ts'

/** All are held until the last is known, so they differ. */
export async function findFreePorts(count: number): Promise<readonly number[]> {
  const servers: Server[] = []
  try {
    for (let index = 0; index < count; index++) servers.push(await listen(0))
    return servers.map((server) => {
      const address = server.address()
      return typeof address === 'object' ? present(address, 'address').port : 0
    })
  } finally {
    await Promise.all(servers.map(close))
  }
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
