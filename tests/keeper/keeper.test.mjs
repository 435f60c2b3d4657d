// Upkeeps: registered and funded with real tools, fired by the node in every block where they are due.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import {
  decodeEventLog, decodeFunctionResult, encodeAbiParameters, encodeFunctionData, getAddress, parseEther, parseEventLogs, parseGwei, toHex
} from 'viem'
import { WebSocket } from 'ws'
import { accounts, keyOf, REGISTRY } from '../lib/accounts.mjs'
import { artifact, runCommand } from '../lib/node.mjs'
import { receiptOf, until } from '../lib/rpc.mjs'
import { cast } from '../lib/tools.mjs'
import {
  ADMIN, PERFORM_GAS, admin, deploy, head, hex, idIn, interval, keeper, liar, mine, performedIn, performs, range, read, register, registry, rpc, send, stop, url
} from '../lib/upkeeps.mjs'

const witness = artifact('Witness')

before(async () => {
  assert.equal(await read(REGISTRY, registry.abi, 'typeAndVersion'), 'KeeperRegistry 2.1.0')
  const lanes = await rpc('keeper_lanes')
  assert.ok(lanes.length > 0)
  for (const lane of lanes) assert.equal(await read(REGISTRY, registry.abi, 'isLane', [lane]), true)
})

describe('with cast send', () => {
  test('a conditional upkeep works a queue off by itself', async () => {
    const counter = await deploy('Counter')
    const key = ['--private-key', keyOf(ADMIN), '--rpc-url', url]
    const receipt = JSON.parse(await cast(['send', REGISTRY,
      'registerUpkeep(address,uint32,address,uint8,bytes,bytes,bytes)', counter, '200000', admin.address, '0', '0x', '0x', '0x',
      ...key, '--json']))
    const id = idIn(receipt)
    await cast(['send', REGISTRY, 'addFunds(uint256,uint96)', `${id}`, `${parseEther('1')}`, '--value', '1ether', ...key])
    const from = await head()
    await cast(['send', counter, 'request(uint256)', '25', ...key])
    const { abi } = artifact('Counter')
    await until('25 pieces of work', async () => await read(counter, abi, 'done') === 25n)
    const done = await performs(id, from)
    // Ten pieces a perform: three performs, each successful, each in a block of its own.
    assert.equal(done.length, 3)
    assert.ok(done.every(({ success }) => success))
    assert.equal(new Set(done.map(({ block }) => block)).size, 3)
    await mine(3)
    assert.equal((await performs(id, from)).length, 3, 'no perform once the condition no longer holds')
    await stop(id)
  })

  test('an interval upkeep beats in every block', async () => {
    const heartbeat = await deploy('Heartbeat')
    const id = idIn(JSON.parse(await cast(['send', REGISTRY,
      'registerUpkeep(address,uint32,address,uint8,bytes,bytes,bytes)', heartbeat, '200000', admin.address, '2', '0x', interval(1n), '0x',
      '--private-key', keyOf(ADMIN), '--rpc-url', url, '--json'])))
    await cast(['send', REGISTRY, 'addFunds(uint256,uint96)', `${id}`, `${parseEther('1')}`, '--value', '1ether',
      '--private-key', keyOf(ADMIN), '--rpc-url', url])
    await mine(1)
    const from = await head() + 1
    await mine(5)
    await performedIn(id, range(from, from + 4), from, from + 4)
    await stop(id)
  })
})

