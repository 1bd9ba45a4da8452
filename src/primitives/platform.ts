/** The platform underneath, asked for at run time so that pure code also runs in a browser. */

type NodeProcess = typeof globalThis.process

/** Node's `process`, through which its built-in modules are had; undefined in a browser. */
export const nodeProcess: NodeProcess | undefined = findNodeProcess()

function findNodeProcess(): NodeProcess | undefined {
  if (!('process' in globalThis)) return undefined
  // Browser bundles may bring a `process` of their own that has not this.
  const { process } = globalThis
  return typeof process.getBuiltinModule === 'function' ? process : undefined
}
