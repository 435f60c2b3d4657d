// Kills a node with -9 at random moments while it works, starts it again on the same data directory, and checks that
// nothing is missing of what it had told: every receipt that was seen, every transaction and perform that stood in the
// pending block (a pre-confirmation), every perform that was seen, and that no upkeep was performed twice for one piece of
// work, or for one log.
//
// Half of the kills hit a node that makes a block a second, the other half one that mines on demand.
// KILLS (300) and SEED say how many and which.
import assert from 'node:assert/strict'
import { decodeAbiParameters, decodeEventLog, encodeAbiParameters, encodeFunctionData, parseEther, parseEventLogs, parseGwei, toEventSelector, toHex, zeroHash } from 'viem'
import { accounts, REGISTRY } from '../lib/accounts.mjs'
import { artifact, panics, startNode, temporaryFolder } from '../lib/node.mjs'
import { call, client, receiptOf } from '../lib/rpc.mjs'

const KILLS = Number(process.env.KILLS ?? 300)
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32))
const SENDERS = accounts.slice(2, 10)
/** Transactions that an account sends before it waits for their receipts. */
const BURST = 10
const INTERVALS = 3
/** Topic of UpkeepPerformed. */
const PERFORMED = '0xad8cc9579b21dfe2c2f6ea35ba15b656e46b4f5b0cb424f52739b8ce5cac9c5b'

