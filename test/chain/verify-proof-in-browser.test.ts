/** The verifier of proofs where there is no Node: in a bare global scope, and in a real browser. */

import { spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { transactionId } from '../../src/bitcoin/transaction.ts'
import { buildCoinProof } from '../../src/chain/build-proof.ts'
import { createChainProofs } from '../../src/cli/node/chain-proofs.ts'
import { decodeCertificate } from '../../src/consensus/certificate.ts'
import { bytesToHex, concatBytes } from '../../src/primitives/bytes.ts'
import { temporaryDirectory } from '../storage/temporary-directory.ts'
import { type BrowserModules, browserModules } from '../support/browser-modules.ts'
import { chainOf, finalBlocks } from '../support/certified-chain.ts'
import { testParams } from '../support/chain-world.ts'

const VERIFIER = 'src/chain/verify-proof.ts'
const RESERVES_VERIFIER = 'src/chain/verify-reserves-proof.ts'
const ENTRY = 'entry.js'
const outcomes = z.array(z.string())

let modules: BrowserModules

beforeAll(async () => {
  const params = testParams()
  const blocks = finalBlocks(params, 5)
  const chain = await chainOf(params, blocks)
  const { block, certificate } = blocks.at(-1)!
  const payment = block.transactions[1]!
  const [coinbase] = block.transactions
  const proofs = [
    { txid: transactionId(payment), vout: 0 },
    payment.inputs[0]!.prevout,
    { txid: transactionId(coinbase!), vout: 0 },
  ].map((outPoint) =>
    bytesToHex(
      buildCoinProof(
        { block, certificate: decodeCertificate(certificate), handovers: [] },
        chain.state(),
        outPoint,
      ),
    ),
  )
  // In the last sibling hash.
  const forged = proofs[0]!.replace(/.(?=.{40}$)/, (digit) => (digit === '0' ? '1' : '0'))
  const reserves = await createChainProofs(chain).reservesProof()
  if (!reserves.ok) throw new TypeError(reserves.error.code)
  const file = bytesToHex(concatBytes(...reserves.value.pieces))
  const { recovery } = params.peg
  const facts = { chainId: params.chainId, validators: params.validators, peg: { recovery } }
  const source = `
import { checkChainProof } from './${VERIFIER}'
import { checkReservesProof } from './${RESERVES_VERIFIER}'
import { hexToBytes } from './src/primitives/bytes.ts'
const facts = ${JSON.stringify(facts)}
globalThis.outcome = ${JSON.stringify([...proofs, forged])}.map((proof) => {
  const checked = checkChainProof(facts, hexToBytes(proof))
  return checked.ok
    ? checked.value.height + ' ' + checked.value.totals.supply + ' ' + checked.value.coin.kind
    : checked.error.code
})
const checked = checkReservesProof(facts, hexToBytes('${file}'))
globalThis.outcome.push(checked.ok ? checked.value.coins.length + ' coin' : checked.error.code)
`
  const imports = {
    [`./${VERIFIER}`]: VERIFIER,
    [`./${RESERVES_VERIFIER}`]: RESERVES_VERIFIER,
    './src/primitives/bytes.ts': 'src/primitives/bytes.ts',
  }
  modules = { ...browserModules(...Object.values(imports)), [ENTRY]: { source, imports } }
})

const EXPECTED = [
  '5 10000000 unspent',
  '5 10000000 absent',
  '5 10000000 pending',
  'proof-state',
  '1 coin',
]

describe('the verifier of proofs', () => {
  it('imports nothing of Node, and no more than it needs', () => {
    // `browserModules` throws for a `node:` import.
    const paths = Object.keys(browserModules(VERIFIER, RESERVES_VERIFIER))
    expect(paths).toContain('src/primitives/secp256k1.ts')
    const ours = paths.filter((path) => !path.startsWith('node_modules/@noble/'))
    expect(
      ours.filter((path) => !/^src\/(?:primitives|bitcoin|consensus|chain)\//.test(path)),
    ).toEqual([])
  })

  it('works in a global scope that has nothing of Node', async () => {
    const script = fileURLToPath(new URL('../support/run-in-realm.ts', import.meta.url))
    const child = spawn(process.execPath, ['--experimental-vm-modules', '--no-warnings', script], {
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stdin.end(JSON.stringify({ entry: ENTRY, modules }))
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
    expect(err).toBe('')
    expect(outcomes.parse(JSON.parse(out))).toEqual(EXPECTED)
  })

  const chromium = process.env['CHROMIUM'] ?? 'chromium'
  const isThere = spawnSync(chromium, ['--version'], { timeout: 20_000 }).status === 0

  it.skipIf(!isThere)('works in Chromium', async () => {
    const server = createServer(({ url = '' }, response) => {
      const path = url.slice(1)
      const found = modules[path]
      if (found !== undefined) {
        response.setHeader('Content-Type', 'text/javascript').end(found.source)
      } else if (path === 'page') {
        response.setHeader('Content-Type', 'text/html').end(page())
      } else {
        response.writeHead(404).end()
      }
    })
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = server.address() as AddressInfo
      const dom = await domOf(chromium, `http://127.0.0.1:${port}/page`)
      const shown = /<pre>([^<]*)<\/pre>/.exec(dom)?.[1]
      expect(shown, dom).toBeDefined()
      expect(outcomes.parse(JSON.parse(decodeURIComponent(shown!)))).toEqual(EXPECTED)
    } finally {
      server.closeAllConnections()
      await new Promise((resolve) => void server.close(resolve))
    }
  })
})

function page(): string {
  const folders = ['@noble/curves/', '@noble/hashes/']
  const imports = Object.fromEntries(folders.map((name) => [name, `/node_modules/${name}`]))
  return `<!doctype html><title>proofs</title>
<script type="importmap">${JSON.stringify({ imports })}</script>
<body><script type="module">
import './${ENTRY}'
document.body.innerHTML = '<pre>' + encodeURIComponent(JSON.stringify(globalThis.outcome)) + '</pre>'
</script></body>`
}

async function domOf(chromium: string, url: string): Promise<string> {
  const profile = await temporaryDirectory()
  const child = spawn(
    chromium,
    [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      `--user-data-dir=${profile}`,
      '--dump-dom',
      url,
    ],
    { stdio: ['ignore', 'pipe', 'ignore'], timeout: 60_000 },
  )
  return text(child.stdout)
}
