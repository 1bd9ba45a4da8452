import { describe, expect, it } from 'vitest'
import { transactionId } from '../../../src/bitcoin/transaction.ts'
import { EMPTY_L1_SECTION } from '../../../src/chain/l1-section.ts'
import { findMemberSet, getEpochBooks, pendingMemberSet } from '../../../src/chain/member-sets.ts'
import { currentVersion, findBatch, openBatches } from '../../../src/chain/peg/batches.ts'
import { getPegBooks } from '../../../src/chain/peg/books.ts'
import { CHANGE_RECIPIENT } from '../../../src/chain/peg/deposit-address.ts'
import { activeKeyEpoch, depositScriptOf } from '../../../src/chain/peg/key-epochs.ts'
import { KEY_PROBE_SATS } from '../../../src/chain/peg/key-probe.ts'
import { reserveCoins } from '../../../src/chain/peg/reserves.ts'
import { currentValidators, hashOfSet } from '../../../src/chain/validators.ts'
import { sats } from '../../../src/primitives/units.ts'
import { anL1Payment, aUser, testParams } from '../../support/chain-world.ts'
import { ChangingChain } from '../../support/changing-chain.ts'
import { aMemberChange, type Crew, keyOfCrew, setOfCrew } from '../../support/member-changes.ts'

const params = testParams()
const founders: Crew = { epoch: 0, threshold: 3, members: [0, 1, 2, 3] }
const five: Crew = { epoch: 1, threshold: 3, members: [0, 1, 2, 3, 4] }
const replaced: Crew = { epoch: 2, threshold: 3, members: [0, 1, 2, 4, 5] }
const TIMEOUT = params.peg.keyProbeTimeoutL1Blocks

function announced(): ChangingChain {
  const world = new ChangingChain(params)
  for (let i = 0; i < 3; i++) world.release()
  world.announce(founders, five)
  return world
}

const changeScript = (crew: Crew): Uint8Array =>
  depositScriptOf(params, keyOfCrew(params, crew), CHANGE_RECIPIENT)