describe('with plasma-node keeper', () => {
  const env = { PLASMA_RPC_URL: url }
  let counter, id

  test('register, fund, list and show', async () => {
    counter = await deploy('Counter')
    id = (await keeper('register', counter, '--dev-account', `${ADMIN}`, '--fund', '1.5', '--gas', '250000')).stdout
    assert.match(id, /^0x[0-9a-f]{64}$/)
    assert.equal(await read(REGISTRY, registry.abi, 'getBalance', [BigInt(id)]), parseEther('1.5'))
    await keeper('fund', id, '0.5', '--dev-account', `${ADMIN}`)
    assert.equal(await read(REGISTRY, registry.abi, 'getBalance', [BigInt(id)]), parseEther('2'))
    const list = (await keeper('list')).stdout.split('\n').filter((line) => line.includes(id))
    assert.equal(list.length, 1)
    assert.match(list[0], /condition/)
    assert.match(list[0], /active/)
    assert.match(list[0], /balance 2(\.0*)? ETH/)
    const shown = JSON.parse((await keeper('show', id)).stdout)
    assert.deepEqual(
      [shown.id, getAddress(shown.target), getAddress(shown.admin), shown.performGas, shown.paused, shown.active],
      [id, getAddress(counter), admin.address, 250000, false, true])
    assert.deepEqual(await rpc('keeper_get', id), shown)
  })

  test('its performs and their history', async () => {
    const from = await head()
    await send(counter, artifact('Counter').abi, 'request', [5n])
    const [done] = await until('a perform', async () => {
      const found = await performs(BigInt(id), from)
      return found.length && found
    })
    const { stdout } = await keeper('history', id, '--from', `${from}`)
    const line = stdout.split('\n').find((text) => text.includes(`block ${done.block} `))
    assert.ok(line, stdout)
    assert.match(line, /performed/i)
  })

  test('an interval', async () => {
    const heartbeat = await deploy('Heartbeat')
    const beat = (await keeper('register', heartbeat, '--trigger', 'interval', '--every-blocks', '2',
      '--fund', '1', '--dev-account', `${ADMIN}`)).stdout
    const from = await head()
    await mine(7)
    const blocks = (await performs(BigInt(beat), from)).map(({ block }) => block)
    assert.ok(blocks.length >= 3, `performs in ${blocks}`)
    for (let index = 1; index < blocks.length; index++) assert.equal(blocks[index] - blocks[index - 1], 2)
    await keeper('pause', beat, '--dev-account', `${ADMIN}`)
  })

  test('debug says why not, and what to do', async () => {
    const debug = async (which) => (await keeper('debug', which)).stdout
    const working = await debug(id)
    assert.match(working, /^verdict +not needed: checkUpkeep answers false$/m)
    assert.match(working, /^last perform in block \d+, \d+ blocks ago: \d+ gas for 0\.\d+ ETH, transaction 0x[0-9a-f]{64}$/m)
    const target = await deploy('Witness')
    await send(target, witness.abi, 'want', [true])
    const poor = (await keeper('register', target, '--dev-account', `${ADMIN}`)).stdout
    await until('a look at it', async () => /^verdict +due, but 0\.\d+ ETH lack for a perform$/m.test(await debug(poor)))
    assert.ok((await debug(poor)).includes(`plasma-node keeper fund ${poor} AMOUNT`))
    await keeper('pause', poor, '--dev-account', `${ADMIN}`)
    await mine()
    assert.match(await debug(poor), /^what to do +plasma-node keeper unpause 0x/m)
    await keeper('cancel', poor, '--dev-account', `${ADMIN}`)
    await mine(2)
    assert.match(await debug(poor), /^cancelled +with effect from block \d+$/m)
    const { code, stderr } = await runCommand(['keeper', 'debug', `0x${'12'.repeat(32)}`], { env })
    assert.notEqual(code, 0)
    assert.match(stderr, /was ever registered/)
  })

  test('simulate runs the check and the perform, and sends nothing', async () => {
    const target = await deploy('Witness')
    const upkeep = (await keeper('register', target, '--check-data', '0xabcd', '--fund', '1', '--dev-account', `${ADMIN}`)).stdout
    assert.match((await keeper('simulate', upkeep)).stdout, /^check    it is not needed \(\d+ gas\)$/)
    const forced = (await keeper('simulate', upkeep, '--perform-data', '0x01')).stdout
    assert.match(forced, /^data     0x01\nperform  succeeds \(\d+ gas of the target\)$/)
    assert.equal(await read(target, witness.abi, 'performs'), 0n)
    await keeper('pause', upkeep, '--dev-account', `${ADMIN}`)
    await send(target, witness.abi, 'want', [true])
    assert.match((await keeper('simulate', upkeep)).stdout, /^check    it is paused/)
  })

  test('list shows some of them, page by page', async () => {
    const listed = async (...flags) => {
      const { stdout, stderr } = await keeper('list', ...flags)
      return { ids: stdout.split('\n').filter(Boolean).map((line) => line.split(' ')[0]), stderr }
    }
    const target = await deploy('Heartbeat')
    const ids = []
    for (let index = 0; index < 3; index++) {
      ids.push((await keeper('register', target, '--every-blocks', '1000', '--dev-account', `${ADMIN + index % 2}`)).stdout)
    }
    assert.deepEqual((await listed('--target', target)).ids, ids)
    assert.deepEqual((await listed('--target', target, '--admin', accounts[ADMIN + 1].address)).ids, [ids[1]])
    const first = await listed('--target', target, '--limit', '2')
    assert.deepEqual(first.ids, ids.slice(0, 2))
    assert.match(first.stderr, new RegExp(`go on with --after ${ids[1]}`))
    await keeper('cancel', ids[1], '--dev-account', `${ADMIN + 1}`)
    assert.deepEqual((await listed('--target', target, '--limit', '2', '--after', ids[1])).ids, [ids[2]])
    await keeper('pause', ids[0], '--dev-account', `${ADMIN}`)
    await mine()
    assert.deepEqual((await listed('--target', target, '--paused')).ids, [ids[0]])
    assert.deepEqual((await listed('--target', target, '--paused=false')).ids, [ids[2]])
    assert.deepEqual((await listed('--target', target, '--outcome', 'notNeeded')).ids, [ids[2]])
    await keeper('cancel', ids[2], '--dev-account', `${ADMIN}`)
  })

  test('watch tells of decisions as blocks come', async () => {
    const heartbeat = await deploy('Heartbeat')
    const beat = (await keeper('register', heartbeat, '--every-blocks', '1', '--fund', '1', '--dev-account', `${ADMIN}`)).stdout
    const from = await head()
    const watching = keeper('watch', beat, '--from', `${from + 1}`, '--blocks', '3')
    await mine(4)
    const lines = (await watching).stdout.split('\n')
    assert.deepEqual(lines.map((line) => line.split(' ').slice(0, 5).join(' ')),
      range(from + 1, from + 3).map((block) => `block ${block} upkeep ${beat} performed`))
    await keeper('pause', beat, '--dev-account', `${ADMIN}`)
  })

  test('a calendar with seconds', async () => {
    const heartbeat = await deploy('Heartbeat')
    const beat = (await keeper('register', heartbeat, '--cron', '*/20 * * * * *', '--fund', '1', '--dev-account', `${ADMIN}`)).stdout
    assert.match((await keeper('list')).stdout.split('\n').find((line) => line.includes(beat)), / cron /)
    assert.equal(JSON.parse((await keeper('show', beat)).stdout).trigger.cron.expression, '*/20 * * * * *')
    const from = await head()
    const registered = Number((await rpc('eth_getBlockByNumber', toHex(from), false)).timestamp)
    const first = Math.floor(registered / 20) * 20 + 20
    const times = [first + 3, first + 4, first + 20, first + 21, first + 95, first + 99]
    for (const time of times) {
      await rpc('evm_setNextBlockTimestamp', time)
      await mine()
    }
    // The block that funded it may have been due already, where a point lay between registration and funding.
    const seen = []
    for (const { block } of await performs(BigInt(beat), from + 1)) {
      seen.push(Number((await rpc('eth_getBlockByNumber', toHex(block), false)).timestamp))
    }
    // Once for each point that has come, and once for all that went by unserved.
    assert.deepEqual(seen, [first + 3, first + 20, first + 95])
    await keeper('pause', beat, '--dev-account', `${ADMIN}`)
  })

  test('a resolver, which says when and what to call', async () => {
    const funder = await deploy('AutoFunder', [parseEther('1'), parseEther('2')])
    const upkeep = (await keeper('register', funder, '--resolver', funder, '--fund', '1', '--dev-account', `${ADMIN}`)).stdout
    assert.match((await keeper('list')).stdout.split('\n').find((line) => line.includes(upkeep)), / resolver /)
    const poor = getAddress(`0x${'0f'.repeat(20)}`)
    const from = await head()
    await send(funder, artifact('AutoFunder').abi, 'watch', [poor])
    await mine(2)
    assert.equal((await performs(BigInt(upkeep), from)).length, 0)
    await rpc('eth_sendTransaction', { from: admin.address, to: funder, value: toHex(parseEther('3')) })
    await until('help', async () => (await performs(BigInt(upkeep), from)).length === 1)
    assert.equal(BigInt(await rpc('eth_getBalance', poor, 'latest')), parseEther('2'))
    await mine(2)
    assert.equal((await performs(BigInt(upkeep), from)).length, 1)
    await keeper('pause', upkeep, '--dev-account', `${ADMIN}`)
  })

  test('pause, unpause and cancel', async () => {
    await keeper('pause', id, '--dev-account', `${ADMIN}`)
    assert.match((await keeper('list')).stdout.split('\n').find((line) => line.includes(id)), /paused/)
    const from = await head()
    await send(counter, artifact('Counter').abi, 'request', [1n])
    await mine(3)
    assert.equal((await performs(BigInt(id), from)).length, 0)
    await keeper('unpause', id, '--dev-account', `${ADMIN}`)
    await until('a perform after the pause', async () => (await performs(BigInt(id), from)).length === 1)
    await keeper('cancel', id, '--dev-account', `${ADMIN}`)
    const cancelled = await read(REGISTRY, registry.abi, 'getUpkeep', [BigInt(id)])
    assert.ok(cancelled.maxValidBlocknumber < 2n ** 32n - 1n)
  })

  test('mistakes end with a sentence and a status', async () => {
    for (const [args, words] of [
      [['show', `0x${'12'.repeat(32)}`], /no upkeep/],
      [['pause', id, '--dev-account', '2'], /revert|admin/i],
      [['register', accounts[5].address, '--dev-account', `${ADMIN}`], /revert|contract/i],
      [['register', 'nobody'], /invalid value/],
      [['register', counter, '--cron', 'now and then'], /"now and then" is no cron expression: /],
      [['register', counter, '--cron', '0 0 30 2 *'], /no day of any calendar fits it/],
      [['register', counter, '--trigger', 'cron'], /a calendar needs --cron/],
      [['register', counter, '--trigger', 'resolver'], /needs --resolver ADDRESS/],
      [['register', counter, '--every-ms', '5', '--cron', '* * * * *'], /exclude each other/],
      [['register', counter, '--trigger', 'condition', '--cron', '* * * * *'], /--cron belong to --trigger cron/],
      [['list', '--outcome', 'fired'], /invalid value 'fired'.*performed, performedReverted/s],
      [['list', '--limit', '0'], /invalid value '0'/],
      [['list', '--after', '0x77'], /no such upkeep was ever registered/],
      [['list', '--rpc', 'http://127.0.0.1:9'], /no answer from http:\/\/127\.0\.0\.1:9/]
    ]) {
      const { code, stderr } = await runCommand(['keeper', ...args], { env })
      assert.notEqual(code, 0, args.join(' '))
      assert.match(stderr, words)
      assert.doesNotMatch(stderr, /panicked/)
    }
  })
})

