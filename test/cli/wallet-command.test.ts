import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { encodeAddress } from '../../src/bitcoin/address.ts'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { testWallet } from '../wallet/test-wallet.ts'
import { homeWithWallet, PASSPHRASE } from './cli-wallet.ts'
import { nodeStatus, RecordedNode } from './recorded-node.ts'
import { cli, json, newHome } from './test-io.ts'

const { scripts } = testWallet('p2tr')

function ownAddress(index: number): string {
  return encodeAddress(scripts.derive(0, index).script, { bech32: 'bcrt' }) ?? 'none'
}

describe('creating', () => {
  test('shows the words once, and restoring them gives the same address', async () => {
    const home = newHome()
    const created = await cli(['wallet', 'create', '--json', '--home', home], {
      env: { CAUSEWAY_WALLET_PASSPHRASE: 'secret' },
    })
    expect(created.exitCode).toBe(0)
    const { mnemonic, address, path } = json(created) as Record<string, string>
    expect(mnemonic?.split(' ')).toHaveLength(12)
    expect((await stat(path ?? '')).mode & 0o777).toBe(0o600)
    const again = ['wallet', 'restore', '--wallet', 'copy', '--no-passphrase', '--json']
    const restored = await cli([...again, '--home', home], { input: `${mnemonic}\n` })
    expect(json(restored)).toMatchObject({ wallet: 'copy', address, network: 'devnet' })
    expect(restored.stdout).not.toContain(mnemonic)
    const list = await cli(['wallet', 'list', '--json', '--home', home])
    expect(json(list)).toEqual({
      wallets: [
        { name: 'copy', network: 'devnet', type: 'taproot', locked: false },
        { name: 'default', network: 'devnet', type: 'taproot', locked: true },
      ],
    })
  })

  test('without a passphrase and without a terminal is refused, and writes nothing', async () => {
    const home = newHome()
    const run = await cli(['wallet', 'create', '--home', home])
    expect(run.exitCode).toBe(2)
    expect(run.stderr).toContain('--no-passphrase')
    expect((await cli(['wallet', 'list', '--home', home])).stdout).toContain('no wallets yet')
  })

  test('at a terminal asks twice and compares', async () => {
    const home = newHome()
    const args = ['wallet', 'create', '--home', home]
    const differ = await cli(args, { isTerminal: true, answers: ['one', 'two'] })
    expect(differ).toMatchObject({ exitCode: 2, questions: ['New passphrase: ', 'Again: '] })
    const empty = await cli(args, { isTerminal: true, answers: [''] })
    expect(empty.exitCode).toBe(2)
    const gone = await cli(args, { isTerminal: true })
    expect(gone.exitCode).toBe(130)
  })

  test('never replaces a wallet', async () => {
    const home = await homeWithWallet()
    const run = await cli(['wallet', 'create', '--no-passphrase', '--json', '--home', home])
    expect(run.exitCode).toBe(1)
    expect(json(run)).toMatchObject({ error: { code: 'file-exists' } })
  })

  test.each([
    [['--words', '13'], '--words'],
    [['--type', 'legacy'], '--type'],
    [['--wallet', '../x'], 'names'],
    [['--genesis', '/does/not/exist'], 'cannot read'],
  ])('%j is a usage error', async (more, reason) => {
    const args = ['wallet', 'create', '--no-passphrase', '--home', newHome(), ...more]
    expect(await cli(args)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(reason) })
  })

  test('wrong recovery words are refused without repeating them', async () => {
    const args = ['wallet', 'restore', '--no-passphrase', '--home', newHome()]
    const run = await cli(args, { input: 'abandon '.repeat(12) })
    expect(run.exitCode).toBe(2)
    expect(run.stderr).not.toContain('abandon')
  })
})