/** mulberry32: the same kills again for the same seed. */
function generator(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const random = generator(SEED)
const between = (low, high) => low + random() * (high - low)
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const registry = artifact('Registry')
const counter = artifact('Counter')
const heartbeat = artifact('Heartbeat')
const ear = artifact('Ear')
const WORKED = toEventSelector('Worked(uint256,uint256)')
/** Trigger types of logs: delivered from the next block on, and within their block. */
const [LOG, SAME_BLOCK_LOG] = [1, 5]

/** One chain and all that its nodes have ever told. */
class Witnessed {
  /** Receipts that were seen, by transaction hash. */
  receipts = new Map()
  /** UpkeepPerformed logs that were seen, by transaction hash. */
  performs = new Map()
  /** Hashes of blocks that were seen. */
  blocks = new Map()
  /** Transactions that stood in a pending block: its number, the place in it and who sent them. */
  preconfirmed = new Map()
  /** Those of them of which no receipt was seen before a kill. */
  cut = 0
  foretold = 0
  kills = 0
  sent = 0
}

async function send(url, from, transaction) {
  const receipt = await receiptOf(url, await call(url, 'eth_sendTransaction', [{ from: from.address, ...transaction }]))
  assert.equal(receipt.status, '0x1')
  return receipt
}

async function register(url, target, type, config) {
  const admin = accounts[1]
  const receipt = await send(url, admin, { to: REGISTRY, data: encodeFunctionData({ abi: registry.abi,
    functionName: 'registerUpkeep', args: [target, 500_000, admin.address, type, '0x', config, '0x'] }) })
  const { id } = parseEventLogs({ abi: registry.abi, logs: receipt.logs, eventName: 'UpkeepRegistered' })[0].args
  await send(url, admin, { to: REGISTRY, value: toHex(parseEther('100')), data: encodeFunctionData({
    abi: registry.abi, functionName: 'addFunds', args: [id, parseEther('100')] }) })
  return id
}

/** Contracts and upkeeps, made once before the first kill. */
async function furnish(url) {
  const deploy = async ({ bytecode }) => (await send(url, accounts[1], { data: bytecode })).contractAddress
  const queue = await deploy(counter)
  const conditional = await register(url, queue, 0, '0x')
  const beats = []
  for (let index = 0; index < INTERVALS; index++) {
    const target = await deploy(heartbeat)
    const interval = encodeAbiParameters([{ type: 'uint64' }, { type: 'uint64' }], [1n, 0n])
    beats.push({ target, id: await register(url, target, 2, interval) })
  }
  // Two upkeeps are performed for each log of the queue's work.
  const config = encodeAbiParameters(['address', 'uint8', 'bytes32', 'bytes32', 'bytes32', 'bytes32'].map((type) => ({ type })),
    [queue, 0, WORKED, zeroHash, zeroHash, zeroHash])
  const ears = []
  for (const type of [LOG, SAME_BLOCK_LOG]) ears.push({ type, id: await register(url, await deploy(ear), type, config) })
  return { queue, conditional, beats, ears }
}

/** Names a perform: several may share a transaction, and one upkeep may be performed for many logs. */
const placeOf = ({ transactionHash, logIndex }) => `${transactionHash}/${Number(logIndex)}`

/** Sends transfers and work for the upkeeps, and writes down all that the node tells, until it is gone. */
async function load(url, queue, seen, stopped) {
  const rpc = client(url)
  const chainId = Number(await rpc('eth_chainId'))
  // What fails because the node was just killed is no failure; anything else is.
  const untilKilled = (work) => work().catch((error) => {
    if (!stopped.now) throw error
  })

  const submit = async (account, nonce) => {
    const work = nonce % 4 === 0
    const raw = await account.signTransaction({
      type: 'eip1559', chainId, nonce, maxFeePerGas: parseGwei('100'), maxPriorityFeePerGas: 1n, gas: 100_000n,
      to: work ? queue : accounts[0].address, value: work ? 0n : 1n,
      data: work ? encodeFunctionData({ abi: counter.abi, functionName: 'request', args: [3n] }) : '0x'
    })
    try {
      const hash = await rpc('eth_sendRawTransaction', raw)
      seen.sent++
      return [hash]
    } catch (error) {
      // Sent before the last kill, and executed in the block that was open then.
      if (stopped.now || !/nonce too low|already known|replacement/.test(error.message)) throw error
      return []
    }
  }

  const sender = async (account) => {
    let nonce = Number(await rpc('eth_getTransactionCount', account.address, 'latest'))
    while (!stopped.now) {
      const hashes = []
      for (let index = 0; index < BURST; index++) hashes.push(...await submit(account, nonce++))
      for (const hash of hashes) seen.receipts.set(hash, await receiptOf(url, hash))
    }
  }

  const watcher = async () => {
    let from = Number(await rpc('eth_blockNumber'))
    while (!stopped.now) {
      const head = await rpc('eth_getBlockByNumber', 'latest', false)
      seen.blocks.set(Number(head.number), head.hash)
      const logs = await rpc('eth_getLogs', { address: REGISTRY, topics: [PERFORMED], fromBlock: toHex(Math.max(0, from)), toBlock: head.number })
      for (const log of logs) seen.performs.set(placeOf(log), log)
      from = Number(head.number)
      await sleep(20)
    }
  }

  // What stands in the pending block is in the journal, and must be in the chain at that very place.
  const foreteller = async () => {
    while (!stopped.now) {
      const { number, transactions } = await rpc('eth_getBlockByNumber', 'pending', false)
      for (const [index, hash] of transactions.entries()) seen.preconfirmed.set(hash, { number, index })
      await sleep(10)
    }
  }

  await Promise.all([
    ...SENDERS.map((account) => untilKilled(() => sender(account))), untilKilled(watcher), untilKilled(foreteller)])
}

/** Asserts that a restarted node has all that was seen, and that its performs are consistent. */
async function check(url, seen, { queue, conditional, beats, ears }, { everything }) {
  const rpc = client(url)
  const head = Number(await rpc('eth_blockNumber'))
  for (const [number, hash] of seen.blocks) {
    if (number < head - 300 && !everything) continue
    const block = await rpc('eth_getBlockByNumber', toHex(number), false)
    assert.equal(block?.hash, hash, `block ${number} was seen with another hash, or is gone`)
  }
  const receipts = everything ? [...seen.receipts] : [...seen.receipts].slice(-400)
  for (let at = 0; at < receipts.length; at += 100) {
    await Promise.all(receipts.slice(at, at + 100).map(async ([hash, receipt]) =>
      assert.deepEqual(await rpc('eth_getTransactionReceipt', hash), receipt, `the receipt of ${hash} changed, or is gone`)))
  }

  // What was pre-confirmed since the last kill is there, at the place that was told, or stands in the open block again.
  for (const [hash, { number, index }] of seen.preconfirmed) {
    const transaction = await rpc('eth_getTransactionByHash', hash)
    assert.ok(transaction, `the pre-confirmed transaction ${hash} of block ${Number(number)} is gone`)
    if (!seen.receipts.has(hash)) seen.cut++
    const receipt = await receiptOf(url, hash)
    assert.deepEqual([receipt.blockNumber, Number(receipt.transactionIndex)], [number, index],
      `the pre-confirmed transaction ${hash} stands at another place than was told`)
  }
  seen.foretold += seen.preconfirmed.size
  seen.preconfirmed.clear()

  // Every perform that was seen is there once; every upkeep has at most one perform in a block.
  const logs = []
  for (let from = 0; from <= head; from += 1000) {
    logs.push(...await rpc('eth_getLogs', {
      address: REGISTRY, topics: [PERFORMED], fromBlock: toHex(from), toBlock: toHex(Math.min(head, from + 999)) }))
  }
  const byPlace = new Map()
  for (const log of logs) byPlace.set(placeOf(log), [...byPlace.get(placeOf(log)) ?? [], log])
  for (const [place, log] of seen.performs) {
    const found = byPlace.get(place)
    assert.equal(found?.length, 1, `the perform ${place} was seen, but is there ${found?.length ?? 0} times`)
    assert.deepEqual(found[0], log)
  }
  const byLog = new Set(ears.map(({ id }) => toHex(id, { size: 32 })))
  const places = logs.filter((log) => !byLog.has(log.topics[1])).map((log) => `${log.topics[1]} in block ${Number(log.blockNumber)}`)
  assert.equal(new Set(places).size, places.length, 'an upkeep was performed twice in one block')

  // The contracts counted as often as the registry says that they were performed, at one block.
  const at = toHex(head)
  const read = async (address, functionName, abi) =>
    BigInt(await rpc('eth_call', { to: address, data: encodeFunctionData({ abi, functionName }) }, at))
  const successes = (id) => logs.filter((log) =>
    BigInt(log.topics[1]) === id && BigInt(log.topics[2]) === 1n && Number(log.blockNumber) <= head)
  for (const { target, id } of beats) {
    assert.equal(Number(await read(target, 'beats', heartbeat.abi)), successes(id).length, 'beats and performs differ')
  }
  const [done, requested] = [await read(queue, 'done', counter.abi), await read(queue, 'requested', counter.abi)]
  assert.ok(done <= requested)
  const pieces = await workedPieces(rpc, queue, head)
  assert.equal(pieces, done, 'the work done and its events differ')
  assert.ok(successes(conditional).length * 10 >= Number(done))
  for (const { type, id } of ears) await checkEar(rpc, queue, type, successes(id), head)
  return { head, performs: logs.length }
}

/** Asserts that an upkeep was performed once for every log of the queue, save those that may still wait. */
async function checkEar(rpc, queue, type, performs, head) {
  const triggers = performs.map((log) => {
    const { trigger } = decodeEventLog({ abi: registry.abi, topics: log.topics, data: log.data }).args
    const [, txHash, logIndex] = decodeAbiParameters(['bytes32', 'bytes32', 'uint32'].map((kind) => ({ type: kind })), trigger)
    return `${txHash} ${logIndex}`
  })
  const served = new Set(triggers)
  assert.equal(served.size, triggers.length, `upkeep of type ${type} was performed twice for one log`)
  let known = 0
  for (let from = 0; from <= head; from += 1000) {
    const logs = await rpc('eth_getLogs', { address: queue, topics: [WORKED], fromBlock: toHex(from), toBlock: toHex(Math.min(head, from + 999)) })
    for (const log of logs) {
      // It does not care for the word 5.
      const wanted = BigInt(log.data.slice(0, 66)) !== 5n
      const key = `${log.transactionHash} ${Number(log.logIndex)}`
      known += Number(served.has(key))
      if (wanted && Number(log.blockNumber) < head - 1) assert.ok(served.has(key), `no perform of type ${type} for ${key}`)
      if (!wanted) assert.ok(!served.has(key), `a perform of type ${type} for a log that is not wanted`)
    }
  }
  assert.equal(known, served.size, `upkeep of type ${type} was performed for logs that are not there`)
}

async function workedPieces(rpc, queue, head) {
  let sum = 0n
  for (let from = 0; from <= head; from += 1000) {
    const logs = await rpc('eth_getLogs', { address: queue, fromBlock: toHex(from), toBlock: toHex(Math.min(head, from + 999)) })
    for (const { args } of parseEventLogs({ abi: counter.abi, logs, eventName: 'Worked' })) sum += args.pieces
  }
  return sum
}

/** Kills a node `kills` times, each after a load that lasts between `loadMs[0]` and `loadMs[1]` milliseconds. */
async function campaign(name, args, kills, loadMs) {
  const datadir = temporaryFolder('crash')
  const seen = new Witnessed()
  const start = () => startNode({ datadir, args, log: `${process.env.E2E_TMP}/${name}.node.log` })
  let node = await start()
  const things = await furnish(node.url)
  for (let kill = 1; kill <= kills; kill++) {
    const before = Number(await call(node.url, 'eth_blockNumber'))
    const stopped = { now: false }
    const working = load(node.url, things.queue, seen, stopped)
    // A failure of the load before the kill must not wait for the end of the sleep to be noticed.
    await Promise.race([sleep(between(...loadMs)), working])
    stopped.now = true
    assert.deepEqual(await node.kill(), { code: null, signal: 'SIGKILL' })
    await working
    assert.deepEqual(panics(node.stderr), [])
    node = await start()
    const { head, performs } = await check(node.url, seen, things, { everything: kill === kills || kill % 10 === 0 })
    assert.ok(head >= before, `the head went back from ${before} to ${head}`)
    seen.kills++
    console.log(`${name} ${kill}/${kills}: head ${head}, ${seen.receipts.size} receipts seen, `
      + `${seen.performs.size} performs seen, ${performs} there`)
  }
  // The chain goes on: a transfer and a perform after the last kill.
  const last = Number(await call(node.url, 'eth_blockNumber'))
  const receipt = await send(node.url, accounts[19], { to: accounts[0].address, value: '0x1' })
  assert.ok(Number(receipt.blockNumber) > last)
  for (let tries = 0; ; tries++) {
    const logs = await call(node.url, 'eth_getLogs', [{ address: REGISTRY, topics: [PERFORMED], fromBlock: toHex(last + 1), toBlock: 'latest' }])
    if (logs.length > 0) break
    assert.ok(tries < 100, 'no perform after the last restart')
    await sleep(100)
  }
  assert.deepEqual(await node.stop(), { code: 0, signal: null })
  assert.ok(seen.receipts.size > kills, 'the load was no load')
  assert.ok(seen.performs.size > kills, 'hardly any upkeep was performed')
  return seen
}

console.log(`seed ${SEED}, ${KILLS} kills`)
const half = Math.ceil(KILLS / 2)
const results = [
  await campaign('interval', ['--block-time', '1s', '--tick', '100ms'], half, [300, 4000]),
  // With one keeper account performs share transactions.
  ...(KILLS > 1 ? [await campaign('automine', ['--keeper.lanes', '1'], KILLS - half, [200, 2000])] : [])
]
const sum = (count) => results.reduce((total, seen) => total + count(seen), 0)
console.log(`${sum(({ kills }) => kills)} kills: ${sum(({ sent }) => sent)} transactions sent, `
  + `${sum(({ receipts }) => receipts.size)} receipts, ${sum(({ foretold }) => foretold)} pre-confirmations `
  + `(${sum(({ cut }) => cut)} without a receipt when the node was killed) and ${sum(({ performs }) => performs.size)} performs seen, `
  + '0 lost, 0 performed twice')
