// Upkeeps on the running node that RPC_URL names: registered with plain transactions, read from events.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { decodeEventLog, decodeFunctionResult, encodeAbiParameters, encodeFunctionData, parseEther, parseEventLogs, toHex } from 'viem'
import { accounts, REGISTRY } from './accounts.mjs'
import { artifact, runCommand } from './node.mjs'
import { client, receiptOf } from './rpc.mjs'

export const url = process.env.RPC_URL
export const rpc = client(url)
export const registry = artifact('Registry')
export const admin = accounts[1]
export const ADMIN = 1
export const PERFORM_GAS = 300_000

export const head = async () => Number(await rpc('eth_blockNumber'))
export const mine = (blocks = 1) => rpc('hardhat_mine', toHex(blocks))
export const read = async (address, abi, functionName, args = [], block = 'latest') => {
  const data = await rpc('eth_call', { to: address, data: encodeFunctionData({ abi, functionName, args }) }, block)
  return decodeFunctionResult({ abi, functionName, data })
}

export async function send(to, abi, functionName, args = [], { from = admin.address, value = 0n } = {}) {
  const hash = await rpc('eth_sendTransaction', {
    from, to, data: encodeFunctionData({ abi, functionName, args }), value: toHex(value)
  })
  const receipt = await receiptOf(url, hash)
  assert.equal(receipt.status, '0x1', `${functionName} reverted`)
  return receipt
}

export async function deploy(name, args = []) {
  const { abi, bytecode } = artifact(name)
  const data = args.length
    ? bytecode + encodeAbiParameters(abi.find(({ type }) => type === 'constructor').inputs, args).slice(2) : bytecode
  const hash = await rpc('eth_sendTransaction', { from: admin.address, data })
  return (await receiptOf(url, hash)).contractAddress
}

export const idIn = (receipt) => parseEventLogs({ abi: registry.abi, logs: receipt.logs, eventName: 'UpkeepRegistered' })[0].args.id
export const hex = (id) => toHex(id, { size: 32 })
export const interval = (blocks, ms = 0n) => encodeAbiParameters([{ type: 'uint64' }, { type: 'uint64' }], [blocks, ms])

/** Registers and funds with plain transactions. */
export async function register(target, { type = 0, config = '0x', checkData = '0x', gas = PERFORM_GAS, fund = parseEther('1') } = {}) {
  const id = idIn(await send(REGISTRY, registry.abi, 'registerUpkeep',
    [target, gas, admin.address, type, checkData, config, '0x']))
  if (fund) await send(REGISTRY, registry.abi, 'addFunds', [id, fund], { value: fund })
  return id
}

export const stop = (id) => send(REGISTRY, registry.abi, 'pauseUpkeep', [id])

/** All performs of an upkeep in a range of blocks, each with its log. */
export async function performs(id, from, to = 'latest') {
  const logs = await rpc('eth_getLogs', {
    address: REGISTRY, fromBlock: toHex(from), toBlock: to === 'latest' ? to : toHex(to),
    topics: ['0xad8cc9579b21dfe2c2f6ea35ba15b656e46b4f5b0cb424f52739b8ce5cac9c5b', hex(id)]
  })
  return logs.map((log) => ({
    block: Number(log.blockNumber), hash: log.transactionHash,
    ...decodeEventLog({ abi: registry.abi, topics: log.topics, data: log.data }).args
  }))
}

/** Asserts that there is exactly one perform in each of these blocks and none elsewhere in the range. */
export async function performedIn(id, blocks, from, to) {
  assert.deepEqual((await performs(id, from, to)).map(({ block }) => block), blocks)
}

export const range = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => from + index)

/** Runs `plasma-node keeper`, which must succeed. */
export async function keeper(...args) {
  const { code, stdout, stderr } = await runCommand(['keeper', ...args], { env: { PLASMA_RPC_URL: url } })
  assert.equal(code, 0, `keeper ${args.join(' ')}: ${stderr}`)
  return { stdout: stdout.trim(), stderr }
}

/** A node that leaves decisions out of its keeper's record. */
export async function liar(leftOut) {
  const server = createServer(async (request, response) => {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks).toString()
    const answer = await (await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).json()
    if (JSON.parse(body).method === 'keeper_history') answer.result = answer.result.filter((decision) => !leftOut(decision))
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(answer))
  })
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening))
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() }
}
