/** What validators complained of while they were measured. */

import { readFile } from 'node:fs/promises'

export interface Complaint {
  readonly level: 'warn' | 'error' | 'not a log line'
  readonly message: string
  readonly count: number
}

/** pino's numbers. */
const WARN = 40
const ERROR = 50

/** Warnings, errors, and whatever else a process wrote that is no log line, by message. */
export async function complaintsIn(logFile: string): Promise<readonly Complaint[]> {
  return complaintsOf(await readFile(logFile, 'utf8'))
}

export function complaintsOf(text: string): readonly Complaint[] {
  const counts = new Map<string, Complaint>()
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue
    const found = complaintOf(line)
    if (found === undefined) continue
    const key = `${found.level} ${found.message}`
    counts.set(key, { ...found, count: (counts.get(key)?.count ?? 0) + 1 })
  }
  return [...counts.values()]
}

function complaintOf(line: string): Omit<Complaint, 'count'> | undefined {
  const entry = parseLine(line)
  if (entry === undefined) return { level: 'not a log line', message: line.slice(0, 200) }
  if (entry.level >= ERROR) return { level: 'error', message: entry.msg }
  return entry.level >= WARN ? { level: 'warn', message: entry.msg } : undefined
}

function parseLine(line: string): { readonly level: number; readonly msg: string } | undefined {
  try {
    const parsed: unknown = JSON.parse(line)
    if (typeof parsed !== 'object' || parsed === null) return undefined
    const { level, msg } = { level: undefined, msg: '', ...parsed }
    return typeof level === 'number' ? { level, msg } : undefined
  } catch {
    return undefined
  }
}