describe('each perform', () => {
  let target, id, forwarder

  before(async () => {
    target = await deploy('Witness')
    id = await register(target, { checkData: '0xc0ffee' })
    forwarder = await read(REGISTRY, registry.abi, 'getForwarder', [id])
  })

  test('happens once in every block where the condition holds, and in no other', async () => {
    const start = await head()
    await mine(3)
    assert.equal((await performs(id, start)).length, 0)
    await send(target, witness.abi, 'want', [true])
    const from = await head() + 1
    await mine(6)
    await performedIn(id, range(from, from + 5), from, from + 5)
    await send(target, witness.abi, 'want', [false])
    const quiet = await head() + 1
    await mine(3)
    await performedIn(id, [], quiet, quiet + 2)
  })

  test('is called by its own forwarder, with the check\'s data, from a lane', async () => {
    assert.equal(getAddress(await read(target, witness.abi, 'sender')), getAddress(forwarder))
    const [{ hash }] = await performs(id, 0)
    const receipt = await rpc('eth_getTransactionReceipt', hash)
    const seen = parseEventLogs({ abi: witness.abi, logs: receipt.logs, eventName: 'Seen' })[0].args
    assert.equal(seen.data, '0xc0ffee')
    assert.equal(getAddress(seen.sender), getAddress(forwarder))
    const lanes = (await rpc('keeper_lanes')).map((lane) => getAddress(lane))
    assert.ok(lanes.includes(getAddress(receipt.from)))
    assert.equal(getAddress(receipt.to), getAddress(REGISTRY))
  })

  test('is charged to its balance, and its forwarder holds that and what lanes are owed', async () => {
    const before = await read(REGISTRY, registry.abi, 'getBalance', [id])
    const from = await head() + 1
    await send(target, witness.abi, 'want', [true])
    await mine(3)
    await send(target, witness.abi, 'want', [false])
    const to = await head()
    const done = await performs(id, from, to)
    assert.ok(done.length >= 3)
    const spent = done.reduce((sum, { totalPayment }) => sum + totalPayment, 0n)
    assert.ok(done.every(({ totalPayment, gasUsed }) => totalPayment > 0n && gasUsed > 0n))
    const after = await read(REGISTRY, registry.abi, 'getBalance', [id], toHex(to))
    assert.equal(before - after, spent)
    const owed = await read(REGISTRY, registry.abi, 'getOwed', [id], toHex(to))
    assert.equal(BigInt(await rpc('eth_getBalance', forwarder, toHex(to))), after + owed)
  })

  test('is charged for the gas that the receipts tell, with the premium, to the wei', async () => {
    const [premiumPPB] = await read(REGISTRY, registry.abi, 'getPaymentConfig')
    let charged = 0n, expected = 0n
    for (const { hash, totalPayment } of await performs(id, 0)) {
      const receipt = await rpc('eth_getTransactionReceipt', hash)
      const gas = BigInt(receipt.gasUsed)
      charged += totalPayment
      expected += gas * BigInt(receipt.effectiveGasPrice) * (1_000_000_000n + BigInt(premiumPPB)) / 1_000_000_000n
    }
    assert.ok(charged > 0n)
    assert.equal(charged, expected)
  })

  test('is in the keeper\'s history with transaction and payment', async () => {
    const done = await performs(id, 0)
    const history = (await rpc('keeper_history', hex(id), '0x0', 'latest')).filter(({ outcome }) => outcome === 'performed')
    assert.deepEqual(history.map(({ block, tx }) => [block, tx]), done.map(({ block, hash }) => [block, hash]))
    assert.deepEqual(history.map(({ payment }) => BigInt(payment)), done.map(({ totalPayment }) => totalPayment))
  })

  test('fires while blocks come by themselves: automine makes a block a second while it is due', async () => {
    const from = await head()
    await send(target, witness.abi, 'want', [true])
    await until('three blocks nobody asked for, each with a perform', async () =>
      (await performs(id, from)).length >= 3, { timeout: 20_000 })
    await send(target, witness.abi, 'want', [false])
    const quiet = await until('the last block', async () => {
      const one = await head()
      await new Promise((resolve) => setTimeout(resolve, 2500))
      return await head() === one && one
    })
    const blocks = (await performs(id, from)).map(({ block }) => block)
    assert.equal(new Set(blocks).size, blocks.length)
    assert.ok(blocks.every((block) => block <= quiet))
  })

  test('pause, unpause, cancel and withdraw', async () => {
    await send(REGISTRY, registry.abi, 'pauseUpkeep', [id])
    await send(target, witness.abi, 'want', [true])
    let from = await head() + 1
    await mine(3)
    await performedIn(id, [], from, from + 2)
    assert.equal((await rpc('keeper_get', hex(id))).paused, true)
    await send(REGISTRY, registry.abi, 'unpauseUpkeep', [id])
    from = await head() + 1
    await mine(2)
    await performedIn(id, [from, from + 1], from, from + 1)
    const { logs } = await send(REGISTRY, registry.abi, 'cancelUpkeep', [id])
    const [{ args }] = parseEventLogs({ abi: registry.abi, logs, eventName: 'UpkeepCanceled' })
    const end = Number(args.atBlockHeight)
    // The registry's owner ends an upkeep at once; its admin gives notice.
    assert.equal(BigInt(end) - BigInt(await head()) <= await read(REGISTRY, registry.abi, 'getCancellationDelay'), true)
    await mine(Math.max(1, end - await head() + 1))
    from = await head() + 1
    await mine(3)
    await performedIn(id, [], from, from + 2)
    const left = await read(REGISTRY, registry.abi, 'getBalance', [id])
    assert.ok(left > 0n)
    const recipient = '0x00000000000000000000000000000000DeaDBeef'
    const before = BigInt(await rpc('eth_getBalance', recipient, 'latest'))
    await send(REGISTRY, registry.abi, 'withdrawFunds', [id, recipient])
    assert.equal(BigInt(await rpc('eth_getBalance', recipient, 'latest')) - before, left)
    const owed = await read(REGISTRY, registry.abi, 'getOwed', [id])
    assert.ok(owed > 0n)
    assert.equal(BigInt(await rpc('eth_getBalance', forwarder, 'latest')), owed, 'what lanes are owed stays')
  })

  test('collect pays a lane what is owed', async () => {
    const [lane] = await rpc('keeper_lanes')
    const owed = await read(REGISTRY, registry.abi, 'getOwed', [id])
    const before = BigInt(await rpc('eth_getBalance', lane, 'latest'))
    const env = { PLASMA_PRIVATE_KEY: keyOf(5), PLASMA_RPC_URL: url }
    const { code, stderr } = await runCommand(['keeper', 'collect', lane, hex(id)], { env })
    assert.equal(code, 0, stderr)
    assert.match(stderr, /collected/)
    assert.equal(BigInt(await rpc('eth_getBalance', lane, 'latest')) - before, owed)
    assert.equal(BigInt(await rpc('eth_getBalance', forwarder, 'latest')), 0n)
    const refused = await runCommand(['keeper', 'collect', accounts[5].address, hex(id)], { env })
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /OnlyActiveTransmitters|revert/)
  })

  test('stops when the money is used up, and the keeper says so', async () => {
    const other = await deploy('Witness')
    const poor = await register(other, { fund: parseEther('0.1') })
    await send(other, witness.abi, 'want', [true])
    const from = await head()
    const costly = toHex(parseGwei('100'))
    for (let block = 0; block < 12; block++) {
      await rpc('hardhat_setNextBlockBaseFeePerGas', costly)
      await mine()
    }
    const count = (await performs(poor, from)).length
    assert.ok(count > 0, 'it was fired while there was money')
    const last = await head()
    const [latest] = (await rpc('keeper_history', hex(poor), toHex(last), toHex(last)))
    assert.equal(latest.outcome, 'underfunded', `after ${count} performs: ${JSON.stringify(latest)}`)
    assert.ok(BigInt(latest.by) > 0n)
    assert.ok(await read(REGISTRY, registry.abi, 'getBalance', [poor]) < parseEther('0.1'))
    await send(REGISTRY, registry.abi, 'addFunds', [poor, parseEther('1')], { value: parseEther('1') })
    await mine(1)
    assert.ok((await performs(poor, last)).length > 0)
    await stop(poor)
  })
})

