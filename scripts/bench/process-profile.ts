/**
 * Where a running process spends its time: V8's sampling profiler over the Chrome DevTools protocol, which
 * a process started with `--inspect=127.0.0.1:0` offers at the address that it writes to its log.
 */

import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { BenchmarkError } from './benchmark.ts'

/** https://chromedevtools.github.io/devtools-protocol/v8/Profiler/#type-Profile */
const profileSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({
        functionName: z.string(),
        url: z.string(),
        lineNumber: z.number(),
      }),
      children: z.array(z.number()).optional(),
    }),
  ),
  samples: z.array(z.number()),
  /** Microseconds since the sample before. */
  timeDeltas: z.array(z.number()),
})
export type CpuProfile = z.infer<typeof profileSchema>

export interface RunningProfile {
  stop(): Promise<CpuProfile>
}

const answerSchema = z.object({ id: z.number(), result: z.unknown().optional() })
const INTERVAL_US = 1_000

/** @throws BenchmarkError when the process offers no inspector. */
export async function startProfile(logFile: string): Promise<RunningProfile> {
  const url = /ws:\/\/127\.0\.0\.1:\d+\/[0-9a-f-]+/g
  const [address] = (await readFile(logFile, 'utf8')).match(url)?.slice(-1) ?? []
  if (address === undefined) throw new BenchmarkError(`no inspector address in ${logFile}`)
  const socket = new WebSocket(address)
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener('open', () => resolve(), { once: true })
    socket.addEventListener('error', () => reject(new BenchmarkError(`no inspector: ${address}`)), {
      once: true,
    })
  })
  let lastId = 0
  const call = async (method: string, params: object = {}): Promise<unknown> => {
    const id = ++lastId
    const { promise, resolve } = Promise.withResolvers<unknown>()
    const listen = ({ data }: MessageEvent): void => {
      const answer = answerSchema.safeParse(JSON.parse(String(data)))
      if (!answer.success || answer.data.id !== id) return
      socket.removeEventListener('message', listen)
      resolve(answer.data.result)
    }
    socket.addEventListener('message', listen)
    socket.send(JSON.stringify({ id, method, params }))
    return promise
  }
  await call('Profiler.enable')
  await call('Profiler.setSamplingInterval', { interval: INTERVAL_US })
  await call('Profiler.start')
  return {
    async stop() {
      const result = z.object({ profile: profileSchema }).parse(await call('Profiler.stop'))
      socket.close()
      return result.profile
    },
  }
}
