// Many upkeeps due at once share transactions: each is performed, charged and told as if it were alone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeAbiParameters, encodeFunctionData, parseEther, parseEventLogs, toHex } from 'viem'
import { accounts, REGISTRY } from '../lib/accounts.mjs'
import { artifact, runCommand, startNode, temporaryFolder } from '../lib/node.mjs'
import { client, receiptOf } from '../lib/rpc.mjs'

const registry = artifact('Registry')
const heartbeat = artifact('Heartbeat')
const UPKEEPS = 20
const PREMIUM = 12n

test('twenty upkeeps and one keeper account: few transactions, exact charges, an honest record, no loss by kill -9', async () => {
  const datadir = temporaryFolder('bundles')
  const args = ['--keeper.lanes', '1']
  let node = await startNode({ datadir, args })
  let rpc = client(node.url)
  const from = accounts[1].address
  const send = async (transaction) => {
    const receipt = await receiptOf(node.url, await rpc('eth_sendTransaction', { from, ...transaction }))
    assert.equal(receipt.status, '0x1')
    return receipt
  }
  const registered = async (target, config) => {
    const { logs } = await send({ to: REGISTRY, data: encodeFunctionData({ abi: registry.abi, functionName: 'registerUpkeep',
      args: [target, 200_000, from, 2, '0x', config, '0x'] }) })
    const { id } = parseEventLogs({ abi: registry.abi, logs, eventName: 'UpkeepRegistered' })[0].args
    await send({ to: REGISTRY, value: toHex(parseEther('1')), data: encodeFunctionData({
      abi: registry.abi, functionName: 'addFunds', args: [id, parseEther('1')] }) })
    return id
  }
  const everyBlock = encodeAbiParameters([{ type: 'uint64' }, { type: 'uint64' }], [1n, 0n])
  const beats = []
  for (let index = 0; index < UPKEEPS; index++) {
    const { contractAddress } = await send({ data: heartbeat.bytecode })
    beats.push({ target: contractAddress, id: await registered(contractAddress, everyBlock) })
  }
  const first = Number(await rpc('eth_blockNumber')) + 1
  for (let block = 0; block < 5; block++) await rpc('evm_mine')
  const last = first + 4

  const bundlesOf = async (number) => {
    const logs = parseEventLogs({ abi: registry.abi, eventName: 'UpkeepPerformed',
      logs: await rpc('eth_getLogs', { address: REGISTRY, fromBlock: toHex(number), toBlock: toHex(number) }) })
    const byTransaction = new Map()
    for (const log of logs) byTransaction.set(log.transactionHash, [...byTransaction.get(log.transactionHash) ?? [], log.args])
    return byTransaction
  }
  for (let number = first; number <= last; number++) {
    const bundles = await bundlesOf(number)
    const performs = [...bundles.values()].flat()
    assert.deepEqual(new Set(performs.map(({ id }) => id)), new Set(beats.map(({ id }) => id)), `block ${number}`)
    assert.equal(performs.length, UPKEEPS, 'each once')
    assert.ok(performs.every(({ success }) => success))
    assert.equal(bundles.size, 2, 'ten to a transaction')
    for (const [hash, told] of bundles) {
      const receipt = await rpc('eth_getTransactionReceipt', hash)
      const gas = told.reduce((sum, { gasUsed, gasOverhead }) => sum + gasUsed + gasOverhead, 0n)
      assert.equal(gas, BigInt(receipt.gasUsed), 'all of the gas is charged, and no more')
      for (const { gasUsed, gasOverhead, totalPayment } of told) {
        assert.equal(totalPayment, (gasUsed + gasOverhead) * BigInt(receipt.effectiveGasPrice) * PREMIUM / 10n)
      }
      for (const { id, totalPayment } of told) {
        const [decision] = await rpc('keeper_history', toHex(id, { size: 32 }), toHex(number), toHex(number))
        assert.deepEqual([decision.outcome, decision.tx, BigInt(decision.payment)], ['performed', hash, totalPayment])
      }
    }
  }

  // One that cannot be performed any more harms none of its neighbours.
  await send({ to: REGISTRY, data: encodeFunctionData({ abi: registry.abi, functionName: 'pauseUpkeep', args: [beats[3].id] }) })
  await rpc('evm_mine')
  const after = [...(await bundlesOf(Number(await rpc('eth_blockNumber')))).values()].flat()
  assert.equal(after.length, UPKEEPS - 1)

  const audit = await runCommand(['keeper', 'audit', '--from', '1', '--rpc', node.url])
  assert.equal(audit.code, 0, audit.stdout + audit.stderr)

  const counts = async () => Promise.all(beats.map(async ({ target }) =>
    BigInt(await rpc('eth_call', { to: target, data: encodeFunctionData({ abi: heartbeat.abi, functionName: 'beats' }) }, 'latest'))))
  const before = await counts()
  const head = await rpc('eth_blockNumber')
  await node.kill()
  node = await startNode({ datadir, args })
  rpc = client(node.url)
  assert.ok(BigInt(await rpc('eth_blockNumber')) >= BigInt(head))
  await rpc('evm_mine')
  const grown = (await counts()).map((count, index) => count - before[index])
  assert.equal(grown[3], 0n, 'it is still paused')
  assert.ok(grown.every((more, index) => index === 3 || more >= 1n), `${grown}`)
  assert.equal((await node.stop()).code, 0)
})