describe('faulty upkeeps harm nobody', () => {
  const faults = {
    checkReverts: [0, ['checkReverted'], /the check fails/],
    checkLoops: [1, ['checkOutOfGas', 'checkReverted']],
    checkReturnsRubbish: [2, ['checkReverted']],
    checkReturnsNothing: [3, ['checkReverted']],
    checkReturnsHuge: [4, ['checkReverted', 'simulationReverted', 'deferred', 'checkOutOfGas']],
    performReverts: [5, ['performedReverted', 'simulationReverted'], /the perform fails/],
    performLoops: [6, ['performedReverted', 'simulationReverted']],
    performReturnsHuge: [7, ['performed', 'performedReverted', 'simulationReverted']]
  }
  const ids = {}
  let good, goodTarget, from, to

  before(async () => {
    for (const [name, [fault]] of Object.entries(faults)) {
      ids[name] = await register(await deploy('Faulty', [fault]))
    }
    goodTarget = await deploy('Witness')
    good = await register(goodTarget)
    await send(goodTarget, witness.abi, 'want', [true])
    from = await head() + 1
    await mine(8)
    to = from + 7
  })

  test('a good upkeep beside them is fired in every block', async () => {
    await performedIn(good, range(from, to), from, to)
  })

  test('other users\' transactions go through at once', async () => {
    const hash = await rpc('eth_sendTransaction', { from: accounts[9].address, to: accounts[10].address, value: '0x1' })
    const receipt = await receiptOf(url, hash)
    assert.equal(receipt.status, '0x1')
    assert.ok(Number(receipt.blockNumber) <= to + 4)
  })

  for (const [name, [, outcomes, words]] of Object.entries(faults)) {
    test(`${name}: every block has a decision that says so`, async () => {
      const history = await rpc('keeper_history', hex(ids[name]), toHex(from), toHex(to))
      assert.equal(history.length, to - from + 1, JSON.stringify(history).slice(0, 500))
      for (const decision of history) {
        assert.ok(outcomes.includes(decision.outcome), JSON.stringify(decision).slice(0, 500))
        if (words) assert.match(decision.reason, words)
      }
      const done = await performs(ids[name], from, to)
      const performed = history.filter(({ outcome }) => outcome.startsWith('performed')).length
      assert.equal(done.length, performed)
    })
  }

  test('the lanes lost no money through them', async () => {
    const lanes = await rpc('keeper_lanes')
    const wealth = async (block) => {
      const held = await Promise.all(lanes.map((lane) => rpc('eth_getBalance', lane, toHex(block))))
      const owed = await Promise.all(everyone.map((upkeep) => read(REGISTRY, registry.abi, 'getOwed', [upkeep], toHex(block))))
      return held.reduce((sum, balance) => sum + BigInt(balance), 0n) + owed.reduce((sum, wei) => sum + wei, 0n)
    }
    const everyone = await read(REGISTRY, registry.abi, 'getActiveUpkeepIDs', [0n, 0n], toHex(to))
    assert.ok(await wealth(to) > await wealth(from - 1), 'they earn the premium')
  })

  test('the registry\'s owner can stop everything, and start it again', async () => {
    const [owner] = accounts
    await send(REGISTRY, registry.abi, 'pause', [], { from: owner.address })
    const quiet = await head() + 1
    await mine(3)
    await performedIn(good, [], quiet, quiet + 2)
    await send(REGISTRY, registry.abi, 'unpause', [], { from: owner.address })
    const again = await head() + 1
    await mine(2)
    await performedIn(good, [again, again + 1], again, again + 1)
    for (const id of [good, ...Object.values(ids)]) await stop(id)
  })
})

