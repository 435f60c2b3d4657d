// The applications in contracts/examples, deployed and registered on a real node: each is served in the block in which it
// becomes due, and no money comes or goes.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeFunctionResult, encodeAbiParameters, encodeFunctionData, parseEther, parseEventLogs, toHex } from 'viem'
import { accounts, REGISTRY } from '../lib/accounts.mjs'
import { artifact, runCommand } from '../lib/node.mjs'
import { client, receiptOf } from '../lib/rpc.mjs'

const url = process.env.RPC_URL
const rpc = client(url)
const registry = artifact('Registry')
const owner = accounts[1]
const players = accounts.slice(2, 19)
const spender = accounts[19]
const OWNER = 1

const head = async () => Number(await rpc('eth_blockNumber'))
const mine = (blocks = 1) => rpc('hardhat_mine', toHex(blocks))
const timeOf = async (block) => Number((await rpc('eth_getBlockByNumber', typeof block === 'number' ? toHex(block) : block, false)).timestamp)
const balanceOf = async (address, block = 'latest') => BigInt(await rpc('eth_getBalance', address, block))
const evaluations = async () => Number((await rpc('keeper_stats')).evaluations)
const range = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => from + index)
const blockTag = (block) => block === undefined ? 'latest' : toHex(block)
const sum = (amounts) => amounts.reduce((left, right) => left + right, 0n)

/** A deployed example. */
class Contract {
  constructor(name, address) {
    Object.assign(this, { address, abi: artifact(name).abi })
  }

  static async deploy(name, args = [], from = owner) {
    const { abi, bytecode } = artifact(name)
    const inputs = abi.find(({ type }) => type === 'constructor')?.inputs ?? []
    const data = bytecode + encodeAbiParameters(inputs, args).slice(2)
    const { contractAddress } = await receiptOf(url, await rpc('eth_sendTransaction', { from: from.address, data }))
    return new Contract(name, contractAddress)
  }

  /** Sends a call, which must succeed; answers the number of its block. */
  async send(functionName, args = [], { from = owner, value = 0n } = {}) {
    const hash = await rpc('eth_sendTransaction', {
      from: from.address, to: this.address, value: toHex(value), data: encodeFunctionData({ abi: this.abi, functionName, args })
    })
    const receipt = await receiptOf(url, hash)
    assert.equal(receipt.status, '0x1', `${functionName} reverted`)
    return Number(receipt.blockNumber)
  }

  async read(functionName, args = [], from = undefined, block = undefined) {
    const data = encodeFunctionData({ abi: this.abi, functionName, args })
    return decodeFunctionResult({
      abi: this.abi, functionName, data: await rpc('eth_call', { from: from?.address, to: this.address, data }, blockTag(block))
    })
  }

  /** All events of a name in a range of blocks, each with its block. */
  async events(eventName, from = 0, to = undefined) {
    const logs = await rpc('eth_getLogs', { address: this.address, fromBlock: toHex(from), toBlock: blockTag(to) })
    return parseEventLogs({ abi: this.abi, logs, eventName }).map(({ args, blockNumber }) => ({ ...args, block: Number(blockNumber) }))
  }
}

const registryContract = new Contract('Registry', REGISTRY)

/** An upkeep that was registered by the command line, as the pages in docs/examples do. */
class Upkeep {
  static async register(target, ...options) {
    const { code, stdout, stderr } = await runCommand(
      ['keeper', 'register', target.address, '--fund', '1', '--dev-account', `${OWNER}`, ...options], { env: { PLASMA_RPC_URL: url } })
    assert.equal(code, 0, stderr)
    return Object.assign(new Upkeep(), { id: stdout.trim() })
  }

  /** The decisions that are listed of it in a range of blocks. */
  history(from, to = undefined) {
    return rpc('keeper_history', this.id, toHex(from), blockTag(to))
  }

  /** Its performs in a range of blocks, which must all have succeeded. The keeper's record and the registry's events must agree. */
  async performs(from, to = undefined) {
    const events = (await registryContract.events('UpkeepPerformed', from, to)).filter(({ id }) => id === BigInt(this.id))
    const recorded = (await this.history(from, to)).filter(({ outcome }) => outcome.startsWith('performed'))
    assert.deepEqual(recorded.map(({ block, outcome }) => [block, outcome]), events.map(({ block }) => [block, 'performed']))
    assert.ok(events.every(({ success }) => success))
    return events
  }

  async performedIn(blocks, from, to = undefined) {
    assert.deepEqual((await this.performs(from, to)).map(({ block }) => block), blocks)
  }

