// Contracts written for the known automation interface, as they are published or against its published interfaces, on the
// real node: each is served as its authors expect, by what the chain says afterwards.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  encodeAbiParameters, encodeFunctionData, getAddress, parseEther, parseEventLogs, toEventSelector, toFunctionSelector, toHex
} from 'viem'
import { REGISTRY } from '../lib/accounts.mjs'
import { admin, head, hex, keeper, mine, read, registry, rpc, stop } from '../lib/upkeeps.mjs'
import { Application, abiOf, balanceOf, forwarderOf, fund, registered, served, timeOf } from './application.mjs'

const first = await head()
const blocksOf = (events) => events.map(({ block }) => block)
const words = (types, values) => encodeAbiParameters(types.map((type) => ({ type })), values)
const selector = (signature) => toFunctionSelector(`function ${signature}`)

/** Does something while blocks are made only where they are asked for: the node makes its own while a condition is due. */
async function withoutAutomine(action) {
  await rpc('evm_setAutomine', false)
  try {
    return await action()
  } finally {
    await rpc('evm_setAutomine', true)
  }
}

/** Mines a block at each of these times; answers the first one's number. */
async function blocksAt(times) {
  for (const time of times) {
    await rpc('evm_setNextBlockTimestamp', time)
    await mine()
  }
  return await head() - times.length + 1
}

describe('CronUpkeep, as published', () => {
  let factory, cron, task, id
  const handler = (functionName, args) => encodeFunctionData({ abi: task.abi, functionName, args })

  test('its factory deploys one with a job', async () => {
    task = await Application.deploy('Task')
    const library = await Application.deploy('Cron')
    factory = await Application.deploy('CronUpkeepFactory', [], { libraries: { Cron: library.address } })
    const job = await factory.read('encodeCronJob', [task.address, handler('run', [1n]), '* * * * *'])
    const { logs } = await factory.send('newCronUpkeepWithJob', [job])
    const [{ args }] = parseEventLogs({ abi: factory.abi, logs, eventName: 'NewCronUpkeepCreated' })
    assert.equal(args.owner, admin.address)
    cron = new Application('CronUpkeep', args.upkeep)
    const [target, calldata, text] = await cron.read('getCronJob', [1n])
    assert.deepEqual([getAddress(target), calldata, text], [getAddress(task.address), handler('run', [1n]), '* * * * *'])
  })

  test('takes further jobs and is registered as a condition', async () => {
    for (const [call, text] of [[handler('run', [2n]), '*/2 * * * *'], [handler('fail'), '0 * * * *']]) {
      await cron.send('createCronJobFromEncodedSpec', [task.address, call, await factory.read('encodeCronString', [text])])
    }
    assert.deepEqual(await cron.read('getActiveCronJobIDs'), [1n, 2n, 3n])
    id = await registered(cron)
    await fund(id, parseEther('1'))
    assert.equal(await read(REGISTRY, registry.abi, 'getTriggerType', [id]), 0)
  })

  test('runs each job once at each of its times, one a block, and not in between', async () => {
    // Two hours on at most, so that there is time before it.
    const hour = (Math.floor(await timeOf(await head()) / 3600) + 2) * 3600
    const times = [-1, 0, 1, 2, 3, 59, 60, 61, 119, 120, 121, 122, 179, 600, 601, 602].map((second) => hour + second)
    const from = await withoutAutomine(async () => {
      // Jobs whose time came while they were set up are out of the way before the hour.
      await blocksAt([-40, -39, -38, -37].map((second) => hour + second))
      return blocksAt(times)
    })
    const blockAt = Object.fromEntries(await Promise.all(times.map(async (time, place) => {
      assert.equal(await timeOf(from + place), time)
      return [time - hour, from + place]
    })))

    const runs = await cron.events('CronJobExecuted', from)
    const performs = await served(id, from)
    assert.deepEqual(runs.map(({ hash }) => hash), performs.map(({ hash }) => hash), 'one job in each perform')
    assert.ok(runs.every(({ id: job, success }) => success === (job !== 3n)), 'only the third job fails')
    const jobsAt = (...seconds) => seconds.map((second) => runs.filter(({ block }) => block === blockAt[second]).map(({ id: job }) => job))
    const sorted = (jobs) => jobs.flat().sort()
    assert.ok([...jobsAt(0, 1, 2), ...jobsAt(120, 121), ...jobsAt(600, 601)].every(({ length }) => length === 1))
    assert.deepEqual(sorted(jobsAt(0, 1, 2)), [1n, 2n, 3n], 'all three at the hour')
    assert.deepEqual(sorted(jobsAt(60)), [1n], 'the first in the next minute')
    assert.deepEqual(sorted(jobsAt(120, 121)), [1n, 2n])
    assert.deepEqual(sorted(jobsAt(600, 601)), [1n, 2n], 'once for all that went by')
    assert.equal(runs.length, 8, 'and at no other time')
    const ran = await task.events('Ran', from)
    assert.deepEqual(ran.map(({ block, job }) => [block, job]),
      runs.filter(({ success }) => success).map(({ block, id: job }) => [block, job]))
    assert.ok(ran.every(({ caller }) => caller === getAddress(cron.address)))
  })

  test('is not called while its owner has paused it, and its check cannot be sent', async () => {
    await cron.send('pause')
    const from = await withoutAutomine(async () => blocksAt([await timeOf(await head()) + 60]))
    const [decision] = await rpc('keeper_history', hex(id), toHex(from), toHex(from))
    assert.equal(decision.outcome, 'checkReverted')
    assert.match(decision.reason, /Pausable: paused/)
    const { blockNumber } = await cron.send('unpause')
    // A minute with an odd number: the second job is not due.
    assert.deepEqual((await cron.events('CronJobExecuted', from)).map(({ block, id: job }) => [block, job]), [[Number(blockNumber), 1n]])
    assert.equal(await cron.revertOf('checkUpkeep', ['0x']), selector('OnlySimulatedBackend()'))
    await stop(id)
  })
})