describe('addresses', () => {
  test('are given without a node, and --new moves on', async () => {
    const home = await homeWithWallet()
    const address = ['wallet', 'address', '--json', '--home', home]
    expect(json(await cli(address))).toEqual({
      wallet: 'default',
      address: ownAddress(0),
      index: 0,
    })
    expect(json(await cli([...address, '--new']))).toMatchObject({ address: ownAddress(1) })
    expect(json(await cli(address))).toMatchObject({ index: 1 })
    expect(json(await cli([...address, '--index', '7']))).toMatchObject({
      address: ownAddress(7),
    })
    expect(json(await cli([...address, '--descriptor']))).toMatchObject({
      descriptor: expect.stringMatching(/^tr\(\[73c5da0a\/86h\/1h\/0h\]tpub/),
    })
  })

  test('have a QR code on a terminal, unless refused', async () => {
    const home = await homeWithWallet()
    const args = ['wallet', 'address', '--home', home]
    expect((await cli(args, { isTerminal: true })).stdout).toContain('█')
    expect((await cli([...args, '--no-qr'], { isTerminal: true })).stdout).not.toContain('█')
    expect((await cli(args)).stdout).toBe(`${ownAddress(0)}\n`)
    expect((await cli([...args, '--qr'])).stdout).toContain('█')
  })

  test('of a wallet that is not there is exit code 3', async () => {
    const run = await cli(['wallet', 'address', '--wallet', 'nope', '--home', newHome()])
    expect(run).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('wallet create') })
  })
})