  stop() {
    return registryContract.send('pauseUpkeep', [BigInt(this.id)])
  }
}

describe('AutoFunder', () => {
  test('helps an account in the block in which it has too little', async () => {
    const funder = await Contract.deploy('AutoFunder', [parseEther('1'), parseEther('2')])
    await rpc('eth_sendTransaction', { from: owner.address, to: funder.address, value: toHex(parseEther('10')) })
    const upkeep = await Upkeep.register(funder, '--resolver', funder.address)
    const from = await funder.send('watch', [spender.address])
    await mine(2)
    await upkeep.performedIn([], from)
    const all = await balanceOf(spender.address)
    const gasPrice = BigInt(await rpc('eth_gasPrice')) * 2n
    const hash = await rpc('eth_sendTransaction', {
      from: spender.address, to: owner.address, gas: toHex(21_000), gasPrice: toHex(gasPrice),
      value: toHex(all - parseEther('0.5') - 21_000n * gasPrice)
    })
    const spent = Number((await receiptOf(url, hash)).blockNumber)
    await mine(2)
    await upkeep.performedIn([spent], from)
    assert.equal(await balanceOf(spender.address), parseEther('2'))
    const [{ amount }] = await funder.events('Funded')
    assert.equal(await balanceOf(funder.address), parseEther('10') - amount)
    await upkeep.stop()
  })
})

describe('PredictionMarket', () => {
  const [oracle, ...bettors] = players
  const bets = [[true, 3n], [true, 10n ** 18n + 1n], [false, 10n ** 18n + 7n], [true, 7n], [false, 5n]]
  const total = sum(bets.map(([, amount]) => amount))

  /** A market with its bets, whose betting is over. */
  async function market() {
    const now = await timeOf('latest')
    const contract = await Contract.deploy('PredictionMarket', [oracle.address, BigInt(now + 100), BigInt(now + 200)])
    const upkeep = await Upkeep.register(contract)
    for (const [index, [yes, value]] of bets.entries()) await contract.send('bet', [yes], { from: bettors[index], value })
    await rpc('evm_setNextBlockTimestamp', now + 100)
    return { contract, upkeep, deadline: now + 200, from: await head() + 1 }
  }

  /** Lets blocks come up to and past the deadline; answers the first that is not before it. */
  async function pass({ contract, upkeep, deadline, from }) {
    // Otherwise the node makes the block itself as soon as its clock is there.
    await rpc('evm_setAutomine', false)
    for (const time of [deadline - 1, deadline, deadline + 1]) {
      if (time === deadline) await assert.rejects(contract.read('performUpkeep', ['0x']), 'not due yet')
      await rpc('evm_setNextBlockTimestamp', time)
      await mine()
    }
    await rpc('evm_setAutomine', true)
    const due = []
    for (const block of range(from, await head())) if (await timeOf(block) >= deadline) due.push(block)
    await upkeep.performedIn(due.slice(0, 1), from)
    assert.equal(await timeOf(due[0]), deadline)
    await assert.rejects(contract.read('performUpkeep', ['0x']), 'settled already')
    return due[0]
  }

  async function claims(contract, indices) {
    for (const index of indices) await contract.send('claim', [], { from: bettors[index] })
    return (await contract.events('Claimed')).map(({ amount }) => amount)
  }

  test('settles in the first block at its deadline, and pays out all that was bet', async () => {
    const open = await market()
    await open.contract.send('report', [false], { from: oracle })
    await open.contract.send('report', [true], { from: oracle })
    const block = await pass(open)
    assert.deepEqual(await open.contract.events('Settled'),
      [{ outcome: 1, yesPool: 10n ** 18n + 11n, noPool: 10n ** 18n + 12n, block }])
    assert.equal(await balanceOf(open.contract.address), total)
    const paid = await claims(open.contract, [0, 3, 1])
    assert.equal(sum(paid), total)
    for (const [place, index] of [0, 3, 1].entries()) {
      const share = bets[index][1] * total / (10n ** 18n + 11n)
      assert.ok(paid[place] >= share && paid[place] <= share + 2n, `${paid[place]}, share ${share}`)
    }
    assert.equal(await balanceOf(open.contract.address), 0n)
    await assert.rejects(open.contract.read('claim', [], bettors[2]), 'who was wrong gets nothing')

    const before = await evaluations()
    await mine(5)
    assert.equal(await evaluations(), before, 'a settled market is not checked any more')
    await open.upkeep.stop()
  })

  test('gives everything back where the oracle is silent', async () => {
    const open = await market()
    const block = await pass(open)
    assert.deepEqual((await open.contract.events('Settled')).map(({ outcome, block: of }) => [outcome, of]), [[3, block]])
    assert.deepEqual(await claims(open.contract, [0, 1, 2, 3, 4]), bets.map(([, amount]) => amount))
    assert.equal(await balanceOf(open.contract.address), 0n)
    await open.upkeep.stop()
  })
})

