/**
 * A process of its own: links modules in a global scope that has nothing but what every browser has,
 * and prints what the entry module leaves in `globalThis.outcome`. Needs --experimental-vm-modules.
 */

import { text } from 'node:stream/consumers'
import { createContext, SourceTextModule } from 'node:vm'
import { z } from 'zod'

const task = z
  .object({
    entry: z.string(),
    modules: z.record(
      z.string(),
      z.object({ source: z.string(), imports: z.record(z.string(), z.string()) }),
    ),
  })
  .parse(JSON.parse(await text(process.stdin)))

const scope: { outcome?: unknown } = createContext({ TextEncoder, TextDecoder })
const made = new Map<string, SourceTextModule>()

function moduleAt(path: string): SourceTextModule {
  const known = made.get(path)
  if (known !== undefined) return known
  const found = task.modules[path]
  if (found === undefined) throw new TypeError(`no module ${path}`)
  const created = new SourceTextModule(found.source, { context: scope, identifier: path })
  made.set(path, created)
  return created
}

const entry = moduleAt(task.entry)
await entry.link((specifier, { identifier }) =>
  moduleAt(task.modules[identifier]?.imports[specifier] ?? specifier),
)
await entry.evaluate()
process.stdout.write(JSON.stringify(scope.outcome ?? null))
