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

export interface Section {
  readonly title: string
  /** What these figures are, and what they leave out. */
  readonly about: string
  readonly figures: readonly Figure[]
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
    const rows = section.figures.map(({ name, value, unit }) => [name, shown(value), unit])
    lines.push('', section.title, section.about, '', table(['figure', 'value', 'unit'], rows))
  }
  return `${lines.join('\n')}\n`
}

/** Three significant digits for what is small, whole numbers for what is large. */
function shown(value: Figure['value']): string {
  if (value === null) return 'unknown'
  if (typeof value === 'string') return value
  if (Number.isInteger(value)) return String(value)
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
