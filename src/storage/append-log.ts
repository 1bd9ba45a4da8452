/**
 * The append-log port over files: what a node must remember before it says anything (votes,
 * certificates, block bodies). Bytes: `append-log-format.ts`.
 *
 * Upon `append`: join the queue; the writer takes every append that waits, in order, as one frame: one
 * write, one fdatasync, then all of them resolve. An append is in the log whole or not at all.
 * Upon an I/O error: every waiting and later call rejects. After a failed fsync nobody knows what is on
 * the disk, so there is no second try; the operator restarts the process.
 * Upon opening: cut off a torn tail, refuse other damage, sync, hand out the records.
 */

import { constants } from 'node:fs'
import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { assert } from '../primitives/assert.ts'
import { concatBytes } from '../primitives/bytes.ts'
import type { AppendLog } from '../runtime/runtime.ts'
import {
  encodeFrame,
  frameBodyBytes,
  LOG_FRAME_BYTES_MAX,
  LOG_HEADER,
  LOG_RECORD_BYTES_MAX,
  LogDamage,
  type LogScan,
  scanLog,
} from './append-log-format.ts'
import { syncDirectory, writeAll } from './durable-file.ts'
import {
  errorCode,
  JournalCorruptError,
  JournalFailedError,
  StorageError,
} from './storage-error.ts'

/** Appends and rewrites that may wait at one time; beyond it somebody writes without awaiting. */
const WAITING_MAX = 100_000

export interface AppendLogOptions {
  /** How the log opens its file for writing; tests hand in a device that is full. */
  readonly openFile?: (path: string, flags: number) => Promise<FileHandle>
}

interface Operation {
  readonly kind: 'append' | 'rewrite'
  readonly records: readonly Uint8Array[]
  readonly settle: { resolve(): void; reject(error: Error): void }
}

/**
 * Opens or creates the log at `path`. The caller makes sure that no other process has it open.
 * @throws JournalCorruptError for damage other than a torn tail, StorageError when the file cannot be
 * read or written.
 */
export async function openAppendLog(
  path: string,
  options: AppendLogOptions = {},
): Promise<AppendLog> {
  const openFile =
    options.openFile ?? ((file, flags): Promise<FileHandle> => open(file, flags, 0o600))
  try {
    // Left over from a rewrite that did not come to its rename.
    await rm(temporaryPath(path), { force: true })
    const scan = await readLog(path, openFile)
    const file = await openFile(path, constants.O_RDWR)
    try {
      await file.truncate(scan.goodBytes)
      await file.datasync()
    } catch (thrown) {
      await file.close()
      throw thrown
    }
    return new FileAppendLog(path, file, scan, openFile)
  } catch (thrown) {
    if (thrown instanceof StorageError) throw thrown
    throw new StorageError(`cannot open the journal ${path}`, { cause: thrown })
  }
}

type OpenFile = NonNullable<AppendLogOptions['openFile']>

async function readLog(path: string, openFile: OpenFile): Promise<LogScan> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (thrown) {
    if (errorCode(thrown) !== 'ENOENT') throw thrown
    const file = await replaceFile(path, LOG_HEADER, openFile)
    await file.close()
    return { records: [], goodBytes: LOG_HEADER.length }
  }
  try {
    return scanLog(bytes)
  } catch (thrown) {
    if (!(thrown instanceof LogDamage)) throw thrown
    throw new JournalCorruptError(
      `journal ${path} is damaged at byte ${thrown.offset}: ${thrown.message}. ` +
        'Records after it may hold this node’s own votes. Check the disk, keep a copy of the file, ' +
        'and follow the runbook for a lost journal; do not just delete it.',
      { cause: thrown },
    )
  }
}

function temporaryPath(path: string): string {
  return `${path}.new`
}

