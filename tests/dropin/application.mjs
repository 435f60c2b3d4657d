// Deployed applications on the running node: what is sent to them, and what the chain says of them.
import assert from 'node:assert/strict'
import { encodeAbiParameters, encodeFunctionData, parseEventLogs, toHex } from 'viem'
import { REGISTRY } from '../lib/accounts.mjs'
import { receiptOf } from '../lib/rpc.mjs'
import { admin, idIn, mine, performs, read, registry, rpc, send, url } from '../lib/upkeeps.mjs'
import { compileAll, linked } from './compile.mjs'

const contracts = compileAll()

/** A published interface. */
export const abiOf = (name) => contracts.get(name).abi

export class Application {
  constructor(name, address) {
    Object.assign(this, { address, abi: contracts.get(name).abi })
  }

  static async deploy(name, args = [], { libraries = {} } = {}) {
    const contract = contracts.get(name)
    const inputs = contract.abi.find(({ type }) => type === 'constructor')?.inputs ?? []
    const data = linked(contract, libraries) + encodeAbiParameters(inputs, args).slice(2)
    const receipt = await receiptOf(url, await rpc('eth_sendTransaction', { from: admin.address, data }))
    assert.equal(receipt.status, '0x1', `${name} is not deployed`)
    return new Application(name, receipt.contractAddress)
  }

  /** Sends a call, which must succeed; answers the receipt. */
  send(functionName, args = [], options = {}) {
    return send(this.address, this.abi, functionName, args, options)
  }

  /** The same, in a block that is asked for; answers its number. */
  async sendAndMine(functionName, args = []) {
    const hash = await rpc('eth_sendTransaction', {
      from: admin.address, to: this.address, data: encodeFunctionData({ abi: this.abi, functionName, args })
    })
    await mine()
    const { status, blockNumber } = await receiptOf(url, hash)
    assert.equal(status, '0x1', `${functionName} reverted`)
    return Number(blockNumber)
  }

  read(functionName, args = [], block = 'latest') {
    return read(this.address, this.abi, functionName, args, block)
  }

  /** What a call reverts with, as a transaction that is mined. */
  async revertOf(functionName, args = []) {
    const hash = await rpc('eth_sendTransaction', {
      from: admin.address, to: this.address, gas: toHex(1_000_000), data: encodeFunctionData({ abi: this.abi, functionName, args })
    })
    assert.equal((await receiptOf(url, hash)).status, '0x0', `${functionName} succeeded`)
    return (await rpc('debug_traceTransaction', hash, { tracer: 'callTracer' })).output
  }

  /** Its events of a name since a block, each with its block and transaction. */
  async events(eventName, from) {
    const logs = await rpc('eth_getLogs', { address: this.address, fromBlock: toHex(from), toBlock: 'latest' })
    return parseEventLogs({ abi: this.abi, logs, eventName })
      .map(({ args, blockNumber, transactionHash }) => ({ ...args, block: Number(blockNumber), hash: transactionHash }))
  }
}

/** Registers as a contract or a tool would; answers the id. */
export async function registered(application, { type = 0, checkData = '0x', config = '0x', owner = admin.address } = {}) {
  return idIn(await send(REGISTRY, registry.abi, 'registerUpkeep',
    [application.address, 300_000, owner, type, checkData, config, '0x']))
}

export const fund = (id, amount) => send(REGISTRY, registry.abi, 'addFunds', [id, amount], { value: amount })
export const forwarderOf = (id) => read(REGISTRY, registry.abi, 'getForwarder', [id])
export const balanceOf = async (address) => BigInt(await rpc('eth_getBalance', address, 'latest'))
export const timeOf = async (block) => Number((await rpc('eth_getBlockByNumber', toHex(block), false)).timestamp)

/** The registry's performs since a block, all of which must have succeeded and stand in the keeper's record as such. */
export async function served(id, from) {
  const events = await performs(id, from)
  assert.ok(events.every(({ success }) => success), 'each perform succeeds')
  const recorded = (await rpc('keeper_history', toHex(id, { size: 32 }), toHex(from), 'latest'))
    .filter(({ outcome }) => outcome.startsWith('performed'))
  assert.deepEqual(recorded.map(({ block, outcome }) => [Number(block), outcome]), events.map(({ block }) => [block, 'performed']))
  return events
}
