/**
 * What a block changed in the peg as a whole, for the event stream: a freeze or its end, and another key
 * with its members. Found by comparing with what was so before, since the blocks do not say it.
 */

import type { NodeFacadeEvent } from '../../api/ports.ts'
import { isFrozen } from '../../chain/peg/freeze.ts'
import { activeKeyEpoch } from '../../chain/peg/key-epochs.ts'
import type { ChainService } from '../../node/chain-service.ts'
import { bytesToHex } from '../../primitives/bytes.ts'

type PegNews = Extract<NodeFacadeEvent, { readonly kind: 'freeze' | 'key-epoch' }>

/** Of the blocks from now on. */
export interface PegNewsReports {
  /** Called once for each block, in order. */
  newsAt(height: number): readonly PegNews[]
}

export function createPegNewsReports(chain: Pick<ChainService, 'state'>): PegNewsReports {
  let frozen = isFrozen(chain.state().view)
  let epoch = activeKeyEpoch(chain.state().view)?.epoch
  return {
    newsAt(height) {
      const { view } = chain.state()
      const news: PegNews[] = []
      if (isFrozen(view) !== frozen) {
        frozen = !frozen
        news.push({ kind: 'freeze', freeze: { frozen, height } })
      }
      const key = activeKeyEpoch(view)
      if (key !== undefined && key.epoch !== epoch) {
        epoch = key.epoch
        const { threshold, memberSignatures } = key
        const groupKey = bytesToHex(key.groupKey)
        const members = memberSignatures.length
        news.push({ kind: 'key-epoch', keyEpoch: { epoch, groupKey, threshold, members, height } })
      }
      return news
    },
  }
}