describe('as dashboards and command lines ask', () => {
  const REASON = { none: 0, paused: 2, notNeeded: 4, underfunded: 6 }
  const check = async (id, block) => {
    const found = await read(REGISTRY, registry.abi, 'checkUpkeep', [id], block)
    return { needed: found[0], data: found[1], reason: found[2], gasLimit: found[4] }
  }
  let target, id

  before(async () => {
    target = await deploy('Witness')
    id = await register(target, { checkData: '0xabcd' })
    await stop(id)
  })

  test('checkUpkeep(id) tells what stands in the way, and did at any past block', async () => {
    await send(target, witness.abi, 'want', [true])
    const paused = await head()
    assert.equal((await check(id)).reason, REASON.paused)
    const unpaused = await send(REGISTRY, registry.abi, 'unpauseUpkeep', [id])
    await until('a perform', async () => (await performs(id, paused)).length > 0)
    assert.deepEqual(await check(id, unpaused.blockNumber),
      { needed: true, data: '0xabcd', reason: REASON.none, gasLimit: BigInt(PERFORM_GAS) })
    await send(target, witness.abi, 'want', [false])
    assert.equal((await check(id)).reason, REASON.notNeeded)
    assert.equal((await check(id, toHex(paused))).reason, REASON.paused)
    const poor = await register(target, { fund: 0n })
    assert.equal((await check(poor)).reason, REASON.underfunded)
  })

  test('simulatePerformUpkeep calls the target, and nothing stays', async () => {
    const before = await read(target, witness.abi, 'performs')
    const [success, gasUsed] = await read(REGISTRY, registry.abi, 'simulatePerformUpkeep', [id, '0x'])
    assert.ok(success && gasUsed > 5_000n && gasUsed < BigInt(PERFORM_GAS), `${gasUsed} gas`)
    assert.equal(await read(target, witness.abi, 'performs'), before)
    await assert.rejects(
      rpc('eth_call', { from: admin.address, to: REGISTRY,
        data: encodeFunctionData({ abi: registry.abi, functionName: 'simulatePerformUpkeep', args: [id, '0x'] }) }, 'latest'),
      /0xb60ac5db|OnlySimulatedBackend|revert/)
  })

  test('every view answers, whatever it is asked for', async () => {
    const zero = ({ type }) => type === 'bytes' ? '0x' : type === 'bytes32' ? `0x${'00'.repeat(32)}`
      : type === 'address' ? `0x${'00'.repeat(20)}` : 0n
    // Of unknown upkeeps there is no status, and tokens are not taken.
    const views = registry.abi.filter(({ type, stateMutability, name }) =>
      type === 'function' && ['view', 'pure'].includes(stateMutability) && !['getUpkeepStatus', 'onTokenTransfer'].includes(name))
    assert.ok(views.length > 50, `${views.length} views`)
    for (const view of views) {
      const args = view.inputs.map((input) => input.type.startsWith('uint') && !/uint256|uint96/.test(input.type) ? 0 : zero(input))
      await read(REGISTRY, [view], view.name, args)
    }
    const [state, config] = await read(REGISTRY, registry.abi, 'getState')
    const ids = await read(REGISTRY, registry.abi, 'getActiveUpkeepIDs', [0n, 0n])
    assert.equal(state.numUpkeeps, BigInt(ids.length))
    assert.equal(config.checkGasLimit, 10_000_000)
  })
})

