import { afterEach, expect, test } from 'vitest'
import { installSecp256k1Backend, secp256k1Backend } from '../../src/primitives/secp256k1.ts'
import { cli, json } from './test-io.ts'

const installed = secp256k1Backend()
afterEach(() => installSecp256k1Backend(installed))

test('simulate sweeps seeds and says what they came to', async () => {
  const run = await cli(['simulate', '--seeds', '3', '--json'])
  expect(run.exitCode).toBe(0)
  expect(json(run)).toMatchObject({
    validators: 4,
    profile: 'lan',
    from: 1,
    seeds: 3,
    failures: [],
  })
  const text = await cli(['simulate', '--seeds', '2', '--from', '9', '--profile', 'wan'])
  expect(text.stdout).toMatch(/^validators +4, wan$/m)
  expect(text.stdout).toMatch(/^failures +0$/m)
})

test('a seed that breaks a promise is named, with the command that shows it again', async () => {
  const beyond = await cli(['simulate', '--seeds', '40', '--byzantine', '2'])
  expect(beyond.exitCode).toBe(1)
  const [, seed] = /^seed (\d+): /m.exec(beyond.stdout) ?? []
  const again = `causeway simulate --replay ${seed} --validators 4 --profile lan --byzantine 2 --trace`
  expect(beyond.stdout).toContain(again)

  const replay = await cli(again.split(' ').slice(1))
  expect(replay.exitCode).toBe(1)
  expect(replay.stdout).toMatch(/^ +\d+\.\d{3} s {2}n\d'? +h1 v0 +start with 0 records$/m)
  expect(replay.stderr).toContain(`seed ${seed}: `)
})

test('one run again, without a trace', async () => {
  const run = await cli(['simulate', '--replay', '5', '--json'])
  expect(json(run)).toMatchObject({ seed: 5 })
})

test.each([
  [['--trace'], '--trace needs --replay SEED'],
  [['--replay', '1', '--trace', '--json'], '--trace is text'],
  [['--validators', '101'], '--validators must be'],
  [['--byzantine', '5'], '--byzantine must be'],
  [['--profile', 'moon'], 'profile'],
])('simulate %j is a wrong command line', async (args, message) => {
  const run = await cli(['simulate', ...args])
  expect(run.exitCode).toBe(2)
  expect(run.stdout + run.stderr).toContain(message)
})
