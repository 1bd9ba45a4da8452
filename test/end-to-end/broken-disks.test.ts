import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { homePaths } from '../../src/cli/node/node-home.ts'
import { eventually, TEST_TIMEOUT_MS } from '../support/devnet.ts'
import { expectAgreement } from '../support/devnet-checks.ts'
import { DIRECT_NETWORK } from '../support/faulty-network.ts'
import { expectNoDoubleVotes, votesAbove } from '../support/fleet.ts'
import { useFleet } from '../support/fleet-world.ts'
import { startNodeProcess } from '../support/node-process.ts'
import { expectAllKept } from '../support/payment-load.ts'

const VICTIM = 3
const OTHERS = [0, 1, 2]
const SMALL_DISK_BYTES = 64 << 20

describe('a validator with a broken disk', () => {
  const world = useFleet({
    title: 'broken disks',
    validators: 4,
    createNetwork: () => DIRECT_NETWORK,
  })
  const mounted: string[] = []
  afterAll(() => {
    for (const path of mounted) execFileSync('umount', ['-l', path])
  })

  it.skipIf(!canMount())(
    'stops when the disk is full, says so, and goes on when there is space again',
    async () => {
      const { fleet, log } = world()
      const victim = fleet.validator(VICTIM)
      const home = join(victim.home, 'node')
      await victim.stop()
      moveToSmallDisk(home)
      mounted.push(home)
      victim.start()
      await voting()

      const filler = join(home, 'filler')
      fill(home, filler)
      const told = await endsUnderLoad()
      expect(told).toMatch(/nothing more can be stored: .*(?:No space left on device|ENOSPC)/)
      expect(told).toContain('make space on the disk')
      log.count('disk full')

      rmSync(filler)
      victim.start()
      await voting()
      await settle()
    },
    TEST_TIMEOUT_MS,
  )

  it.skipIf(!hasPrlimit())(
    'stops when a file may not grow, says so, and goes on when it may',
    async () => {
      const { fleet, network, log } = world()
      const victim = fleet.validator(VICTIM)
      await victim.stop()
      const largest = Math.max(
        ...filesUnder(join(victim.home, 'node')).map((f) => statSync(f).size),
      )
      victim.start(['prlimit', `--fsize=${largest + 32 * 1024}`, ...network.launcher(VICTIM)])
      const told = await endsUnderLoad()
      expect(told).toMatch(/nothing more can be stored: .*(?:File too large|EFBIG)/)
      log.count('file size limit reached')

      victim.start()
      await voting()
      await settle()
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'refuses a journal that is damaged in the middle, and says which and what to do',
    async () => {
      const { fleet, load, log } = world()
      const victim = fleet.validator(VICTIM)
      for (let payment = 0; payment < 3; payment++) await load.pay()
      await victim.kill()
      const journal = journalOf(victim.home)
      const bytes = readFileSync(journal)
      const damaged = Uint8Array.from(bytes)
      const middle = Math.floor(bytes.length / 2)
      damaged[middle] = (damaged[middle] ?? 0) ^ 0x01
      writeFileSync(journal, damaged)
      for (let attempt = 0; attempt < 2; attempt++) {
        victim.start()
        expect(await victim.process().ended).toBe(1)
      }
      const told = victim.process().log()
      expect(told).toContain(journal)
      expect(told).toContain('is damaged at byte')
      expect(told).toContain('do not just delete it')
      // It has not been touched.
      expect(Uint8Array.from(readFileSync(journal))).toEqual(damaged)
      log.count('journal damaged in the middle')

      writeFileSync(journal, bytes)
      victim.start()
      await voting()
      await settle()
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'goes on from a journal whose last record a crash has torn',
    async () => {
      const { fleet, log } = world()
      const victim = fleet.validator(VICTIM)
      await victim.kill()
      const journal = journalOf(victim.home)
      // The beginning of a frame: header of the file, then a frame that is cut short.
      appendFileSync(journal, readFileSync(journal).subarray(8, 8 + 40))
      victim.start()
      await voting()
      await victim.kill()
      appendFileSync(journal, new Uint8Array(4_096))
      victim.start()
      await voting()
      log.count('torn tail of a journal', 2)
      await settle()
    },
    TEST_TIMEOUT_MS,
  )

  it(
    'refuses to start where another process runs, which is not disturbed',
    async () => {
      const { fleet, log } = world()
      const victim = fleet.validator(VICTIM)
      const logFile = join(fleet.folder, 'second.log')
      const second = startNodeProcess({ name: 'second', home: victim.home, logFile })
      expect(await second.ended).toBe(1)
      expect(second.log()).toContain(
        `process ${victim.process().pid ?? 0} is using the data directory`,
      )
      expect(victim.process().isRunning()).toBe(true)
      log.count('second process in one data directory')
      await voting()
      await settle()
    },
    TEST_TIMEOUT_MS,
  )

  /** Payments until the victim ends by itself; returns the last that it said. */
  async function endsUnderLoad(): Promise<string> {
    const { fleet, load } = world()
    const running = fleet.validator(VICTIM).process()
    const before = running.log().length
    let isOver = false
    const ended = running.ended.finally(() => {
      isOver = true
    })
    await eventually('the victim to end', async () => {
      await load.pay(fleet.validator(0))
      return isOver
    })
    expect(await ended).toBe(1)
    return running.log().slice(before)
  }

  /** The victim has caught up and signs. */
  async function voting(): Promise<void> {
    const { fleet, load } = world()
    const { height } = await fleet.validator(0).client.status()
    await votesAbove(fleet, VICTIM, height, () => load.pay(fleet.validator(0)))
  }

  async function settle(): Promise<void> {
    const { fleet, load } = world()
    await expectAgreement(fleet)
    await expectAllKept(fleet.validators, load.final)
    expectNoDoubleVotes(fleet, OTHERS)
  }
})

const journalOf = (home: string): string =>
  join(homePaths(join(home, 'node')).journal, 'consensus.log')

function filesUnder(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/** Puts a file system of its own in a folder's place, with the same content. */
function moveToSmallDisk(folder: string): void {
  const aside = `${folder}.aside`
  cpSync(folder, aside, { recursive: true, preserveTimestamps: true })
  mount(folder)
  cpSync(aside, folder, { recursive: true, preserveTimestamps: true })
  rmSync(aside, { recursive: true })
}

function mount(folder: string): void {
  const options = `size=${SMALL_DISK_BYTES},mode=700`
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' })
}

/** Takes all the space that is left. */
function fill(folder: string, filler: string): void {
  const { bavail, bsize } = statfsSync(folder)
  const block = new Uint8Array(bsize)
  for (let left = bavail; left > 0; left--) appendFileSync(filler, block)
}

function canMount(): boolean {
  const probe = join(process.env['TMPDIR'] ?? '/tmp', `causeway-mount-${process.pid}`)
  try {
    mkdirSync(probe)
    try {
      mount(probe)
      execFileSync('umount', [probe], { stdio: 'ignore' })
      return true
    } finally {
      rmSync(probe, { recursive: true })
    }
  } catch {
    return false
  }
}

function hasPrlimit(): boolean {
  try {
    execFileSync('prlimit', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