describe('a new key', () => {
  it('proves itself by spending a small coin, and is active from that block on', () => {
    const world = announced()
    const { chain } = world
    const before = getPegBooks(chain.state.view).totals
    const probe = world.open('probe')!
    const [first, second] = currentVersion(probe).transaction.outputs
    expect(first).toEqual({ value: KEY_PROBE_SATS, script: changeScript(five) })
    expect(second?.script).toEqual(changeScript(founders))
    world.confirm(probe)
    expect(currentValidators(chain.state.view)).toEqual(setOfCrew(founders))
    const coins = [...reserveCoins(chain.state.view)].filter(({ keyEpoch }) => keyEpoch === 1)
    expect(coins.map(({ value }) => value)).toEqual([KEY_PROBE_SATS])

    const proof = world.open('proof')!
    expect(proof).toMatchObject({ keyEpoch: 1, changeKeyEpoch: 1, releaseIds: [] })
    expect(currentVersion(proof).transaction.inputs.map(({ prevout }) => prevout)).toEqual([
      coins[0]?.outPoint,
    ])
    const last = world.confirm(proof)
    const { view } = chain.state
    expect(last.extension.nextValidatorSetHash).toBe(hashOfSet(setOfCrew(five)))
    expect(activeKeyEpoch(view)?.epoch).toBe(1)
    expect(findMemberSet(view, 0)?.status).toBe('retired')
    expect(findMemberSet(view, 1)).toMatchObject({ status: 'active', previousEpoch: 0 })
    const { totals } = getPegBooks(view)
    const fees = currentVersion(probe).fee + currentVersion(proof).fee
    // The old key's coins are swept at once.
    const sweep = currentVersion(world.open('upkeep')!).fee
    expect(totals).toMatchObject({ supply: before.supply, inFlightFees: sweep })
    expect(totals.feeReserve).toBe(before.feeReserve + currentVersion(probe).fee - fees - sweep)
  })

  it('costs the fee reserve alone, and waits without time running until that and a coin suffice', () => {
    const world = new ChangingChain(params)
    world.announce(founders, five)
    expect(world.open('probe')).toBeUndefined()
    for (let i = 0; i <= TIMEOUT; i++) world.l1.mine()
    world.extend()
    expect(pendingMemberSet(world.chain.state.view)).toMatchObject({
      status: 'announced',
      probeL1Height: 0,
    })
    while (world.open('probe') === undefined) world.release()
    world.confirm(world.open('probe'))
    world.confirm(world.open('proof'))
    expect(currentValidators(world.chain.state.view)).toEqual(setOfCrew(five))
  })

  it('that does not prove itself in time is given up, and the old one goes on', () => {
    const world = announced()
    world.confirm(world.open('probe'))
    const proof = world.open('proof')
    for (let i = 0; i < TIMEOUT; i++) world.l1.mine()
    world.extend()
    const { chain } = world
    expect(findMemberSet(chain.state.view, 1)?.status).toBe('abandoned')
    expect(activeKeyEpoch(chain.state.view)?.epoch).toBe(0)
    // Late, it is a batch like any other.
    const block = world.confirm(proof)
    expect(block.extension.nextValidatorSetHash).toBe(block.extension.validatorSetHash)
    expect(getEpochBooks(chain.state.view)).toEqual({
      validators: 0,
      key: 0,
      pending: undefined,
      next: 2,
    })
    world.release()
  })

  it('that another change replaces does not come back with its proof', () => {
    const world = announced()
    world.confirm(world.open('probe'))
    const proof = world.open('proof')
    world.announce(founders, replaced)
    world.confirm(proof)
    expect(activeKeyEpoch(world.chain.state.view)?.epoch).toBe(0)
    expect(pendingMemberSet(world.chain.state.view)?.epoch).toBe(2)
    // In the same block the change comes first.
    const other = announced()
    other.confirm(other.open('probe'))
    const transaction = currentVersion(other.open('proof')!).transaction
    other.l1.mine([transaction])
    other.extend({
      memberChanges: [aMemberChange(params, founders, replaced)],
      confirmations: [other.l1.prove(transactionId(transaction))],
    })
    expect(pendingMemberSet(other.chain.state.view)).toMatchObject({ epoch: 2, status: 'pending' })
    expect(currentValidators(other.chain.state.view).epoch).toBe(0)
  })

  it('has a probe and a proof that are never replaced, and a coin that nothing else spends', () => {
    const world = announced()
    const { chain, l1 } = world
    const wait = (): void => {
      for (let i = 0; i < params.peg.bumpAfterL1Blocks + 1; i++) l1.mine()
      world.feeRate = Math.min(world.feeRate * 2, params.peg.feeRateCeiling)
      world.extend()
      world.extend()
    }
    wait()
    wait()
    expect(world.open('probe')?.versions).toHaveLength(1)
    world.confirm(world.open('probe'))
    wait()
    wait()
    expect(world.open('proof')?.versions).toHaveLength(1)
    const spending = [...openBatches(chain.state.view)].filter(({ keyEpoch }) => keyEpoch === 1)
    expect(spending.map(({ kind }) => kind)).toEqual(['proof'])
  })

  it('finds the fee of its proof in the reserve, though fees rise and other batches want all of it', () => {
    // Enough for several coins: a payment and the probe are under way together.
    const world = new ChangingChain(params, 100_000_000n)
    for (let i = 0; i < 3; i++) world.release()
    world.burn()
    world.announce(founders, five)
    const probe = world.open('probe')!
    const payment = world.open('payment')!
    for (let i = 0; i <= params.peg.bumpAfterL1Blocks; i++) world.l1.mine()
    world.feeRate = params.peg.feeRateCeiling
    world.extend()
    const dearer = findBatch(world.chain.state.view, payment.id)!
    expect(dearer.versions).toHaveLength(2)
    world.confirm(dearer)
    world.confirm(probe)
    expect(world.open('proof')).toBeDefined()
  })

  it('takes no gifts before it is proved, and pays nobody when it was given up', () => {
    const world = announced()
    const { chain, l1 } = world
    const gift = anL1Payment('gift', [{ value: sats(50_000n), script: changeScript(five) }])
    l1.mine([gift])
    const claims = [{ vout: 0, keyEpoch: 1, recipient: CHANGE_RECIPIENT }]
    const headers = chain.headersTo(l1)
    const deposits = [{ ...l1.prove(transactionId(gift)), claims }]
    const built = chain.build({ l1Section: { ...EMPTY_L1_SECTION, headers, deposits } })
    expect(built.ok).toBe(false)
    // Its coin may be swept, if its members still sign; no release must wait for that.
    world.confirm(world.open('probe'))
    const proof = world.open('proof')
    for (let i = 0; i < TIMEOUT; i++) l1.mine()
    world.extend()
    world.confirm(proof)
    world.release()
    const ofIt = [...openBatches(chain.state.view)].filter(({ keyEpoch }) => keyEpoch === 1)
    expect(ofIt.filter(({ kind }) => kind === 'payment')).toEqual([])
  })

  it('mints nothing and pays nobody before it is proved', () => {
    const world = announced()
    const recipient = aUser('alice').script
    const script = depositScriptOf(params, keyOfCrew(params, five), recipient)
    const deposit = anL1Payment('early', [{ value: sats(500_000n), script }])
    world.l1.mine([deposit])
    const claim = () => ({
      deposits: [
        {
          ...world.l1.prove(transactionId(deposit)),
          claims: [{ vout: 0, keyEpoch: 1, recipient }],
        },
      ],
    })
    const headers = world.chain.headersTo(world.l1)
    const early = world.chain.build({ l1Section: { ...EMPTY_L1_SECTION, headers, ...claim() } })
    expect(early).toMatchObject({ error: { code: 'deposit-key-epoch' } })
    world.confirm(world.open('probe'))
    world.release()
    world.confirm(world.open('proof'))
    // The address was good all the same.
    world.extend(claim())
    world.release()
  })

  it('takes over again and again, and each epoch’s own members hand over', () => {
    const world = new ChangingChain(params)
    world.change(founders, five)
    world.release()
    const last = world.change(five, replaced)
    expect(last.extension.nextValidatorSetHash).toBe(hashOfSet(setOfCrew(replaced)))
    world.release()
    expect(activeKeyEpoch(world.chain.state.view)?.epoch).toBe(2)
  })
})
