import { afterEach, describe, expect, it } from 'vitest'
import { MAX_ANSWER_BYTES, MAX_QUESTION_BYTES } from '../../src/p2p/limits.ts'
import { RequestError } from '../../src/p2p/request-error.ts'
import type { Network } from '../../src/runtime/runtime.ts'
import { connect, Mailbox, NAMES, startBareNode, startNode, stopAll } from './nodes.ts'

afterEach(stopAll)

type Handler = (from: string, question: Uint8Array) => Promise<Uint8Array>

const QUESTION = Uint8Array.of(1, 2, 3)
const never: Handler = () => new Promise(() => {})

async function ask(handler: Handler | undefined): Promise<{ a: Network; b: Network }> {
  const a = await startNode(1, undefined, { limits: { requestsPerPeer: 2 } })
  const b = await startNode(2, (network) => {
    if (handler !== undefined) network.onRequest(handler)
  })
  await connect(a, b)
  return { a, b }
}

async function failure(request: Promise<Uint8Array>): Promise<string> {
  const error = await request.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  expect(error).toBeInstanceOf(RequestError)
  return (error as RequestError).failure
}

describe('a sync request', () => {
  it('gets its answer, again and again', async () => {
    const { a, b } = await ask(async (from, question) => {
      expect(from).toBe(a.peerId)
      return question.map((byte) => byte + 1)
    })
    for (let i = 0; i < 40; i++) {
      const answer = await a.request(b.peerId, Uint8Array.of(i, 2), 10_000)
      expect(answer).toEqual(Uint8Array.of(i + 1, 3))
    }
  })

  it('gets an empty answer, and one of 8 MiB', async () => {
    const { a, b } = await ask(async (_from, question) =>
      new Uint8Array(question[0] === 0 ? 0 : MAX_ANSWER_BYTES).fill(7),
    )
    expect(await a.request(b.peerId, Uint8Array.of(0), 10_000)).toHaveLength(0)
    const answer = await a.request(b.peerId, new Uint8Array(MAX_QUESTION_BYTES).fill(1), 10_000)
    expect(answer.length).toBe(MAX_ANSWER_BYTES)
    expect(answer.every((byte) => byte === 7)).toBe(true)
  })

  it('fails when the answer takes too long', async () => {
    const { a, b } = await ask(never)
    expect(await failure(a.request(b.peerId, QUESTION, 50))).toBe('timeout')
  })

  it.each<[string, Handler | undefined]>([
    ['there is no handler', undefined],
    ['the handler fails', () => Promise.reject(new RangeError('no such block'))],
    [
      'the handler throws at once',
      () => {
        throw new RangeError('a bug')
      },
    ],
    ['the answer is too long', async () => new Uint8Array(MAX_ANSWER_BYTES + 1)],
  ])('is refused when %s', async (_what, handler) => {
    const { a, b } = await ask(handler)
    expect(await failure(a.request(b.peerId, QUESTION, 10_000))).toBe('refused')
  })

  it('fails at once without a connection, or when too many are under way', async () => {
    const asked = new Mailbox<true>()
    const { a, b } = await ask(() => {
      asked.put(true)
      return new Promise(() => {})
    })
    expect(await failure(a.request('12D3KooWNobody', QUESTION, 10_000))).toBe('not-connected')
    const pending = [a.request(b.peerId, QUESTION, 60_000), a.request(b.peerId, QUESTION, 60_000)]
    expect(await failure(a.request(b.peerId, QUESTION, 60_000))).toBe('busy')
    await asked.next()
    await asked.next()
    await Promise.all([
      b.stop(),
      ...pending.map(async (request) => {
        expect(['not-connected', 'refused']).toContain(await failure(request))
      }),
    ])
  })

  it('is declined when the other side is busy', async () => {
    const asked = new Mailbox<true>()
    const a = await startNode(1)
    const b = await startNode(
      2,
      (network) =>
        network.onRequest(() => {
          asked.put(true)
          return new Promise(() => {})
        }),
      { limits: { requestsPerPeer: 1 } },
    )
    await connect(a, b)
    const first = a.request(b.peerId, QUESTION, 60_000)
    await asked.next()
    expect(await failure(a.request(b.peerId, QUESTION, 60_000))).not.toBe('timeout')
    await Promise.all([a.stop(), failure(first).then((why) => expect(why).toBe('stopped'))])
    expect(await failure(a.request(b.peerId, QUESTION, 60_000))).toBe('stopped')
  })

  it('fails on a malformed answer, and the peer is sent away', async () => {
    const bare = await startBareNode((node) =>
      node.handle(NAMES.sync, (stream) => {
        stream.send(new Uint8Array(4).fill(0xff))
      }),
    )
    const connected = new Mailbox<string>()
    const gone = new Mailbox<string>()
    const a = await startNode(1, (network) => {
      network.onPeerConnected(connected.put)
      network.onPeerDisconnected(gone.put)
    })
    a.keepConnected(bare.address)
    await connected.next()
    expect(await failure(a.request(bare.peerId, QUESTION, 10_000))).toBe('malformed')
    expect(await gone.next()).toBe(bare.peerId)
  })

  it('survives questions that are garbage', async () => {
    const gone = new Mailbox<string>()
    const { a, b } = await ask(async (_from, question) => question)
    b.onPeerDisconnected(gone.put)
    const bare = await startBareNode()
    const stream = await (await bare.dial(b)).newStream(NAMES.sync)
    stream.send(new Uint8Array(100).fill(0xee))
    expect(await gone.next()).toBe(bare.peerId)
    expect(await a.request(b.peerId, QUESTION, 10_000)).toEqual(QUESTION)
  })
})
