import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')

function filesIn(folder: string, extension: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && extension.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
}

const sources = ['src', 'federation', 'genesis', 'scripts'].flatMap((f) => filesIn(f, /\.tsx?$/))
const tests = filesIn('test', /\.test\.ts$/)
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8')
const containing = (pattern: RegExp): string[] => sources.filter((f) => pattern.test(textOf(f)))

describe('every source file', () => {
  it('opens by saying what it is', () => {
    const silent = sources.filter((file) => !/^(?:#!.*\n)?\/\*\*/.test(textOf(file)))
    expect(silent).toEqual([])
  })

  it('has a kebab-case name that says what is inside', () => {
    const misnamed = sources.filter(
      (file) => !/^[a-z0-9]+(?:-[a-z0-9]+)*\.tsx?$/.test(basename(file)),
    )
    expect(misnamed).toEqual([])
    const vague = /(?:^|\/)(?:index|utils?|helpers?|common|manager|misc)(?:\.|\/)/
    expect(sources.filter((file) => vague.test(file))).toEqual([])
  })

  it('throws named errors', () => {
    expect(containing(/throw new Error\(/)).toEqual([])
  })

  it('leaves nothing for later', () => {
    expect(containing(/\b(?:TODO|FIXME|XXX|HACK)\b/)).toEqual([])
  })

  it('marks no type by a letter', () => {
    expect(containing(/\binterface I[A-Z][a-z]/)).toEqual([])
  })
})

describe('every test', () => {
  it('stands where the code it tests stands', () => {
    const free = /^test\/(?:scenarios|end-to-end|acceptance|attacks)\//
    const lost = tests.filter((file) => {
      if (free.test(file) || dirname(file) === 'test') return false
      const inner = relative('test', dirname(file))
      return !existsSync(join(root, 'src', inner)) && !existsSync(join(root, inner))
    })
    expect(lost).toEqual([])
  })

  it('sleeps never', () => {
    const asleep = [...tests, ...filesIn('test/support', /\.ts$/)].filter((file) =>
      /\bsleep\(|setTimeout\(\s*(?:resolve|done)/.test(textOf(file)),
    )
    expect(asleep.filter((file) => file !== 'test/tidy.test.ts')).toEqual([])
  })
})
