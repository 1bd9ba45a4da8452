import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { DevnetError } from '../../src/cli/devnet/devnet-files.ts'
import { bitcoindPath } from '../support/bitcoind.ts'
import { eventually, PATIENCE_MS, TEST_TIMEOUT_MS, useFolder } from '../support/devnet.ts'

const PROGRAM = join(import.meta.dirname, '../../scripts/causeway')

const runningDevnet = z.object({
  page: z.string(),
  esplora: z.string(),
  validators: z.array(z.object({ apiUrl: z.string(), pid: z.number() }).loose()).length(4),
})

interface DevnetProcess {
  readonly pid: number
  /** Standard output so far. */
  readonly output: () => string
  readonly errors: () => string
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
}

/** A supervisor in a process group of its own, as a terminal starts it. */
function startProcess(...args: readonly string[]): DevnetProcess {
  const child = spawn(PROGRAM, ['devnet', '--api-port', '0', '--json', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk
  })
  return {
    pid: child.pid ?? 0,
    output: () => output,
    errors: () => errors,
    ended: once(child, 'close').then(([code, signal]) => code ?? signal),
  }
}

/** What runs with this folder on its command line. */
function processesOf(folder: string): readonly string[] {
  const table = execFileSync('ps', ['-A', '-ww', '-o', 'pid=,args='], { encoding: 'utf8' })
  return table.split('\n').filter((line) => line.includes(folder))
}

const worlds = [
  { l1: 'the embedded L1', args: [], missing: false },
  {
    l1: 'a real bitcoind',
    args: ['--bitcoind', bitcoindPath ?? ''],
    missing: bitcoindPath === undefined,
  },
] as const

describe.each(worlds)('scripts/causeway devnet with $l1', ({ args, missing }) => {
  const { path: folder } = useFolder('causeway-devnet-command-')

  it.skipIf(missing)(
    'plays the demo, prints one JSON document, and leaves nothing running',
    async () => {
      const data = join(folder, 'demo')
      const demo = startProcess('--data', data, '--demo', ...args)
      expect(await demo.ended, demo.errors()).toBe(0)
      const story: unknown = JSON.parse(demo.output())
      expect(story).toMatchObject({ ok: true, failure: null })
      const { steps } = z.object({ steps: z.array(z.object({ name: z.string() })) }).parse(story)
      expect(steps.length).toBeGreaterThanOrEqual(8)
      expect(processesOf(data)).toEqual([])
    },
    TEST_TIMEOUT_MS,
  )

  it.skipIf(missing)(
    'ends everything at Ctrl-C, goes on where it stopped, and survives its own sudden end',
    async () => {
      const data = join(folder, 'lasting')
      const first = await startDevnetProcess(data)
      expect(processesOf(data).length).toBeGreaterThan(4)
      const before = await tipOf(first.api)
      expect(before.height).toBeGreaterThan(0)
      process.kill(-first.pid, 'SIGINT')
      expect(await first.ended).toBe(0)
      expect(processesOf(data)).toEqual([])

      const second = await startDevnetProcess(data)
      expect(await hashAt(second.api, before.height)).toBe(before.hash)
      process.kill(second.pid, 'SIGKILL')
      expect(await second.ended).toBe('SIGKILL')
      await eventually('all processes to be gone', async () => processesOf(data).length === 0)

      // Once more, and the next comes before all is gone.
      const third = await startDevnetProcess(data)
      process.kill(third.pid, 'SIGKILL')
      await third.ended
      const fourth = await startDevnetProcess(data)
      expect(await hashAt(fourth.api, before.height)).toBe(before.hash)
      process.kill(fourth.pid, 'SIGTERM')
      expect(await fourth.ended).toBe(0)
      expect(processesOf(data)).toEqual([])
    },
    TEST_TIMEOUT_MS,
  )

  /** Resolves when it says that it is ready. */
  async function startDevnetProcess(
    data: string,
  ): Promise<DevnetProcess & { readonly api: string }> {
    const devnet = startProcess('--data', data, '--l1-block-seconds', '0', ...args)
    const { esplora } = await eventually('the devnet to be ready', async () => {
      const ended = await Promise.race([devnet.ended, Promise.resolve(undefined)])
      if (ended !== undefined) throw new DevnetError(`ended with ${ended}: ${devnet.errors()}`)
      return runningDevnet.parse(JSON.parse(devnet.output()))
    })
    return { ...devnet, api: esplora }
  }
})

describe('a devnet folder', () => {
  const { path: folder } = useFolder('causeway-devnet-folder-')

  it(
    'is refused when it holds something else',
    async () => {
      execFileSync('touch', [join(folder, 'precious')])
      const devnet = startProcess('--data', folder)
      expect(await devnet.ended).toBe(1)
      expect(devnet.output()).toContain('is not empty and holds no devnet')
      expect(processesOf(folder)).toEqual([])
    },
    TEST_TIMEOUT_MS,
  )
})

async function tipOf(api: string): Promise<{ readonly height: number; readonly hash: string }> {
  const height = Number(await text(`${api}/blocks/tip/height`))
  return { height, hash: await hashAt(api, height) }
}

async function hashAt(api: string, height: number): Promise<string> {
  return await text(`${api}/block-height/${height}`)
}

async function text(url: string): Promise<string> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) })
  expect(answer.status).toBe(200)
  return await answer.text()
}
