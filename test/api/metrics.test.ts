import { describe, expect, it } from 'vitest'
import { apiFixture } from '../support/api-fixture.ts'
import { storyChain } from '../support/chain-fixture.ts'

/** Samples by name and labels; every line that is none must introduce one. */
function samplesIn(text: string): Map<string, number> {
  const samples = new Map<string, number>()
  let metric = ''
  for (const line of text.trimEnd().split('\n')) {
    const help = /^# HELP (causeway_[a-z0-9_]+) .+$/.exec(line)
    if (help !== null) {
      metric = help[1] ?? ''
      continue
    }
    if (line.startsWith('#')) {
      expect(line).toMatch(new RegExp(`^# TYPE ${metric} (?:gauge|counter)$`))
      continue
    }
    const sample =
      /^([a-z0-9_]+)((?:\{[a-z]+="[\w-]+"(?:,[a-z]+="[\w-]+")*\})?) (\d+(?:\.\d+)?)$/.exec(line)
    expect(sample, line).not.toBeNull()
    expect(sample?.[1]).toBe(metric)
    samples.set(`${sample?.[1]}${sample?.[2]}`, Number(sample?.[3]))
  }
  return samples
}

describe('/metrics', () => {
  it('says in Prometheus’ format what the status says', async () => {
    const { chain } = storyChain()
    const response = await apiFixture(chain).get('/metrics')
    expect(response.status).toBe(200)
    expect(response.headers.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(response.headers.get('Cache-Control')).toBe('no-store')
    const samples = samplesIn(await response.text())
    const said = (name: string): number | undefined => samples.get(`causeway_${name}`)
    expect(said('height')).toBe(3)
    expect(said('agreement_height')).toBe(4)
    expect(said('agreement_view')).toBe(2)
    expect(said('halted')).toBe(0)
    expect(said('synced')).toBe(1)
    expect(said('peers')).toBe(3)
    expect(said('mempool_transactions')).toBe(1)
    expect(said('validator_connected{validator="3"}')).toBe(0)
    expect(said('validator_offences_total{validator="1"}')).toBe(0)
    expect(said('validator_offences_total{validator="2"}')).toBe(1)
    expect(said(`member_faults_total{member="${'ab'.repeat(32)}",kind="bad-share"}`)).toBe(2)
    expect(said('peg_reserves_satoshis')).toBe(100_000)
    expect(said('peg_recovery_opens_l1_height')).toBe(4_440)
    expect(said('peg_recovery_blocks_left')).toBe(4_309)
    expect(said('l1_state{state="ok"}')).toBe(1)
    expect(said('l1_state{state="forked"}')).toBe(0)
    expect(said('peg_state{state="open"}')).toBe(1)
    expect(said('peg_state{state="frozen"}')).toBe(0)
    expect(said('peg_frozen')).toBe(1)
    expect(said('peg_freeze_votes')).toBe(3)
    expect(said('peg_outflow_cap_satoshis')).toBe(20_000)
    expect(said('peg_outflow_used_satoshis')).toBe(15_000)
    expect(said('peg_waiting_releases')).toBe(1)
    expect(said('network_trusted_peers')).toBe(2)
    expect(said('network_gossip_over_rate_total')).toBe(7)
  })
})
