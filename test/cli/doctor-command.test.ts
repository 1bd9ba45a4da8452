import { afterEach, expect, test } from 'vitest'
import { installSecp256k1Backend, secp256k1Backend } from '../../src/primitives/secp256k1.ts'
import { sha256Backend } from '../../src/primitives/sha256.ts'
import { cli, json } from './test-io.ts'

const installed = secp256k1Backend()
afterEach(() => installSecp256k1Backend(installed))

test('the doctor names the libraries in use', async () => {
  const run = await cli(['node', 'doctor', '--json'])
  expect(run.exitCode).toBe(0)
  expect(json(run)).toMatchObject({
    version: '0.1.0',
    node: process.versions.node,
    secp256k1: installed.name,
    sha256: sha256Backend().name,
  })
})

test('the doctor says what would be faster, and why what is there is not used', async () => {
  const slow = await cli(['node', 'doctor'], { env: { CAUSEWAY_SECP256K1: 'wasm' } })
  expect(slow.stdout).toMatch(/secp256k1 +wasm/)
  expect(slow.stdout).toContain('scripts/libsecp256k1')
  const refused = await cli(['node', 'doctor'], { env: { CAUSEWAY_LIBSECP256K1: '/nowhere.so' } })
  expect(refused.stdout).toMatch(/hint +not used: \/nowhere\.so: /)
})

test('what is demanded and cannot be had is an error', async () => {
  const run = await cli(['node', 'doctor', '--json'], { env: { CAUSEWAY_SECP256K1: 'magic' } })
  expect(run.exitCode).toBe(1)
  expect(JSON.stringify(json(run))).toContain('CAUSEWAY_SECP256K1 is magic')
})
