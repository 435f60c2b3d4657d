// Log upkeeps on the real node: served for every log once, in the next block or in the same, also over a kill -9.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { concat, encodeAbiParameters, keccak256, parseEther, parseEventLogs, toEventSelector, toHex } from 'viem'
import { REGISTRY, keyOf } from '../lib/accounts.mjs'
import { artifact, runCommand } from '../lib/node.mjs'
import { until } from '../lib/rpc.mjs'
import { cast } from '../lib/tools.mjs'
import { ADMIN, admin, deploy, head, hex, keeper, liar, mine, performs, read, registry, rpc, send, url } from '../lib/upkeeps.mjs'

const ear = artifact('Ear')
const EVENT = 'Rang(address,uint256,uint256)'
const bell = (number) => toHex(number, { size: 32 })
const heard = (address) => read(address, ear.abi, 'heard')
const words = async (address) => (await heard(address)).map(({ data }) => Number(data))
const logType = [{
  type: 'tuple',
  components: ear.abi.find(({ name }) => name === 'checkLog').inputs[0].components
}]

/** The key that the registry keeps for an upkeep and a log. */
const dedupKey = (id, { blockHash, txHash, index }) =>
  keccak256(concat([hex(id), blockHash, txHash, toHex(index, { size: 4 })]))

async function listen(target, ...options) {
  const id = (await keeper('register', target, '--log', target, '--event', EVENT, '--check-data', '0xc0de', '--fund', '1',
    '--dev-account', `${ADMIN}`, ...options)).stdout
  return BigInt(id)
}

const first = await head()

