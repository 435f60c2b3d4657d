// What Blockscout asks a node, in its variants for geth and for Erigon: both tell the same internal transactions.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { startNode } from '../lib/node.mjs'
import { client } from '../lib/rpc.mjs'
import { deploy, fill, senders } from './chain.mjs'

let node, rpc, head
before(async () => {
  node = await startNode()
  rpc = client(node.url)
  await fill(node.url, await deploy(node.url), 4, 0)
  head = await rpc('eth_blockNumber')
})
after(async () => assert.equal((await node?.stop())?.code, 0))

/** Frames of the call tracer as one list of calls and creations. */
const flat = ({ type, from, to, value, calls = [] }) =>
  [{ type, from, to, value: BigInt(value ?? 0) }, ...calls.flatMap(flat)]

/** Frames of Parity's traces in the same form. */
const same = ({ type, action, result }) => ({
  type: type === 'create' ? action.creationMethod.toUpperCase() : action.callType.toUpperCase(),
  from: action.from, to: type === 'create' ? result.address : action.to, value: BigInt(action.value)
})

test('both variants tell the same internal transactions', async () => {
  for (let number = 1; number <= Number(head); number++) {
    const tag = `0x${number.toString(16)}`
    const geth = await rpc('debug_traceBlockByNumber', tag, { tracer: 'callTracer' })
    const block = await rpc('eth_getBlockByNumber', tag, true)
    assert.deepEqual(geth.map(({ txHash }) => txHash), block.transactions.map(({ hash }) => hash))
    const replayed = await rpc('trace_replayBlockTransactions', tag, ['trace'])
    const traced = await rpc('trace_block', tag)
    for (const [index, { result, txHash }] of geth.entries()) {
      const alone = await rpc('debug_traceTransaction', txHash, { tracer: 'callTracer' })
      assert.deepEqual(alone, result)
      assert.equal(replayed[index].transactionHash, txHash)
      assert.deepEqual(replayed[index].trace.map(same), flat(result))
      const frames = traced.filter(({ transactionHash }) => transactionHash === txHash)
      assert.deepEqual(frames.map(same), flat(result))
    }
    // Since the merge a block creates no money.
    assert.ok(traced.every(({ type }) => type !== 'reward'))
  }
})

test('blocks, transactions, receipts, uncles and logs are there by all names', async () => {
  const block = await rpc('eth_getBlockByNumber', head, true)
  assert.deepEqual(await rpc('eth_getBlockByHash', block.hash, true), block)
  for (const [index, transaction] of block.transactions.entries()) {
    const place = `0x${index.toString(16)}`
    assert.deepEqual(await rpc('eth_getTransactionByHash', transaction.hash), transaction)
    assert.deepEqual(await rpc('eth_getTransactionByBlockHashAndIndex', block.hash, place), transaction)
    assert.deepEqual(await rpc('eth_getTransactionByBlockNumberAndIndex', head, place), transaction)
    assert.equal((await rpc('eth_getTransactionReceipt', transaction.hash)).blockHash, block.hash)
  }
  assert.equal(await rpc('eth_getUncleByBlockHashAndIndex', block.hash, '0x0'), null)
  assert.ok(Array.isArray(await rpc('eth_getLogs', { fromBlock: '0x0', toBlock: 'latest' })))
  assert.equal(typeof await rpc('eth_call', { to: senders[0] }, 'latest'), 'string')
  assert.equal(typeof await rpc('eth_getBalance', senders[0], head), 'string')
  assert.equal(await rpc('eth_getCode', senders[0], head), '0x')
})

test('what waits is in the content of the pool', async () => {
  await rpc('evm_setAutomine', false)
  const hash = await rpc('eth_sendTransaction', { from: senders[0], to: senders[1], value: '0x1' })
  const { pending } = await rpc('txpool_content')
  const queues = Object.values(pending).flatMap((queue) => Object.values(queue))
  assert.deepEqual(queues.map((transaction) => transaction.hash), [hash])
  assert.equal(queues[0].from, senders[0])
})