describe('EthBalanceMonitor, as published', () => {
  test('fills up an account in the block in which it has too little, by its forwarder alone', async () => {
    const monitor = await Application.deploy('EthBalanceMonitor', [REGISTRY, 0n])
    const poor = getAddress(`0x${'5e'.repeat(20)}`)
    await rpc('eth_sendTransaction', { from: admin.address, to: monitor.address, value: toHex(parseEther('10')) })
    const id = await registered(monitor)
    await fund(id, parseEther('1'))
    // Its authors wrote it for an older registry, which called it itself. It takes the address that it is called from now.
    const from = Number((await monitor.send('setWatchList', [[poor], [parseEther('2')], [parseEther('3')]])).blockNumber)
    const [refused] = await rpc('keeper_history', hex(id), toHex(from), toHex(from))
    assert.equal(refused.outcome, 'simulationReverted')
    const { blockNumber } = await monitor.send('setKeeperRegistryAddress', [await forwarderOf(id)])
    await mine(2)
    assert.deepEqual(blocksOf(await served(id, from)), [Number(blockNumber)])
    assert.deepEqual((await monitor.events('TopUpSucceeded', from)).map(({ recipient }) => recipient), [poor])
    assert.deepEqual([await balanceOf(poor), await balanceOf(monitor.address)], [parseEther('3'), parseEther('7')])
    await stop(id)
  })
})

