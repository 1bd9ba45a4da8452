import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')

const PURE = ['src/primitives', 'src/bitcoin', 'src/consensus', 'src/chain']

/** Folder → our folders it may import (besides itself). Every row names only rows above it. */
const WALLS: ReadonlyMap<string, readonly string[]> = new Map([
  ['src/primitives', []],
  ['src/runtime', ['src/primitives']],
  ['src/bitcoin', ['src/primitives']],
  ['src/consensus', ['src/primitives']],
  ['src/chain', ['src/primitives', 'src/bitcoin', 'src/consensus']],
  ['genesis', PURE],
  ['src/mempool', PURE],
  ['src/storage', [...PURE, 'src/runtime']],
  ['src/p2p', [...PURE, 'src/runtime']],
  ['src/wallet', [...PURE, 'src/runtime']],
  ['src/node', [...PURE, 'src/runtime', 'src/mempool', 'src/storage', 'src/p2p']],
  ['src/api', [...PURE, 'src/runtime', 'src/mempool', 'src/storage', 'src/node']],
  // The member sees the node only through the port that the node asks it by.
  ['federation', [...PURE, 'src/runtime', 'src/node']],
  [
    'src/simulator',
    [
      ...PURE,
      'src/runtime',
      'genesis',
      'src/mempool',
      'src/storage',
      'src/p2p',
      'src/node',
      'federation',
    ],
  ],
  [
    'src/cli',
    [
      ...PURE,
      'src/runtime',
      'genesis',
      'src/mempool',
      'src/storage',
      'src/p2p',
      'src/wallet',
      'src/node',
      'src/api',
      'federation',
      'src/simulator',
    ],
  ],
  [
    // Benchmarks measure every part by itself.
    'scripts',
    [
      ...PURE,
      'src/runtime',
      'genesis',
      'src/mempool',
      'src/storage',
      'src/p2p',
      'src/node',
      'src/api',
      'federation',
      'src/simulator',
      'src/cli',
    ],
  ],
])

/** Outside package (or prefix ending in /) → folders that may use it. */
const PACKAGES: readonly (readonly [string, readonly string[]])[] = [
  ['@noble/hashes', ['src/primitives']],
  ['@noble/curves', ['src/primitives', 'src/bitcoin', 'src/chain', 'src/wallet', 'federation']],
  ['@scure/base', ['src/bitcoin', 'src/wallet']],
  ['@scure/bip32', ['src/wallet']],
  ['@scure/bip39', ['src/wallet']],
  ['bitcoinjs-lib', ['federation', 'src/wallet']],
  ['classic-level', ['src/storage']],
  ['libp2p', ['src/p2p']],
  ['@libp2p/', ['src/p2p']],
  ['@chainsafe/', ['src/p2p']],
  ['@multiformats/', ['src/p2p']],
  ['hono', ['src/api']],
  ['@hono/', ['src/api']],
  ['commander', ['src/cli']],
  ['uqr', ['src/cli']],
  ['pino', ['src/runtime']],
  ['koffi', ['src/runtime']],
  ['tiny-secp256k1', ['src/runtime', 'scripts']],
  ['smol-toml', ['src/node']],
  ['zod', ['src/api', 'src/cli', 'src/node', 'src/wallet', 'genesis', 'federation', 'scripts']],
]

interface Import {
  readonly file: string
  readonly target: string
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((file) => !file.startsWith('src/explorer/'))
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8')
  // `import … from '…'`, `import '…'`, `export … from '…'`, and `import('…')`.
  const pattern =
    /^(?:import|export)\s+(?:type\s+)?(?:[\w*{][^'";=]*?\s+from\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gms
  return [...text.matchAll(pattern)].map((match) => {
    const target = match[1] ?? match[2] ?? ''
    const own = target.startsWith('.')
    return { file, target: own ? relative(root, resolve(root, dirname(file), target)) : target }
  })
}

const folderOf = (file: string): string | undefined =>
  [...WALLS.keys()].find((folder) => file.startsWith(`${folder}/`))

const files = ['src', 'federation', 'genesis', 'scripts'].flatMap(sourceFiles)
const imports = files.flatMap(importsOf)
const isOwn = (target: string): boolean => /^(?:src|federation|genesis|scripts|test)\//.test(target)

describe('the walls between folders', () => {
  it('are written so that no cycle can be drawn', () => {
    const above = new Set<string>()
    for (const [folder, allowed] of WALLS) {
      for (const target of allowed) expect(above, `${folder} -> ${target}`).toContain(target)
      above.add(folder)
    }
  })

  it('give every source file a room', () => {
    expect(files.filter((file) => folderOf(file) === undefined)).toEqual([])
  })

  it('are kept by every import of our own', () => {
    const broken = imports.filter(({ file, target }) => {
      if (!isOwn(target)) return false
      const from = folderOf(file)
      const to = folderOf(target)
      if (from === undefined || to === undefined) return true
      return from !== to && WALLS.get(from)?.includes(to) !== true
    })
    expect(broken.map(({ file, target }) => `${file} -> ${target}`)).toEqual([])
  })

  it('let the member see nothing of the node but its ports', () => {
    const ports = new Set(['src/node/peg-side.ts', 'src/node/events.ts'])
    const broken = imports.filter(
      ({ file, target }) =>
        file.startsWith('federation/') && target.startsWith('src/node/') && !ports.has(target),
    )
    expect(broken.map(({ file, target }) => `${file} -> ${target}`)).toEqual([])
  })

  it('give each outside package to named folders', () => {
    const broken = imports.filter(({ file, target }) => {
      if (isOwn(target) || target.startsWith('node:')) return false
      const rule = PACKAGES.find(
        ([name]) => target === name || target.startsWith(name.endsWith('/') ? name : `${name}/`),
      )
      const folder = folderOf(file)
      return rule === undefined || folder === undefined || !rule[1].includes(folder)
    })
    expect(broken.map(({ file, target }) => `${file} -> ${target}`)).toEqual([])
  })

  it('keep the pure folders off the operating system', () => {
    const broken = imports.filter(
      ({ file, target }) =>
        target.startsWith('node:') &&
        [...PURE, 'src/mempool'].some((p) => file.startsWith(`${p}/`)),
    )
    expect(broken.map(({ file, target }) => `${file} -> ${target}`)).toEqual([])
  })
})