describe('over WebSocket', () => {
  /** A connection that keeps what it is told, by subscription. */
  async function connect() {
    const socket = new WebSocket(process.env.WS_URL)
    await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }))
    const [waiting, told] = [new Map(), []]
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data)
      if (message.method === 'plasma_subscription') told.push(message.params)
      else waiting.get(message.id)(message)
    }
    const call = (method, ...params) => new Promise((resolve, reject) => {
      const id = waiting.size + 1
      waiting.set(id, ({ result, error }) => error ? reject(new Error(error.message)) : resolve(result))
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
    })
    return { call, of: (id) => told.filter(({ subscription }) => subscription === id).map(({ result }) => result), close: () => socket.close() }
  }

  test('decisions and ticks are told as they are made', async () => {
    const target = await deploy('Witness')
    const id = await register(target)
    const socket = await connect()
    const decisions = await socket.call('plasma_subscribe', 'upkeeps', { upkeep: hex(id), outcomes: ['performed', 'paused'] })
    const ticks = await socket.call('plasma_subscribe', 'ticks')
    const from = await head() + 1
    await send(target, witness.abi, 'want', [true])
    await mine(2)
    await stop(id)
    const to = await head()
    const expected = (await rpc('keeper_history', hex(id), toHex(from), toHex(to)))
      .filter(({ outcome }) => ['performed', 'paused'].includes(outcome))
    assert.ok(expected.length >= 3)
    await until('all decisions', () => socket.of(decisions).length >= expected.length)
    assert.deepEqual(socket.of(decisions).filter(({ block }) => block <= to), expected)
    for (const { tx, block } of expected.filter(({ outcome }) => outcome === 'performed')) {
      const tick = socket.of(ticks).find(({ transactions }) => transactions.some(({ hash }) => hash === tx))
      assert.ok(tick, `no tick with ${tx}`)
      assert.equal(Number(tick.blockNumber), block)
      const { status, gasUsed, logs } = tick.transactions.find(({ hash }) => hash === tx)
      const receipt = await rpc('eth_getTransactionReceipt', tx)
      assert.deepEqual({ status, gasUsed, logs }, { status: receipt.status, gasUsed: receipt.gasUsed, logs: receipt.logs })
    }
    for (const subscription of [decisions, ticks]) assert.equal(await socket.call('plasma_unsubscribe', subscription), true)
    await assert.rejects(socket.call('plasma_subscribe', 'upkeeps', { outcomes: ['fired'] }), /there is no outcome "fired"/)
    socket.close()
  })
})