describe('a condition', () => {
  test('whose check cannot be executed is checked and performed, and cannot be sent', async () => {
    const counter = await Application.deploy('CheckedCounter')
    const id = await registered(counter, { checkData: words(['uint256'], [10n]) })
    await fund(id, parseEther('1'))
    const { blockNumber } = await counter.send('request', [25n])
    await mine(5)
    const from = Number(blockNumber)
    assert.deepEqual(blocksOf(await served(id, from)), [from, from + 1, from + 2])
    const counted = await counter.events('Counted', from)
    assert.deepEqual(counted.map(({ count }) => count), [10n, 20n, 25n])
    const forwarder = getAddress(await forwarderOf(id))
    assert.ok(counted.every(({ caller }) => caller === forwarder))

    const checkData = words(['uint256'], [10n])
    assert.equal(await counter.revertOf('checkUpkeep', [checkData]), selector('OnlySimulatedBackend()'))
    assert.deepEqual((await counter.read('checkUpkeep', [checkData]))[0], false, 'a call without a sender is let through')
    await stop(id)
  })

  test('that lets only its forwarder perform', async () => {
    const door = await Application.deploy('ForwarderOnly')
    const id = await registered(door)
    await fund(id, parseEther('1'))
    const other = await registered(await Application.deploy('ForwarderOnly'))
    assert.equal(await door.revertOf('adopt', [REGISTRY, other]), selector('NotMine(uint256)') + hex(other).slice(2))
    await door.send('adopt', [REGISTRY, id])
    const forwarder = await forwarderOf(id)
    assert.equal(await door.read('forwarder'), forwarder)
    const ask = (functionName) => read(forwarder, abiOf('IAutomationForwarder'), functionName)
    assert.deepEqual([await ask('getTarget'), await ask('getRegistry'), await ask('typeAndVersion')],
      [getAddress(door.address), REGISTRY, 'AutomationForwarder 1.0.0'])

    assert.equal(await door.revertOf('performUpkeep', ['0x']),
      selector('OnlyForwarder(address)') + words(['address'], [admin.address]).slice(2))
    const from = Number((await door.send('knock')).blockNumber)
    await mine(2)
    assert.deepEqual(blocksOf(await served(id, from)), [from])
    assert.deepEqual((await door.events('Opened', from)).map(({ caller }) => caller), [forwarder])
    await stop(id)
  })
})

describe('logs', () => {
  test('are answered once each, in the next block, with what the chain knows of them', async () => {
    const answerer = await Application.deploy('Answerer')
    // Bit 0 of the selector: topic 1 is compared, too.
    const config = words(['address', 'uint8', 'bytes32', 'bytes32', 'bytes32', 'bytes32'],
      [answerer.address, 1, toEventSelector('Asked(uint256,uint256)'), hex(7n), hex(0n), hex(0n)])
    const id = await registered(answerer, { type: 1, config, checkData: '0xbeef' })
    await fund(id, parseEther('1'))
    const { logs, ...receipt } = await answerer.send('ask', [7n, 0n, 4n])
    const from = Number(receipt.blockNumber)
    await answerer.send('ask', [8n, 1n, 2n])
    await mine(3)
    assert.deepEqual(blocksOf(await served(id, from)), Array(3).fill(from + 1))
    const answered = await answerer.events('Answered', from)
    // The question 0 is not wanted by its checkLog, and those of kind 8 do not match.
    assert.deepEqual(answered.map(({ question, note }) => [question, note]), [1n, 2n, 3n].map((question) => [question, '0xbeef']))
    assert.deepEqual(answered.map(({ log }) => log), logs.slice(1).map(({ logIndex, topics, data }) => ({
      index: BigInt(logIndex), timestamp: answered[0].log.timestamp, txHash: receipt.transactionHash, blockNumber: BigInt(from),
      blockHash: receipt.blockHash, source: getAddress(answerer.address), topics, data
    })))
    assert.equal(answered[0].log.timestamp, BigInt(await timeOf(from)))
    await stop(id)
  })
})

