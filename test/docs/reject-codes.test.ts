/** Every reason for a refusal is on its page, and nothing else is. */

import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8')

const sources = ['src', 'federation'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8')),
)

/** First arguments of `reject`, up to the place where a template begins to vary. */
function codesInCode(): Set<string> {
  const calls = sources.flatMap((text) => [
    ...text.matchAll(/\breject\(\s*(?:'([^']+)'|`([^`$]+?) ?\(?\$\{)/g),
  ])
  const scripts = [...textOf('src/bitcoin/script-error.ts').matchAll(/^ {2}\| '([A-Z_]+)'/gm)]
  return new Set([...calls, ...scripts].map((match) => match[1] ?? match[2] ?? ''))
}

/** Backticked words of the first column of every table. */
function codesOnPage(): Set<string> {
  const rows = textOf('docs/spec/reject-codes.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  const cells = rows.map((row) => row.split(' | ')[0] ?? '')
  return new Set(cells.flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map((m) => m[1] ?? '')))
}

describe('the page of reject codes', () => {
  it('finds the codes that it is about', () => {
    const codes = codesInCode()
    expect(codes.size).toBeGreaterThan(140)
    expect(codes).toContain('mandatory-script-verify-flag-failed')
    expect(codes).toContain('SCHNORR_SIG')
    expect(codes).toContain('insolvent')
  })

  it('names every code that the code can give', () => {
    expect([...codesInCode()].filter((code) => !codesOnPage().has(code))).toEqual([])
  })

  it('names none that the code cannot give', () => {
    expect([...codesOnPage()].filter((code) => !codesInCode().has(code))).toEqual([])
  })
})
