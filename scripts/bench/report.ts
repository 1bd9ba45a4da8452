/**
 * What a benchmark tells: figures in sections, as a table for people and as one JSON document for
 * programs. It judges nothing; the reference figures beside the others let the reader do that.
 */

import { table } from '../../src/cli/output.ts'
import type { Machine } from './machine.ts'

export interface Figure {
  readonly name: string
  /** Null when it could not be measured. */
  readonly value: number | string | null
  /** "ms", "MB", "1/s", …; empty for counts and words. */
  readonly unit: string
}

/** Null when it could not be measured. */
export type Cell = number | string | null

/** Where the same is measured of many things. */
export interface FigureTable {
  readonly columns: readonly string[]
  /** One cell for each column. */
  readonly rows: readonly (readonly Cell[])[]
}

export interface Section {
  readonly title: string
  /** What these figures are, and what they leave out. */
  readonly about: string
  readonly figures: readonly Figure[]
  readonly table?: FigureTable
}

export interface BenchmarkReport {
  readonly benchmark: string
  /** What is measured, in a sentence. */
  readonly measures: string
  readonly machine: Machine
  /** The options it ran with. */
  readonly options: Readonly<Record<string, number | string | boolean>>
  readonly sections: readonly Section[]
}

export function figure(name: string, value: number | string | null, unit = ''): Figure {
  return { name, value, unit }
}

export function reportAsJson(report: BenchmarkReport): string {
  return `${JSON.stringify(report, undefined, 2)}\n`
}

export function reportAsText(report: BenchmarkReport): string {
  const { machine } = report
  const lines = [
    `${report.benchmark}: ${report.measures}`,
    `machine: ${machine.cores} cores (${machine.cpu}), ${machine.memoryMb} MB, ` +
      `load ${machine.loadAverage} when it began, ${machine.platform}, Node ${machine.node}, ` +
      `secp256k1 ${machine.secp256k1}`,
    `options: ${Object.entries(report.options)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')}`,
  ]
  for (const section of report.sections) {
    lines.push('', section.title, section.about, '', ...tablesOf(section))
  }
  return `${lines.join('\n')}\n`
}

function tablesOf(section: Section): readonly string[] {
  const rows = section.figures.map(({ name, value, unit }) => [name, shown(value), unit])
  const figures = rows.length === 0 ? [] : [table(['figure', 'value', 'unit'], rows)]
  if (section.table === undefined) return figures
  const cells = section.table.rows.map((row) => row.map(shown))
  return [...figures, table(section.table.columns, cells)]
}

/** Three significant digits for what is small, whole numbers for what is large. */
function shown(value: Figure['value']): string {
  if (value === null) return 'unknown'
  if (typeof value === 'string') return value
  if (Number.isInteger(value)) return String(value)
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