/** Puts a whole new file in the place of `path`: after a crash it is the old one or the new one. */
async function replaceFile(
  path: string,
  content: Uint8Array,
  openFile: OpenFile,
): Promise<FileHandle> {
  const temporary = temporaryPath(path)
  const file = await openFile(temporary, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC)
  try {
    await writeAll(file, content, 0)
    await file.sync()
    await rename(temporary, path)
    await syncDirectory(dirname(path))
    return file
  } catch (thrown) {
    await file.close()
    throw thrown
  }
}

class FileAppendLog implements AppendLog {
  readonly recovered: readonly Uint8Array[]
  readonly #path: string
  readonly #openFile: OpenFile
  #file: FileHandle
  #sizeBytes: number
  #waiting: Operation[] = []
  #writing: Promise<void> | undefined
  #failure: JournalFailedError | undefined
  #closed = false

  constructor(path: string, file: FileHandle, scan: LogScan, openFile: OpenFile) {
    this.#path = path
    this.#file = file
    this.#sizeBytes = scan.goodBytes
    this.#openFile = openFile
    this.recovered = scan.records
  }

  append(records: readonly Uint8Array[]): Promise<void> {
    if (records.length === 0)
      return this.#failure === undefined ? Promise.resolve() : this.#refuse()
    return this.#enqueue('append', records)
  }

  rewrite(records: readonly Uint8Array[]): Promise<void> {
    return this.#enqueue('rewrite', records)
  }

  /** Waits for what has been queued. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#writing
    await this.#file.close()
  }

  #refuse(): Promise<never> {
    assert(this.#failure !== undefined, 'a failed journal knows its failure')
    return Promise.reject(this.#failure)
  }

  #enqueue(kind: Operation['kind'], records: readonly Uint8Array[]): Promise<void> {
    for (const record of records) {
      assert(record.length <= LOG_RECORD_BYTES_MAX, 'log record within its limit')
    }
    assert(frameBodyBytes(records) <= LOG_FRAME_BYTES_MAX, 'one append fits a frame')
    assert(this.#waiting.length < WAITING_MAX, 'journal writes are awaited')
    if (this.#failure !== undefined) return this.#refuse()
    if (this.#closed) return Promise.reject(new StorageError(`journal ${this.#path} is closed`))
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ kind, records, settle: { resolve, reject } })
    this.#writing ??= this.#drain()
    return promise
  }

  async #drain(): Promise<void> {
    // Starts after the caller's turn, so that appends made together share one fdatasync.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup()
      try {
        await this.#perform(group)
      } catch (thrown) {
        this.#fail(thrown, group)
        break
      }
      for (const operation of group) operation.settle.resolve()
    }
    this.#writing = undefined
  }

  /** The first rewrite alone, or as many appends from the front as fit one frame. */
  #takeGroup(): readonly Operation[] {
    let count = 0
    let bytes = 0
    for (const operation of this.#waiting) {
      if (operation.kind === 'rewrite') break
      bytes += frameBodyBytes(operation.records)
      if (bytes > LOG_FRAME_BYTES_MAX) break
      count++
    }
    return this.#waiting.splice(0, Math.max(count, 1))
  }

  async #perform(group: readonly Operation[]): Promise<void> {
    const records = group.flatMap((operation) => operation.records)
    if (group[0]?.kind === 'rewrite') {
      const frame = records.length === 0 ? new Uint8Array() : encodeFrame(records)
      const content = concatBytes(LOG_HEADER, frame)
      const replaced = this.#file
      this.#file = await replaceFile(this.#path, content, this.#openFile)
      this.#sizeBytes = content.length
      await replaced.close()
      return
    }
    const frame = encodeFrame(records)
    await writeAll(this.#file, frame, this.#sizeBytes)
    await this.#file.datasync()
    this.#sizeBytes += frame.length
  }

  #fail(thrown: unknown, group: readonly Operation[]): void {
    const failure = new JournalFailedError(
      `writing journal ${this.#path} failed; nothing more is accepted until a restart`,
      { cause: thrown },
    )
    this.#failure = failure
    for (const operation of [...group, ...this.#waiting]) operation.settle.reject(failure)
    this.#waiting = []
  }
}
