// A small chain with work to do, a load that writes down all that a node tells, and the check that it is all still there.
import assert from 'node:assert/strict'
import { encodeAbiParameters, encodeFunctionData, parseEther, parseEventLogs, toHex } from 'viem'
import { accounts, REGISTRY } from '../lib/accounts.mjs'
import { artifact, runCommand } from '../lib/node.mjs'
import { client, receiptOf, RpcError, until } from '../lib/rpc.mjs'

const registry = artifact('Registry')
const counter = artifact('Counter')
const heartbeat = artifact('Heartbeat')
const SENDERS = accounts.slice(2, 6)
/** Topic of UpkeepPerformed. */
const PERFORMED = '0xad8cc9579b21dfe2c2f6ea35ba15b656e46b4f5b0cb424f52739b8ce5cac9c5b'

/** All that nodes of one chain have told. */
export class Witness {
  /** Receipts, by transaction hash. */
  receipts = new Map()
  /** Hashes of blocks, by number. */
  blocks = new Map()
  /** Logs of performs, by transaction hash. */
  performs = new Map()
  /** Transactions that stood in the pending block. */
  preconfirmed = new Set()
}

/** A counter with a conditional upkeep, and a heartbeat that is due in every block. */
export async function furnish(url) {
  const rpc = client(url)
  const admin = accounts[1].address
  const send = async (transaction) => {
    const receipt = await receiptOf(url, await rpc('eth_sendTransaction', { from: admin, ...transaction }))
    assert.equal(receipt.status, '0x1')
    return receipt
  }
  const deploy = async ({ bytecode }) => (await send({ data: bytecode })).contractAddress
  const register = async (target, type, config) => {
    const receipt = await send({ to: REGISTRY, data: encodeFunctionData({
      abi: registry.abi, functionName: 'registerUpkeep', args: [target, 300_000, admin, type, '0x', config, '0x'] }) })
    const { id } = parseEventLogs({ abi: registry.abi, logs: receipt.logs, eventName: 'UpkeepRegistered' })[0].args
    await send({ to: REGISTRY, value: toHex(parseEther('100')), data: encodeFunctionData({
      abi: registry.abi, functionName: 'addFunds', args: [id, parseEther('100')] }) })
  }
  const queue = await deploy(counter)
  await register(queue, 0, '0x')
  const beat = await deploy(heartbeat)
  await register(beat, 2, encodeAbiParameters([{ type: 'uint64' }, { type: 'uint64' }], [1n, 0n]))
  return { queue, beat }
}

/** Sends `rounds` rounds of transactions and writes down what the node tells; ends early where the node is gone. */
export async function load(node, { queue }, seen, rounds) {
  const rpc = client(node.url)
  // A node that stops answers with an error, or not at all. Why it stopped is for its last words to say.
  const untilGone = async (work) => {
    try {
      await work()
    } catch (error) {
      const gone = !(error instanceof RpcError) || /stopp|shut|database/i.test(error.message)
      if (!gone) throw error
      await Promise.race([node.exited, new Promise((resolve) => setTimeout(resolve, 10_000))])
      assert.ok(node.exit, `the node answered "${error.message}", but goes on as if nothing had happened`)
    }
  }
  const sender = async ({ address }, lane) => {
    for (let round = 0; round < rounds && !node.exit; round++) {
      const work = (round + lane) % 3 === 0
      const hash = await rpc('eth_sendTransaction', { from: address, gas: '0x30d40',
        to: work ? queue : accounts[0].address, value: work ? '0x0' : '0x1',
        data: work ? encodeFunctionData({ abi: counter.abi, functionName: 'request', args: [2n] }) : '0x' })
      const receipt = await until(`receipt of ${hash}`, () => rpc('eth_getTransactionReceipt', hash), { every: 5 })
      seen.receipts.set(hash, receipt)
    }
  }
  let working = true
  const watcher = async () => {
    let from = Number(await rpc('eth_blockNumber'))
    while (working && !node.exit) {
      const pending = await rpc('eth_getBlockByNumber', 'pending', false)
      for (const hash of pending.transactions) seen.preconfirmed.add(hash)
      const head = await rpc('eth_getBlockByNumber', 'latest', false)
      seen.blocks.set(Number(head.number), head.hash)
      const logs = await rpc('eth_getLogs', {
        address: REGISTRY, topics: [PERFORMED], fromBlock: toHex(from), toBlock: head.number })
      for (const log of logs) seen.performs.set(log.transactionHash, log)
      from = Number(head.number)
      await new Promise((resolve) => setTimeout(resolve, 15))
    }
  }
  const watching = untilGone(watcher)
  await Promise.all(SENDERS.map((account, lane) => untilGone(() => sender(account, lane))))
  working = false
  await watching
}

/** Asserts that a node has all that was seen before, and that the counters agree with the performs. */
export async function check(url, seen, { queue, beat }) {
  const rpc = client(url)
  for (const [number, hash] of seen.blocks) {
    assert.equal((await rpc('eth_getBlockByNumber', toHex(number), false))?.hash, hash, `block ${number} changed, or is gone`)
  }
  for (const [hash, receipt] of seen.receipts) {
    assert.deepEqual(await rpc('eth_getTransactionReceipt', hash), receipt, `the receipt of ${hash} changed, or is gone`)
  }
  // What was pre-confirmed was in the open block, which the restarted node still has to seal.
  for (const hash of seen.preconfirmed) await receiptOf(url, hash)
  const head = await rpc('eth_blockNumber')
  const logs = await rpc('eth_getLogs', { address: REGISTRY, topics: [PERFORMED], fromBlock: '0x0', toBlock: head })
  for (const [hash, log] of seen.performs) {
    assert.deepEqual(logs.filter(({ transactionHash }) => transactionHash === hash), [log], `the perform ${hash} is not there once`)
  }
  const places = logs.map(({ topics, blockNumber }) => `${topics[1]} in block ${Number(blockNumber)}`)
  assert.equal(new Set(places).size, places.length, 'an upkeep was performed twice in one block')
  const read = async (address, functionName, abi) =>
    BigInt(await rpc('eth_call', { to: address, data: encodeFunctionData({ abi, functionName }) }, head))
  const events = async (address, eventName, abi) => parseEventLogs({ abi, eventName,
    logs: await rpc('eth_getLogs', { address, fromBlock: '0x0', toBlock: head }) })
  const worked = (await events(queue, 'Worked', counter.abi)).reduce((sum, { args }) => sum + args.pieces, 0n)
  assert.equal(worked, await read(queue, 'done', counter.abi), 'the work done and its events differ')
  const succeeded = logs.filter(({ topics }) => BigInt(topics[2]) === 1n)
  const beats = await read(beat, 'beats', heartbeat.abi)
  assert.ok(beats <= BigInt(succeeded.length), 'more beats than performs')
  return Number(head)
}

/** Asserts that execution and database agree with the stored chain: every block again, and the root from flat state. */
export async function verify(datadir, head) {
  if (head > 0) {
    const { code, stdout, stderr } = await runCommand(['replay', '--datadir', datadir, '--from', '1', '--to', `${head}`, '--json'])
    assert.equal(code, 0, `replay: ${stdout.slice(-1000)}${stderr}`)
    const blocks = stdout.trim().split('\n').map((line) => JSON.parse(line))
    assert.equal(blocks.length, head)
    assert.deepEqual(blocks.filter(({ differences }) => differences.length > 0), [])
  }
  const { code, stdout, stderr } = await runCommand(['db', 'verify', '--datadir', datadir])
  assert.equal(code, 0, `db verify: ${stdout}${stderr}`)
}