describe('GameTick', () => {
  test('ticks every third block, at the same cost however many play', async () => {
    const game = await Contract.deploy('GameTick')
    const upkeep = await Upkeep.register(game, '--every-blocks', '3', '--gas', '100000')
    const registered = await head()
    await mine(4)
    // Due, but no tick is taken yet: nothing is sent and nothing charged.
    await upkeep.performedIn([], registered)
    const waiting = (await upkeep.history(registered)).at(-1)
    assert.equal(waiting.outcome, 'simulationReverted', JSON.stringify(waiting))
    const forwarder = await registryContract.read('getForwarder', [BigInt(upkeep.id)])
    const first = await game.send('setForwarder', [forwarder])
    await game.send('join', [], { from: players[0] })
    await mine(9)
    await upkeep.performedIn([first, first + 3, first + 6, first + 9], registered, first + 10)
    assert.equal(await game.read('grainOf', [players[0].address], undefined, first + 10), 8n, 'summer, autumn and winter')

    for (const player of players.slice(1, 12)) await game.send('join', [], { from: player })
    await mine(7)
    // The node makes a block itself where a tick is due in it, so blocks may still come.
    const last = await head()
    const blocks = range(0, Math.floor((last - first) / 3)).map((tick) => first + 3 * tick)
    await upkeep.performedIn(blocks, registered, last)
    const ticks = await game.events('Ticked', registered, last)
    assert.deepEqual(ticks.map(({ tick, block, blockNumber }) => [tick, block, blockNumber]),
      blocks.map((block, index) => [BigInt(index + 1), block, BigInt(block)]))
    const gas = (await upkeep.performs(registered, last)).map(({ gasUsed }) => gasUsed)
    // The first tick writes to a slot that was empty.
    assert.deepEqual(new Set(gas.slice(1).map((each) => each / 100n)).size, 1, `gas of ticks: ${gas}`)
    assert.equal(await game.read('grainOf', [players[0].address], undefined, last), sum(ticks.slice(1).map(({ perField }) => perField)))

    // A stranger cannot hurry the world.
    await assert.rejects(game.read('performUpkeep', ['0x'], players[0]))
    await upkeep.stop()
  })
})

describe('NettingSettlement', () => {
  const MOST_GAS = 350_000n

  test('clears when the threshold is reached, ten pairs a block', async () => {
    const members = players.slice(0, 16)
    // The first pairs have no member in common: as many slots as can be are touched.
    const pairs = [...range(0, 7).map((index) => [index, index + 8]), ...range(0, 15).map((index) => [index, (index + 1) % 16]), [0, 2]]
      .map((pair) => pair.map((index) => members[index]))
    const house = await Contract.deploy('NettingSettlement', [parseEther('30')])
    const upkeep = await Upkeep.register(house)
    for (const member of members) {
      await house.send('admit', [member.address])
      await house.send('deposit', [], { from: member, value: parseEther('10') })
    }
    const from = await head()
    // Five pairs owe each other: a quarter of what stands between them goes back.
    for (const [debtor, creditor] of pairs.slice(0, 5)) await house.send('owe', [debtor.address, parseEther('0.8')], { from: creditor })
    for (const [debtor, creditor] of pairs.slice(0, -1)) await house.send('owe', [creditor.address, parseEther('1')], { from: debtor })
    await upkeep.performedIn([], from)
    assert.equal(await house.read('outstanding'), parseEther('28'))
    const [debtor, creditor] = pairs.at(-1)
    const block = await house.send('owe', [creditor.address, parseEther('2')], { from: debtor })
    await mine(4)

    await upkeep.performedIn([block, block + 1, block + 2], from)
    for (const { gasUsed } of await upkeep.performs(from)) assert.ok(gasUsed < MOST_GAS, `${gasUsed} gas`)
    assert.deepEqual((await house.events('RoundAdvanced')).map(({ cleared, left, block: of }) => [cleared, left, of]),
      [[10n, 15n, block], [10n, 5n, block + 1], [5n, 0n, block + 2]])
    const cleared = await house.events('Cleared')
    assert.equal(sum(cleared.map(({ gross }) => gross)), parseEther('30'))
    assert.equal(sum(cleared.map(({ net }) => net)), parseEther('22'), 'what moved: 5 times 0.2, 19 times 1, and 2')
    assert.equal(await house.read('outstanding'), 0n)
    const [deposits, positions] = [[], []]
    for (const { address } of members) {
      const [, deposit, position] = await house.read('members', [address])
      deposits.push(deposit)
      positions.push(position)
    }
    assert.ok(positions.every((position) => position === 0n))
    assert.equal(sum(deposits), parseEther('160'))
    assert.equal(await balanceOf(house.address), parseEther('160'))
    for (const [index, member] of members.entries()) {
      const before = await balanceOf(member.address)
      await house.send('withdraw', [deposits[index]], { from: member })
      assert.ok(await balanceOf(member.address) > before)
    }
    assert.equal(await balanceOf(house.address), 0n)
    await upkeep.stop()
  })
})

