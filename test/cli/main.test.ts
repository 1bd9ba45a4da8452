import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { nodeStatus, ok, problem, RecordedNode } from './recorded-node.ts'
import { cli, json } from './test-io.ts'

describe('the command line', () => {
  test('a mistyped group or command gets a suggestion and exit code 2', async () => {
    const group = await cli(['walet'])
    expect(group.exitCode).toBe(2)
    expect(group.stderr).toContain('Did you mean wallet?')
    expect(group.stdout).toBe('')
    const command = await cli(['wallet', 'blance'])
    expect(command).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('Did you mean balance?'),
    })
    const option = await cli(['chain', 'tip', '--jsn'])
    expect(option).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--json') })
  })

  test('a usage error with --json is one document on standard output', async () => {
    const run = await cli(['--json', 'walet'])
    expect(run.exitCode).toBe(2)
    expect(json(run)).toEqual({
      error: {
        code: 'usage',
        message: expect.stringContaining("unknown command 'walet'"),
        hint: 'see causeway --help',
      },
    })
    expect(run.stderr).toBe('')
  })

  test('help and version succeed', async () => {
    expect(await cli(['--version'])).toMatchObject({ exitCode: 0, stdout: '0.1.0\n' })
    const help = await cli(['peg', '--help'])
    expect(help.exitCode).toBe(0)
    expect(help.stdout).toContain('deposit-address')
  })

  test('a group without a command shows its help and fails as usage', async () => {
    const run = await cli(['peg'])
    expect(run.exitCode).toBe(2)
    expect(run.stderr).toContain('Commands:')
  })

  test('an --api that is no URL is a usage error', async () => {
    expect((await cli(['chain', 'tip', '--api', 'nowhere'])).exitCode).toBe(2)
    expect((await cli(['chain', 'tip', '--api', 'ftp://host'])).exitCode).toBe(2)
  })
})

describe('the node', () => {
  let node: RecordedNode
  beforeEach(async () => {
    node = await RecordedNode.start()
  })
  afterEach(() => node.stop())

  test('its status is shown for people and as JSON', async () => {
    const human = await cli(['chain', 'tip', '--api', node.url])
    expect(human).toEqual({
      exitCode: 0,
      stdout: [
        'height   42',
        `block    ${'cd'.repeat(32)}`,
        'time     2023-11-14 22:13:20 UTC',
        'network  devnet',
        'synced   yes',
        '',
      ].join('\n'),
      stderr: '',
      questions: [],
    })
    const data = await cli(['chain', 'tip', '--json'], { env: { CAUSEWAY_API: `${node.url}/` } })
    expect(json(data)).toEqual({
      height: 42,
      blockHash: 'cd'.repeat(32),
      blockTimeMs: 1_700_000_000_000,
      synced: true,
      halted: null,
      network: 'devnet',
      chainId: nodeStatus()['chainId'],
    })
  })

  test('nobody at the address is exit code 4, with what to do', async () => {
    node.stop()
    const run = await cli(['chain', 'tip', '--api', node.url, '--json'])
    expect(run.exitCode).toBe(4)
    expect(json(run)).toEqual({
      error: {
        code: 'no-node',
        message: expect.stringContaining('ECONNREFUSED'),
        hint: expect.stringContaining('causeway devnet'),
      },
    })
  })

  test.each([
    [404, 'not-found', 3],
    [503, 'not-synced', 5],
    [400, 'bad-request', 6],
    [401, 'not-allowed', 8],
    [504, 'gateway', 7],
    [500, 'broken', 1],
  ])('a problem with status %i (%s) is exit code %i', async (status, code, exitCode) => {
    node.answers.set('GET /v1/status', problem(status, code, 'because'))
    const run = await cli(['chain', 'tip', '--api', node.url, '--json'])
    expect(run.exitCode).toBe(exitCode)
    expect(json(run)).toMatchObject({
      error: { code, message: expect.stringContaining('because') },
    })
  })

  test('a server that is no causeway node is told apart', async () => {
    node.answers.set('GET /v1/status', ok('<html>'))
    const html = await cli(['chain', 'tip', '--api', node.url])
    expect(html).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('check --api') })
    node.answers.set('GET /v1/status', ok({ ...nodeStatus(), height: -1 }))
    const wrong = await cli(['chain', 'tip', '--api', node.url])
    expect(wrong).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('height') })
  })

  test('text from the node cannot reach the terminal’s control codes', async () => {
    node.answers.set('GET /v1/status', ok({ ...nodeStatus(), halted: 'bad \u001b[2Jblock\n' }))
    const run = await cli(['chain', 'tip', '--api', node.url])
    expect(run.stdout).not.toContain('\u001b')
    expect(run.stdout).toContain('bad  [2Jblock')
  })
})