describe('with a node', () => {
  let node: RecordedNode
  let home = ''
  const env = { CAUSEWAY_WALLET_PASSPHRASE: PASSPHRASE }
  beforeEach(async () => {
    node = await RecordedNode.start()
    node.fund([
      { script: scripts.derive(0, 0).script, valueSats: 100_000 },
      { script: scripts.derive(0, 2).script, valueSats: 50_000 },
    ])
    home = await homeWithWallet()
  })
  afterEach(() => node.stop())

  function wallet(...args: readonly string[]): readonly string[] {
    return ['wallet', ...args, '--home', home, '--api', node.url]
  }

  test('the balance and the history come from the chain', async () => {
    expect(json(await cli(wallet('balance', '--json')))).toEqual({
      wallet: 'default',
      totalSats: 150_000,
      confirmedSats: 150_000,
      unconfirmedSats: 0,
      coins: 2,
      height: 42,
    })
    expect((await cli(wallet('balance'))).stdout).toContain('0.00150000 BTC')
    const history = json(await cli(wallet('history', '--json'))) as { transactions: unknown[] }
    expect(history.transactions).toHaveLength(2)
    expect(history.transactions[0]).toMatchObject({ netSats: 100_000, height: 40 })
    // Seen addresses are not handed out again.
    expect(json(await cli(wallet('address', '--json')))).toMatchObject({ index: 3 })
  })

  test('a payment is planned, signed, broadcast and verified', async () => {
    const run = await cli(wallet('send', '0.0006', ownAddress(9), '--yes', '--json'), { env })
    expect(run.exitCode).toBe(0)
    const [sent] = node.broadcast
    if (sent === undefined) expect.unreachable()
    expect(json(run)).toEqual({
      sent: true,
      address: ownAddress(9),
      valueSats: 60_000,
      txid: transactionId(sent),
      feeSats: 308,
      feeRateSatsPerVb: 2,
      vsize: 154,
    })
    expect(new Set(sent.outputs.map(({ value }) => value))).toEqual(new Set([39_692n, 60_000n]))
  })

  test('everything can be spent', async () => {
    const run = await cli(wallet('send', 'all', ownAddress(9), '--yes', '--json'), { env })
    const { valueSats, feeSats } = json(run) as { valueSats: number; feeSats: number }
    expect(valueSats + feeSats).toBe(150_000)
    expect(node.broadcast[0]?.outputs).toHaveLength(1)
  })

  test('a payment asks first; anything but yes sends nothing', async () => {
    const terminal = { env, isTerminal: true }
    const args = wallet('send', '60000', ownAddress(9), '--sats')
    const no = await cli(args, { ...terminal, answers: ['n'] })
    expect(no).toMatchObject({ exitCode: 1, questions: [expect.stringContaining('0.00060000')] })
    expect(node.broadcast).toHaveLength(0)
    const yes = await cli(args, { ...terminal, answers: ['y'] })
    expect(yes.exitCode).toBe(0)
    expect(node.broadcast).toHaveLength(1)
  })

  test('without a terminal only --yes pays', async () => {
    const run = await cli(wallet('send', '0.0006', ownAddress(9)), { env })
    expect(run).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('--yes') })
    expect(node.broadcast).toHaveLength(0)
  })

  test('--dry-run signs and sends nothing', async () => {
    const run = await cli(wallet('send', '0.0006', ownAddress(9), '--dry-run', '--json'), { env })
    expect(json(run)).toMatchObject({ sent: false, hex: expect.stringMatching(/^0200/) })
    expect(node.broadcast).toHaveLength(0)
  })

  test('a PSBT goes out, is signed offline, and is broadcast', async () => {
    const out = await cli(wallet('send', '0.0006', ownAddress(9), '--psbt'))
    const psbt = out.stdout.trim()
    const signed = await cli(wallet('sign', '--yes', '--json'), { env, input: psbt })
    expect(json(signed)).toMatchObject({ complete: true, signedInputs: 1, txid: null })
    expect(node.broadcast).toHaveLength(0)
    const sent = await cli(wallet('sign', psbt, '--yes', '--broadcast'), { env })
    expect(sent.exitCode).toBe(0)
    expect(sent.stdout.trim()).toBe(transactionId(node.broadcast[0]!))
  })

  test('a wrong passphrase is exit code 8, a missing one too', async () => {
    const args = wallet('send', '0.0006', ownAddress(9), '--yes', '--json')
    const wrong = await cli(args, { env: { CAUSEWAY_WALLET_PASSPHRASE: 'wrong' } })
    expect(wrong.exitCode).toBe(8)
    expect(json(wrong)).toMatchObject({ error: { code: 'wrong-passphrase' } })
    expect((await cli(args)).exitCode).toBe(8)
    const typed = await cli(args, { isTerminal: true, answers: ['oops', PASSPHRASE] })
    expect(typed.exitCode).toBe(0)
  })

  test('too little money, dust, and a refusing node are exit code 6', async () => {
    const poor = await cli(wallet('send', '1', ownAddress(9), '--yes', '--json'), { env })
    expect(poor.exitCode).toBe(6)
    expect(json(poor)).toMatchObject({ error: { code: 'insufficient-funds' } })
    const dust = await cli(wallet('send', '100', ownAddress(9), '--sats', '--yes'), { env })
    expect(dust.exitCode).toBe(6)
    node.answers.set('POST /api/tx', { status: 400, body: 'txn-mempool-conflict' })
    const refused = await cli(wallet('send', '0.0006', ownAddress(9), '--yes'), { env })
    expect(refused).toMatchObject({
      exitCode: 6,
      stderr: expect.stringContaining('txn-mempool-conflict'),
    })
  })

  test('a node that acknowledges another transaction is exit code 9', async () => {
    node.answers.set('POST /api/tx', { status: 200, body: 'ee'.repeat(32) })
    const run = await cli(wallet('send', '0.0006', ownAddress(9), '--yes'), { env })
    expect(run.exitCode).toBe(9)
  })

  test.each([
    ['1.123456789', 2],
    ['-1', 2],
    ['abc', 2],
  ])('amount %s is refused', async (amount, exitCode) => {
    expect((await cli(wallet('send', '--yes', '--', amount, ownAddress(9)))).exitCode).toBe(
      exitCode,
    )
  })

  test('an address with a typing mistake, or of another network, is refused', async () => {
    const typo = `${ownAddress(9).slice(0, -1)}x`
    const bad = await cli(wallet('send', '0.0006', typo, '--json'))
    expect(bad.exitCode).toBe(2)
    expect(json(bad)).toMatchObject({ error: { code: 'address-checksum' } })
    const mainnet = 'bc1qcr8te4kr609gcawutmrza0j4xv80jy8z306fyu'
    expect(json(await cli(wallet('send', '0.0006', mainnet, '--json')))).toMatchObject({
      error: { code: 'address-network', hint: 'addresses here start with bcrt1' },
    })
  })

  test('a node of another network, or one catching up, is refused', async () => {
    node.status = { ...nodeStatus(), network: 'other' }
    expect((await cli(wallet('balance'))).exitCode).toBe(6)
    node.status = { ...nodeStatus(), synced: false }
    expect((await cli(wallet('balance'))).exitCode).toBe(5)
    node.status = { ...nodeStatus(), halted: 'a certified block was invalid' }
    expect((await cli(wallet('balance'))).exitCode).toBe(1)
  })
})

test('a broken wallet file is named, and the way out with it', async () => {
  const home = await homeWithWallet()
  await writeFile(join(home, 'wallets', 'default.json'), '{}')
  const run = await cli(['wallet', 'address', '--home', home])
  expect(run.exitCode).toBe(1)
  expect(run.stderr).toContain('default.json')
  expect(run.stderr).toContain('wallet restore')
})
