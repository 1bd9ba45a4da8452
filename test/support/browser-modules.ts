/** A module and all that it imports, as a browser would get them: without types, by their paths. */

import { readFileSync } from 'node:fs'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
const require = createRequire(import.meta.url)

export interface BrowserModule {
  readonly source: string
  /** Specifier → path of the module that it means. */
  readonly imports: Readonly<Record<string, string>>
}

/** Paths, from the project's root, → modules. */
export type BrowserModules = Readonly<Record<string, BrowserModule>>

export function browserModules(...entries: readonly string[]): BrowserModules {
  const modules: Record<string, BrowserModule> = {}
  const waiting = [...entries]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (modules[path] !== undefined) continue
    const text = readFileSync(join(root, path), 'utf8')
    const source = path.endsWith('.ts') ? stripTypeScriptTypes(text) : text
    const imports: Record<string, string> = {}
    for (const specifier of specifiersOf(source)) imports[specifier] = pathOf(specifier, path)
    modules[path] = { source, imports }
    waiting.push(...Object.values(imports))
  }
  return modules
}

/** Of imports and re-exports, static and dynamic. */
function specifiersOf(source: string): string[] {
  const pattern =
    /^(?:import|export)\s+(?:[\w*{][^'";=]*?\s+from\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gms
  return [...source.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? '')
}

function pathOf(specifier: string, importer: string): string {
  if (specifier.startsWith('.')) return join(dirname(importer), specifier)
  if (specifier.startsWith('node:')) {
    throw new TypeError(`${importer} imports ${specifier}, which no browser has`)
  }
  return relative(root, require.resolve(specifier))
}
