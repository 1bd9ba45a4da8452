import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'

const page = readFileSync(join(resolve(import.meta.dirname, '../..'), 'docs/decisions.md'), 'utf8')

it('numbers decisions one by one, and overturns them by later ones', () => {
  const entries = page.split(/^(?=\d+\. \*\*)/m).slice(1)
  const numbers = entries.map((entry) => Number.parseInt(entry, 10))
  expect(numbers).toEqual(entries.map((_, index) => index + 1))
  for (const [index, entry] of entries.entries()) {
    const by = /Overturned by (\d+)\./.exec(entry)?.[1]
    if (by === undefined) continue
    expect(Number(by)).toBeGreaterThan(index + 1)
    expect(Number(by)).toBeLessThanOrEqual(entries.length)
  }
})
