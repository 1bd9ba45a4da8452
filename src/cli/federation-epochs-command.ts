/** `causeway federation epochs`: who are the members, who are to be, and what is left of earlier keys. */

import type { Command } from 'commander'
import type { z } from 'zod'
import type { CliIo } from './cli-io.ts'
import { type CommandCall, handle } from './command-context.ts'
import type { federationAnswer } from './node-answers.ts'
import { btc, table } from './output.ts'

export function addEpochsCommand(federation: Command, io: CliIo): void {
  const epochs = federation
    .command('epochs')
    .description('the members and keys of each epoch, and the change under way')
  handle(epochs, io, showEpochs)
}

type FederationAnswer = z.infer<typeof federationAnswer>

async function showEpochs({ context }: CommandCall): Promise<void> {
  const answer = await context.node.federation()
  const { epoch, keyEpochs } = answer
  context.output.result(answer, () => {
    const rows = keyEpochs.map((each) => [
      String(each.epoch),
      each.epoch === epoch ? `${each.state} (validators)` : each.state,
      `${each.threshold} of ${each.members.length}`,
      each.activatedHeight === null ? '-' : String(each.activatedHeight),
      String(each.coins),
      btc(each.coinsSats),
    ])
    return [
      rows.length === 0
        ? 'no key yet'
        : table(['EPOCH', 'STATE', 'SIGN', 'SINCE HEIGHT', 'COINS', 'AMOUNT'], rows),
      ...describeChange(answer),
    ].join('\n')
  })
}

/** The change under way with an empty line before it; nothing when there is none. */
export function describeChange({
  waitingChange,
  pending,
}: Pick<FederationAnswer, 'waitingChange' | 'pending'>): readonly string[] {
  return [
    ...(waitingChange === null
      ? []
      : ['', `a change to epoch ${waitingChange.epoch} is approved and waits for a block`]),
    ...(pending === null ? [] : ['', ...describePending(pending)]),
  ]
}

function describePending(pending: NonNullable<FederationAnswer['pending']>): readonly string[] {
  const { epoch, members, threshold, stage, keyGeneration, probeL1Height } = pending
  const lines = [`epoch ${epoch}: ${members.length} members are to take over, ${threshold} sign`]
  if (stage === 'funding')
    lines.push('its key is made, and waits for a coin and a fee reserve to prove itself with')
  if (stage === 'probe') {
    lines.push(`its key proves itself with a coin on L1, since L1 height ${probeL1Height}`)
  }
  if (stage !== 'key-generation') return lines
  const away = members.filter(({ online }) => !online).map(({ publicKey }) => publicKey)
  const waiting = keyGeneration?.waitingFor.map((index) => members[index]?.publicKey ?? '')
  lines.push(
    keyGeneration === null
      ? 'its members make their key'
      : `its members make their key: attempt ${keyGeneration.attempt}, ${keyGeneration.phase}`,
  )
  for (const key of waiting ?? away) lines.push(`  waiting for ${key}`)
  return lines
}