describe('the audit', () => {
  const audit = (node) => runCommand(['keeper', 'audit', '--from', '1', '--rpc', node], { env: process.env })

  test('finds that the record of all of the above is true', async () => {
    const { code, stdout, stderr } = await audit(url)
    assert.equal(code, 0, stdout + stderr)
    const [, blocks, upkeeps, performed, explained, notNeeded, confirmed, undecided] = stdout.match(
      /^(\d+) blocks, (\d+) upkeeps in them: (\d+) performed, (\d+) explained, (\d+) not needed \((\d+) confirmed, (\d+) not decidable\); 0 missed, 0 contradicted\n$/).map(Number)
    assert.ok(blocks >= 50 && performed >= 50 && explained >= 50 && confirmed >= 50, stdout)
    assert.equal(performed + explained + notNeeded, upkeeps)
    assert.equal(confirmed + undecided, notNeeded)
  })

  for (const [what, outcome, words] of [
    ['a perform that is left out', 'performed', /was performed .*of which the record does not tell/],
    ['a due upkeep that is left out', 'simulationReverted', /was due, and the record says that it was not/]
  ]) {
    test(`finds ${what}`, async () => {
      let left = 1
      const node = await liar((decision) => decision.outcome === outcome && left-- > 0)
      const { code, stdout, stderr } = await audit(node.url)
      node.stop()
      assert.notEqual(code, 0)
      assert.match(stdout, words)
      assert.match(stderr, /the keeper's record is wrong in 1 places/)
    })
  }

  test('says what is wrong with a range', async () => {
    for (const [args, words] of [[['--from', '0'], /begin with --from 1/], [['--from', '5', '--to', '4'], /begins with block 5/],
      [['--from', '1', '--to', '999999'], /does not exist yet/]]) {
      const { code, stderr } = await runCommand(['keeper', 'audit', ...args, '--rpc', url], { env: process.env })
      assert.notEqual(code, 0)
      assert.match(stderr, words)
    }
  })
})
