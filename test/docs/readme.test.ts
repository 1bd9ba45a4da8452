/**
 * The README's commands, every one: a new line in a ```sh block fails until this file says how it is
 * run. Programs are started as `scripts/*` start them, but for the installation of packages.
 */

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'

const root = resolve(import.meta.dirname, '../..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const PATIENCE_MS = 240_000
const L1_ADDRESS = 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080'

const commands = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap((block) =>
  (block[1] ?? '').split('\n').filter((line) => line !== ''),
)

/** Where each command is run. */
const RUN_BY: Readonly<Record<string, 'demo' | 'walk' | 'definition'>> = {
  'scripts/devnet --demo': 'demo',
  'scripts/test': 'definition',
  'scripts/devnet': 'walk',
  'export CAUSEWAY_HOME=$PWD/.devnet/user': 'walk',
  'scripts/causeway wallet create --no-passphrase': 'walk',
  'scripts/causeway peg deposit-address': 'walk',
  'scripts/causeway devnet pay 0.5 DEPOSIT-ADDRESS': 'walk',
  'scripts/causeway peg deposits': 'walk',
  'scripts/causeway wallet balance': 'walk',
  'scripts/causeway wallet send 0.1 SIDECHAIN-ADDRESS --yes': 'walk',
  'scripts/causeway peg release 0.1 L1-ADDRESS --yes --wait': 'walk',
  'scripts/causeway federation reserves': 'walk',
  'scripts/causeway chain verify': 'walk',
  'npm run check': 'definition',
  'scripts/test test/chain': 'definition',
  'npm run bench -- signing': 'definition',
}

const run = promisify(execFile)
const program = join(root, 'scripts/causeway.ts')
const folder = mkdtempSync(join(tmpdir(), 'causeway-readme-'))
/** The walk goes on where the demo has stopped. */
const data = join(folder, 'devnet')
afterAll(() => rm(folder, { recursive: true, force: true }))

const script = (name: string): string => readFileSync(join(root, name), 'utf8')

describe('the README', () => {
  it('is short enough to be read', () => {
    expect(readme.split('\n').length).toBeLessThan(250)
  })

  it('has no command that nobody runs, and nobody runs one that it has not', () => {
    expect(commands.toSorted()).toEqual(Object.keys(RUN_BY).toSorted())
  })

  it('points at files that are there, as do the pages under docs', () => {
    const pages = [...readme.matchAll(/\]\(([^)#]+\.md)/g)].map((match) => match[1] ?? '')
    const seen = new Set<string>(['README.md'])
    const queue: (readonly [from: string, link: string])[] = pages.map((page) => [
      'README.md',
      page,
    ])
    const broken: string[] = []
    for (const [from, link] of queue) {
      const target = join(dirname(from), link)
      if (!existsSync(join(root, target))) broken.push(`${from} -> ${link}`)
      if (seen.has(target) || !existsSync(join(root, target))) continue
      seen.add(target)
      const text = readFileSync(join(root, target), 'utf8')
      for (const match of text.matchAll(/\]\(([^)#:]+\.(?:md|json))/g)) {
        queue.push([target, match[1] ?? ''])
      }
    }
    expect(broken).toEqual([])
    expect(seen).toContain('docs/spec/peg.md')
    expect(seen).toContain('docs/operators/run-a-validator.md')
  })
})

describe('what the scripts are', () => {
  it('runs the program with what it is given', () => {
    for (const name of ['scripts/devnet', 'scripts/causeway', 'scripts/test', '.ci/run']) {
      accessSync(join(root, name), constants.X_OK)
    }
    expect(script('scripts/devnet')).toMatch(/exec .*\/causeway" devnet "\$@"\n$/)
    expect(script('scripts/causeway')).toMatch(/exec node .*scripts\/causeway\.ts" "\$@"\n$/)
    expect(script('scripts/test')).toMatch(/exec vitest run "\$@"\n$/)
    expect(script('.ci/run')).toMatch(/exec scripts\/test\n$/)
  })

  it('checks with programs that are installed', () => {
    const { scripts } = z
      .object({ scripts: z.record(z.string(), z.string()) })
      .parse(JSON.parse(script('package.json')))
    const steps = [...(scripts['check'] ?? '').matchAll(/npm run (\S+)/g)].map((m) => m[1] ?? '')
    expect(steps.length).toBeGreaterThan(4)
    for (const step of steps) {
      const [tool = ''] = (scripts[step] ?? '').split(' ')
      expect(existsSync(join(root, 'node_modules/.bin', tool)), `${step}: ${tool}`).toBe(true)
    }
  })

  it('measures what the README names', async () => {
    const { scripts } = z
      .object({ scripts: z.object({ bench: z.string() }) })
      .parse(JSON.parse(script('package.json')))
    const [node, file = ''] = scripts.bench.split(' ')
    expect(node).toBe('node')
    const { stdout } = await run(process.execPath, [join(root, file), '--help'])
    expect(stdout).toMatch(/^signing:/m)
  })
})

describe('the demo', () => {
  it(
    'plays its story to the end',
    async () => {
      const { stdout } = await run(
        process.execPath,
        [program, 'devnet', '--demo', '--data', data, '--json'],
        { cwd: root },
      )
      const story = z
        .object({ ok: z.boolean(), steps: z.array(z.object({ name: z.string() })) })
        .parse(JSON.parse(stdout))
      expect(story.ok).toBe(true)
      // What the README shows is what comes.
      for (const { name } of story.steps.slice(1)) expect(readme).toContain(name)
    },
    PATIENCE_MS,
  )
})

describe("the walk through one's own devnet", () => {
  let devnet: ReturnType<typeof spawn> | undefined
  let api = ''

  beforeAll(async () => {
    devnet = spawn(
      process.execPath,
      [program, 'devnet', '--data', data, '--json', '--l1-block-seconds', '1'],
      { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] },
    )
    let text = ''
    for await (const chunk of devnet.stdout ?? []) {
      text += String(chunk)
      const parsed = whole(text)
      if (parsed === undefined) continue
      api = z
        .object({ esplora: z.string() })
        .parse(parsed)
        .esplora.replace(/\/api$/, '')
      break
    }
    expect(api).toMatch(/^http:/)
  }, PATIENCE_MS)

  afterAll(async () => {
    if (devnet === undefined || devnet.exitCode !== null) return
    devnet.kill('SIGINT')
    await once(devnet, 'exit')
  }, PATIENCE_MS)

  it(
    'can be gone as it is written',
    async () => {
      const filled = new Map([['L1-ADDRESS', L1_ADDRESS]])
      for (const command of commands.filter((line) => RUN_BY[line] === 'walk').slice(2)) {
        const answer = await causeway(command, filled)
        if (command.includes('wallet create')) {
          filled.set('SIDECHAIN-ADDRESS', z.object({ address: z.string() }).parse(answer).address)
        }
        if (command.includes('deposit-address')) {
          filled.set('DEPOSIT-ADDRESS', z.object({ address: z.string() }).parse(answer).address)
        }
        if (command.includes('devnet pay')) {
          // A reader sees it arrive; so does this one.
          const recipient = filled.get('SIDECHAIN-ADDRESS') ?? ''
          await causeway(`scripts/causeway peg status ${recipient} --wait --timeout 200`, filled)
        }
        if (command.includes('--wait'))
          expect(answer).toMatchObject({ release: { status: 'paid' } })
        if (command.endsWith('balance')) expect(answer).toMatchObject({ totalSats: 50_000_000 })
        if (command.endsWith('verify')) expect(answer).toMatchObject({ verified: true })
      }
    },
    PATIENCE_MS,
  )

  /** Runs a command line of the README as `scripts/causeway` would; its JSON. */
  async function causeway(line: string, filled: ReadonlyMap<string, string>): Promise<unknown> {
    const words = line.split(' ').slice(1)
    // The longer name contains the shorter one, so whole words are replaced.
    const args = words.map((word) => filled.get(word) ?? word)
    const where = words[0] === 'devnet' ? ['--data', data] : ['--api', api]
    const home = { CAUSEWAY_HOME: join(data, 'user') }
    const { stdout } = await run(process.execPath, [program, ...args, '--json', ...where], {
      cwd: root,
      env: { ...process.env, ...home },
    })
    return JSON.parse(stdout) as unknown
  }
})

/** The JSON document, once all of it has come. */
function whole(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
