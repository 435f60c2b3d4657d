// Logs that upkeeps wait with are not lost, and none is performed twice, when the node is killed or the chain goes back.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeFunctionResult, encodeAbiParameters, encodeFunctionData, parseEther, parseEventLogs, toEventSelector, toHex, zeroHash } from 'viem'
import { accounts, REGISTRY } from '../lib/accounts.mjs'
import { artifact, runCommand, startNode, temporaryFolder } from '../lib/node.mjs'
import { client, receiptOf, until } from '../lib/rpc.mjs'

const [sender] = accounts
const registry = artifact('Registry')
const ear = artifact('Ear')

/** What a test does with one node. */
function hand(url) {
  const rpc = client(url)
  const send = async (to, abi, functionName, args, value = 0n) => {
    const data = encodeFunctionData({ abi, functionName, args })
    const receipt = await receiptOf(url, await rpc('eth_sendTransaction', { from: sender.address, to, data, value: toHex(value) }))
    assert.equal(receipt.status, '0x1')
    return receipt
  }
  return {
    rpc,
    ring: (target, word) => send(target, ear.abi, 'ring', [1n, word, 1n]),
    fund: (id) => send(REGISTRY, registry.abi, 'addFunds', [id, parseEther('1')], parseEther('1')),
    async listener(type) {
      const target = (await receiptOf(url, await rpc('eth_sendTransaction', { from: sender.address, data: ear.bytecode }))).contractAddress
      const config = encodeAbiParameters(['address', 'uint8', 'bytes32', 'bytes32', 'bytes32', 'bytes32'].map((kind) => ({ type: kind })),
        [target, 0, toEventSelector('Rang(address,uint256,uint256)'), zeroHash, zeroHash, zeroHash])
      const { logs } = await send(REGISTRY, registry.abi, 'registerUpkeep', [target, 500_000, sender.address, type, '0x', config, '0x'])
      return { target, id: parseEventLogs({ abi: registry.abi, logs, eventName: 'UpkeepRegistered' })[0].args.id }
    },
    async heard(target) {
      const data = await rpc('eth_call', { to: target, data: encodeFunctionData({ abi: ear.abi, functionName: 'heard' }) }, 'latest')
      return decodeFunctionResult({ abi: ear.abi, functionName: 'heard', data }).map((log) => Number(BigInt(log.data)))
    }
  }
}

for (const [name, type] of [['of earlier blocks', 1], ['of the same block', 5]]) {
  test(`logs ${name} that wait for money survive kill -9, and each is performed once`, async () => {
    const datadir = temporaryFolder('logs')
    let node = await startNode({ datadir })
    let { ring, listener, rpc } = hand(node.url)
    const { target, id } = await listener(type)
    for (const word of [11n, 12n, 13n]) await ring(target, word)
    await rpc('hardhat_mine', '0x3')
    const waiting = async (url) => (await client(url)('keeper_stats')).logsWaiting
    await until('three logs', async () => await waiting(node.url) === 3)
    for (let kill = 0; kill < 2; kill++) {
      assert.deepEqual(await node.kill(), { code: null, signal: 'SIGKILL' })
      node = await startNode({ datadir })
      assert.equal(await waiting(node.url), 3)
      await client(node.url)('hardhat_mine', '0x2')
    }
    let { fund, heard } = hand(node.url)
    await fund(id)
    await until('all of them', async () => (await heard(target)).length === 3)
    assert.deepEqual(await node.kill(), { code: null, signal: 'SIGKILL' })
    node = await startNode({ datadir })
    await client(node.url)('hardhat_mine', '0x3')
    assert.deepEqual(await hand(node.url).heard(target), [11, 12, 13])
    const { code, stdout, stderr } = await runCommand(['keeper', 'audit', '--from', '1', '--rpc', node.url], { env: process.env })
    assert.equal(code, 0, stdout + stderr)
    assert.equal((await node.stop()).code, 0)
  })
}

test('what a stranger sends in the shape of a perform is no perform, also after kill -9 in its block', async () => {
  const datadir = temporaryFolder('logs')
  const args = ['--block-time', '3s', '--tick', '100ms']
  let node = await startNode({ datadir, args })
  const { rpc, listener } = hand(node.url)
  const { id } = await listener(5)
  const trigger = encodeAbiParameters(['bytes32', 'bytes32', 'uint32', 'uint32', 'bytes32'].map((kind) => ({ type: kind })),
    [zeroHash, toHex(7, { size: 32 }), 77, 4_000_000_000, zeroHash])
  const data = encodeFunctionData({ abi: registry.abi, functionName: 'perform', args: [id, trigger, '0x'] })
  const hash = await rpc('eth_sendTransaction', { from: sender.address, to: REGISTRY, gas: toHex(300_000), data })
  await until('it stands in the open block', async () => (await rpc('eth_getBlockByNumber', 'pending', false)).transactions.includes(hash))
  const sealed = await rpc('eth_getTransactionReceipt', hash)
  assert.deepEqual(await node.kill(), { code: null, signal: 'SIGKILL' })
  for (let start = 0; start < 2; start++) {
    node = await startNode({ datadir, args })
    assert.equal((await receiptOf(node.url, hash)).status, '0x0')
    assert.equal((await client(node.url)('keeper_stats')).logsWaiting, 0)
    assert.equal((await node.stop()).code, 0)
  }
  assert.ok(sealed === null || sealed.status === '0x0')
})

test('when the chain goes back, a log is performed for where it stands again', async () => {
  const node = await startNode({ datadir: temporaryFolder('logs') })
  const { rpc, ring, listener, fund, heard } = hand(node.url)
  const { target, id } = await listener(1)
  await fund(id)
  const snapshot = await rpc('evm_snapshot')
  await ring(target, 21n)
  await until('a perform', async () => (await heard(target)).length === 1)
  await rpc('evm_revert', snapshot)
  assert.deepEqual(await heard(target), [])
  await ring(target, 22n)
  await until('a perform', async () => (await heard(target)).length === 1)
  await rpc('hardhat_mine', '0x3')
  assert.deepEqual(await heard(target), [22])
  assert.equal((await node.stop()).code, 0)
})