describe('a log upkeep', () => {
  let target, id

  test('is registered from the command line', async () => {
    target = await deploy('Ear')
    id = await listen(target, '--topic2', bell(7))
    const line = (await keeper('list')).stdout.split('\n').find((text) => text.includes(hex(id)))
    assert.match(line, / log /)
    assert.match((await keeper('debug', hex(id))).stdout, new RegExp(`log: of ${target} with topic0 ${toEventSelector(EVENT)}, topic2`, 'i'))
    assert.equal((await read(REGISTRY, registry.abi, 'getTriggerType', [id])), 1)
  })

  test('is performed in the next block with what the chain knows of the log', async () => {
    const receipt = await send(target, ear.abi, 'ring', [7n, 1n, 3n])
    const rang = Number(receipt.blockNumber)
    // No block has to be asked for: what waits makes one.
    const done = await until('three performs', async () => {
      const some = await performs(id, rang)
      return some.length === 3 && some
    })
    assert.ok(done.every(({ block, success }) => block === rang + 1 && success), JSON.stringify(done, (_, v) => `${v}`))
    const block = await rpc('eth_getBlockByHash', receipt.blockHash, false)
    const logs = await heard(target)
    for (const [place, log] of logs.entries()) {
      assert.deepEqual(
        { ...log, source: log.source.toLowerCase() },
        {
          index: BigInt(receipt.logs[place].logIndex), timestamp: BigInt(block.timestamp), txHash: receipt.transactionHash,
          blockNumber: BigInt(rang), blockHash: receipt.blockHash, source: target.toLowerCase(),
          topics: receipt.logs[place].topics, data: receipt.logs[place].data
        })
      assert.equal(await read(REGISTRY, registry.abi, 'hasDedupKey', [dedupKey(id, log)]), true)
    }
    assert.equal(await read(target, ear.abi, 'lastCheckData'), '0xc0de')
    const history = await rpc('keeper_history', hex(id), toHex(rang + 1), toHex(rang + 1))
    assert.deepEqual(history.map(({ log, outcome }) => [log.blockNumber, log.logIndex, outcome]),
      receipt.logs.map(({ logIndex }) => [rang, Number(logIndex), 'performed']))
    await mine(3)
    assert.equal((await performs(id, rang)).length, 3, 'each log once')
  })

  test('is not performed for what does not match or is not wanted', async () => {
    const from = await head()
    await send(target, ear.abi, 'ring', [8n, 1n, 2n])
    await send(target, ear.abi, 'ring', [7n, 5n, 1n])
    await mine(3)
    assert.equal((await performs(id, from)).length, 0)
  })

  test('can be asked about at past blocks, by the log', async () => {
    const [log] = await heard(target)
    const ask = (data) => read(REGISTRY, registry.abi.filter(({ name, inputs }) => name !== 'checkUpkeep' || inputs.length === 2),
      'checkUpkeep', [id, encodeAbiParameters(logType, [{ ...log, data }])], toHex(log.blockNumber))
    const [needed, performData, reason] = await ask(log.data)
    assert.deepEqual([needed, reason], [true, 0])
    assert.ok(performData.length > 2)
    assert.deepEqual((await ask(bell(5))).slice(0, 3), [false, '0x', 4])
  })

  test('waits with a log that it cannot take, and tells', async () => {
    await send(target, ear.abi, 'setDeaf', [true])
    const from = await head()
    await send(target, ear.abi, 'ring', [7n, 100n, 2n])
    await mine(2)
    const newest = await rpc('keeper_history', hex(id), toHex(await head()), toHex(await head()))
    assert.deepEqual(newest.map(({ outcome, reason }) => [outcome, reason]), Array(2).fill(['simulationReverted', 'it hears nothing']))
    assert.match((await keeper('debug', hex(id))).stdout, /the latest log that it wanted: due, but a perform would fail: it hears nothing/)
    await send(target, ear.abi, 'setDeaf', [false])
    await until('both', async () => (await performs(id, from)).length === 2)
    assert.deepEqual((await words(target)).slice(-2), [100, 101])
  })

  test('with an upkeep without money it says how much lacks, and none is lost', async () => {
    const poor = await deploy('Ear')
    const upkeep = BigInt((await keeper('register', poor, '--log', poor, '--event', EVENT, '--dev-account', `${ADMIN}`)).stdout)
    const from = await head()
    await send(poor, ear.abi, 'ring', [1n, 1n, 2n])
    await mine(2)
    const [one] = await rpc('keeper_history', hex(upkeep), toHex(await head()), toHex(await head()))
    assert.equal(one.outcome, 'underfunded')
    await keeper('fund', hex(upkeep), '1', '--dev-account', `${ADMIN}`)
    await until('both', async () => (await performs(upkeep, from)).length === 2)
  })

  test('in the same block where that is asked for', async () => {
    const near = await deploy('Ear')
    const upkeep = await listen(near, '--same-block')
    assert.equal((await read(REGISTRY, registry.abi, 'getTriggerType', [upkeep])), 5)
    const receipt = await send(near, ear.abi, 'ring', [1n, 1n, 2n])
    const done = await performs(upkeep, Number(receipt.blockNumber))
    assert.deepEqual(done.map(({ block }) => block), Array(2).fill(Number(receipt.blockNumber)))
    const [log] = await heard(near)
    assert.deepEqual([log.blockHash, log.txHash], [bell(0), receipt.transactionHash])
  })

  test('with cast: the registration that contracts and tools know', async () => {
    const target = await deploy('Ear')
    const config = encodeAbiParameters(
      ['address', 'uint8', 'bytes32', 'bytes32', 'bytes32', 'bytes32'].map((type) => ({ type })),
      [target, 0, toEventSelector(EVENT), bell(0), bell(0), bell(0)])
    const key = ['--private-key', keyOf(ADMIN), '--rpc-url', url]
    const receipt = JSON.parse(await cast(['send', REGISTRY, 'registerUpkeep(address,uint32,address,uint8,bytes,bytes,bytes)',
      target, '500000', admin.address, '1', '0x', config, '0x', ...key, '--json']))
    const [{ args: { id } }] = parseEventLogs({ abi: registry.abi, logs: receipt.logs, eventName: 'UpkeepRegistered' })
    await cast(['send', REGISTRY, 'addFunds(uint256,uint96)', `${id}`, `${parseEther('1')}`, '--value', '1ether', ...key])
    await cast(['send', target, 'ring(uint256,uint256,uint256)', '3', '9', '1', ...key])
    await until('a perform', async () => (await words(target)).includes(9))
  })

  const audit = (node) => runCommand(['keeper', 'audit', '--from', `${first + 1}`, '--rpc', node], { env: process.env })

  test('the audit confirms all of it', async () => {
    const { code, stdout, stderr } = await audit(url)
    assert.equal(code, 0, stdout + stderr)
    assert.match(stdout, /0 missed, 0 contradicted/)
  })

  for (const [outcome, words] of [
    ['performed', /by the record, with .* by events/],
    ['simulationReverted', /wants log .*, of which the record does not tell/]
  ]) {
    test(`the audit finds a log that is left out of the record as ${outcome}`, async () => {
      let left = 1
      const node = await liar((decision) => decision.log && decision.outcome === outcome && left-- > 0)
      const { code, stdout } = await audit(node.url)
      node.stop()
      assert.notEqual(code, 0)
      assert.match(stdout, words)
    })
  }
})