describe('LiquidationWatcher', () => {
  const price = (dollars) => parseEther(`${dollars}`)
  const rangeData = (from, to) => encodeAbiParameters([{ type: 'uint256' }, { type: 'uint256' }], [from, to])
  let oracle, vault

  /** The vault's ether and dollars add up. */
  async function addsUp() {
    let [held, owed] = [await vault.read('reserve'), await vault.read('writtenOff')]
    for (const id of range(0, Number(await vault.read('count')) - 1)) {
      const [, collateral, debt] = await vault.read('positions', [BigInt(id)])
      held += collateral
      owed += debt
    }
    assert.equal(await balanceOf(vault.address), held)
    let dollars = 0n
    for (const { address } of players) dollars += await vault.read('dollars', [address])
    assert.equal(dollars, owed)
  }

  test('liquidates in the block of the price, in both ranges, and looks at nothing while nothing changes', async () => {
    oracle = await Contract.deploy('PriceOracle', [price(2000)])
    vault = await Contract.deploy('LendingVault', [oracle.address])
    const watcher = await Contract.deploy('LiquidationWatcher', [vault.address])
    const low = await Upkeep.register(watcher, '--check-data', rangeData(0n, 12n), '--gas', '1000000')
    const high = await Upkeep.register(watcher, '--check-data', rangeData(12n, 1000n), '--gas', '1000000')
    // Eleven of the first twelve and five of the others hold one ether for 1,000 dollars, the rest two.
    const risky = [...range(0, 10), 13, 15, 17, 19, 21]
    for (const id of range(0, 23)) {
      await vault.send('open', [parseEther('1000')], { from: players[id % players.length], value: parseEther(risky.includes(id) ? '1' : '2') })
    }
    const from = await head()
    await oracle.send('setPrice', [price(1300)])
    await mine(2)
    const looked = await evaluations()
    await mine(5)
    assert.equal(await evaluations(), looked, 'no check while neither price nor positions change')
    for (const upkeep of [low, high]) await upkeep.performedIn([], from)
    assert.equal(await vault.read('isLiquidatable', [0n]), false, '130 percent are enough')

    const fallen = await oracle.send('setPrice', [price(1200)])
    await mine(3)
    await low.performedIn([fallen, fallen + 1], from)
    await high.performedIn([fallen], from)
    const liquidated = await vault.events('Liquidated')
    assert.deepEqual(liquidated.map(({ id }) => Number(id)).sort((left, right) => left - right), risky)
    assert.deepEqual(liquidated.filter(({ block }) => block !== fallen).map(({ id, block }) => [id, block]), [[10n, fallen + 1]])
    assert.equal(await vault.read('writtenOff'), parseEther('16000'))
    await addsUp()
    await high.stop()

    // A stranger in the block of the next fall is as good: the keeper passes over what was done already.
    await rpc('evm_setAutomine', false)
    const gas = toHex(500_000)
    const hashes = []
    for (const [contract, functionName, args, sender] of [[oracle, 'setPrice', [price(600)], owner], [vault, 'liquidate', [11n], players[3]]]) {
      hashes.push(await rpc('eth_sendTransaction', {
        from: sender.address, to: contract.address, gas, data: encodeFunctionData({ abi: contract.abi, functionName, args })
      }))
    }
    await rpc('evm_setAutomine', true)
    await mine()
    for (const hash of hashes) assert.equal((await receiptOf(url, hash)).status, '0x1')
    await mine(2)
    await low.performedIn([fallen, fallen + 1], from)
    assert.equal((await vault.events('Liquidated')).filter(({ id }) => id === 11n).length, 1)
    await addsUp()
    await low.stop()
  })
})