describe('data streams', () => {
  test('are not there: the error handler is asked, with code 808503', async () => {
    const reader = await Application.deploy('StreamsReader')
    const id = await registered(reader, { checkData: words(['string'], ['0x000359843a543ee2fe414dc14c7e7920ef10f4372990b79d6361cdc0dd1ba782']) })
    await fund(id, parseEther('1'))
    const from = Number((await reader.send('want')).blockNumber)
    await mine(2)
    assert.deepEqual(blocksOf(await served(id, from)), [from])
    assert.deepEqual((await reader.events('Unavailable', from)).map(({ errCode, round }) => [errCode, round]), [[808503n, 1n]])
    assert.deepEqual(await reader.events('Read', from), [])
    await stop(id)
  })
})

describe('a contract that is its own admin', () => {
  let own, id
  const balance = (which = id) => read(REGISTRY, registry.abi, 'getBalance', [which])

  test('pays for itself and asks about its money', async () => {
    own = await Application.deploy('SelfKeeper', [REGISTRY])
    await rpc('eth_sendTransaction', { from: admin.address, to: own.address, value: toHex(parseEther('5')) })
    id = await registered(own, { owner: own.address })
    await own.send('adopt', [id])
    await own.send('topUp', [parseEther('2')])
    assert.deepEqual([await balance(), await balanceOf(own.address)], [parseEther('2'), parseEther('3')])
    const [has, needs] = await own.read('money')
    assert.deepEqual([has, needs], [parseEther('2'), await read(REGISTRY, registry.abi, 'getMinBalance', [id])])
    assert.ok(needs > 0n && needs < has)
  })

  test('pauses itself while it is performed, and goes on when it wants to', async () => {
    const rounds = async (more) => {
      const from = Number((await own.send('start', [more])).blockNumber)
      await mine(5)
      const performs = await served(id, from)
      assert.deepEqual(blocksOf(performs), Array.from({ length: Number(more) }, (_, place) => from + place))
      assert.equal((await read(REGISTRY, registry.abi, 'getUpkeep', [id])).paused, true)
      return performs
    }
    const performs = [...await rounds(3n), ...await rounds(2n)]
    assert.equal(await own.read('done'), 5n)
    const paid = performs.reduce((sum, { totalPayment }) => sum + totalPayment, 0n)
    assert.equal(await balance(), parseEther('2') - paid)
    const owed = await read(REGISTRY, registry.abi, 'getOwed', [id])
    assert.equal(await balanceOf(await forwarderOf(id)), await balance() + owed)
  })

  test('cancels itself and has its money back after 50 blocks', async () => {
    const left = await balance()
    const [started, cancelled] = await withoutAutomine(async () => {
      const block = await own.sendAndMine('start', [1_000n])
      await mine(2)
      return [block, await own.sendAndMine('cancel')]
    })
    const { maxValidBlocknumber } = await read(REGISTRY, registry.abi, 'getUpkeep', [id])
    assert.equal(maxValidBlocknumber, BigInt(cancelled + 50))
    await mine(cancelled + 48 - await head())
    assert.equal(await own.revertOf('collect'), selector('UpkeepNotCanceled()'), 'one block too early')
    const performs = await served(id, started)
    assert.deepEqual(blocksOf(performs), [started, started + 1, started + 2], 'none from its cancellation on')
    assert.equal(cancelled, started + 3)
    const spent = performs.reduce((sum, { totalPayment }) => sum + totalPayment, 0n)
    const before = await balanceOf(own.address)
    const { blockNumber, logs } = await own.send('collect')
    assert.equal(Number(blockNumber), cancelled + 50)
    const [{ args }] = parseEventLogs({ abi: registry.abi, logs, eventName: 'FundsWithdrawn' })
    assert.deepEqual(args, { id, amount: left - spent, to: getAddress(own.address) })
    assert.deepEqual([await balance(), await balanceOf(own.address)], [0n, before + left - spent])
    await mine(3)
    assert.equal((await served(id, started)).length, performs.length)
  })
})

describe('the record', () => {
  test('is confirmed by the audit', async () => {
    assert.match((await keeper('audit', '--from', `${first + 1}`)).stdout, /0 missed, 0 contradicted/)
  })
})
