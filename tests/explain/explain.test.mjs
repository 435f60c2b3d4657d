// plasma-node explain against a node of its own: what a block waited for, and why a contract does not scale.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { encodeAbiParameters, encodeFunctionData, getAddress, toHex } from 'viem'
import { accounts } from '../lib/accounts.mjs'
import { artifact, runCommand, startNode, temporaryFolder } from '../lib/node.mjs'
import { client, receiptOf } from '../lib/rpc.mjs'
import { forge } from '../lib/tools.mjs'

const SENDERS = accounts.slice(1, 5)
const receiver = accounts[9].address
const token = artifact('Token')
const store = artifact('Store')
let node, rpc, tokenAddress, storeAddress, layout

before(async () => {
  node = await startNode()
  rpc = client(node.url)
  const deploy = async (data) => {
    const hash = await rpc('eth_sendTransaction', { from: accounts[0].address, data })
    return getAddress((await receiptOf(node.url, hash)).contractAddress)
  }
  tokenAddress = await deploy(token.bytecode + encodeAbiParameters([{ type: 'uint256' }], [10n ** 24n]).slice(2))
  storeAddress = await deploy(store.bytecode)
  for (const { address } of SENDERS) await rpc('eth_sendTransaction', transfer(accounts[0].address, address, 10_000n))
  await rpc('evm_setAutomine', false)
  const file = path.join(temporaryFolder('layout'), 'layout.json')
  writeFileSync(file, await forge(['inspect', 'Token', 'storageLayout', '--json'], { url: node.url }))
  layout = file
})
after(() => node?.stop())

const transfer = (from, to, value = 1000n) => ({
  from, to: tokenAddress, gas: toHex(100_000),
  data: encodeFunctionData({ abi: token.abi, functionName: 'transfer', args: [to, value] })
})

/** Mines one block with these transactions and answers its number. */
async function mine(transactions) {
  for (const transaction of transactions) await rpc('eth_sendTransaction', transaction)
  await rpc('evm_mine')
  const { number, transactions: mined } = await rpc('eth_getBlockByNumber', 'latest', false)
  assert.equal(mined.length, transactions.length)
  return Number(number)
}

async function explain(...args) {
  const { code, stdout, stderr } = await runCommand(['explain', ...args, '--rpc', node.url])
  assert.equal(code, 0, stderr)
  return stdout
}

test('independent transfers are told to be independent', async () => {
  const number = await mine(SENDERS.map(({ address }, index) =>
    ({ from: address, to: toHex(0xbeef00 + index, { size: 20 }), value: '0x1' })))
  const text = await explain('block', `${number}`)
  assert.match(text, /The 4 transactions of this block are independent of each other/)
  assert.match(text, /84000 gas; 0 of them waited/)
  assert.match(text, /limit 4\.0x/)
  assert.match(text, /when it was made here: /)
})

test('a hot slot is the verdict of its block', async () => {
  const number = await mine(SENDERS.map(({ address }, index) => ({
    from: address, to: storeAddress, gas: toHex(100_000),
    data: encodeFunctionData({ abi: store.abi, functionName: 'store', args: [BigInt(index + 1)] })
  })))
  const text = await explain('block', toHex(number))
  assert.match(text, new RegExp(`waited for slot 0x[01] of ${storeAddress} \\(written by 4 transactions\\)`))
  assert.match(text, /limit 1\.0x/)
  assert.match(text, /critical path\n/)
  assert.equal(await explain('block', `${number}`), text, 'said again in the same words')
  const json = JSON.parse(await explain('block', `${number}`, '--json'))
  assert.equal(json.explanation.work, json.explanation.criticalPath)
  assert.deepEqual(json.explanation, (await rpc('plasma_getBlockConflicts', toHex(number))).explanation)
})

test('a contract\'s slots have their names', async () => {
  const first = await mine(SENDERS.map(({ address }) => transfer(address, receiver)))
  const last = await mine(SENDERS.map(({ address }) => transfer(address, receiver)))
  const args = ['contract', tokenAddress, '--blocks', `${first}..${last}`]
  const named = await explain(...args, '--layout', layout)
  assert.match(named, /8 transactions in 2 blocks used/)
  assert.match(named, new RegExp(`^balanceOf\\[${getAddress(receiver)}\\] +[0-9]+% +2 +8 +6 `, 'm'))
  const json = JSON.parse(await explain(...args, '--layout', layout, '--json'))
  assert.equal(json.waiters, 6)
  assert.equal(json.locations.length, 1)
  assert.equal(json.locations[0].name, `balanceOf[${getAddress(receiver)}]`)
  // Receipts tell the same: with the balance all is one chain, without it the heaviest transfer is what is left.
  const receipts = await Promise.all([first, last].map((number) => rpc('eth_getBlockReceipts', toHex(number))))
  const gas = receipts.map((block) => block.map(({ gasUsed }) => Number(gasUsed)))
  const sum = (numbers) => numbers.reduce((all, one) => all + one, 0)
  assert.equal(json.work, sum(gas.flat()))
  assert.equal(json.criticalPath, json.work)
  assert.equal(json.criticalPathWithout, sum(gas.map((block) => Math.max(...block))))
  const unnamed = await explain(...args)
  assert.match(unnamed, /^slot 0x[0-9a-f]{60,64} /m)
  assert.match(await explain('contract', storeAddress, '--blocks', `${first}..${last}`), /No transaction of these blocks used/)
})

test('what cannot be explained is said in a sentence', async () => {
  const fails = async (expected, ...args) => {
    const { code, stderr } = await runCommand(['explain', ...args, '--rpc', node.url])
    assert.notEqual(code, 0)
    assert.match(stderr, expected)
  }
  await fails(/this node has no block 999999/, 'block', '999999')
  await fails(/write a number/, 'block', 'soon')
  await fails(/block 5 comes after block 4/, 'contract', tokenAddress, '--blocks', '5..4')
  await fails(/cannot read .*nowhere/, 'contract', tokenAddress, '--blocks', '1..1', '--layout', 'nowhere.json')
  const empty = path.join(temporaryFolder('layout'), 'empty.json')
  writeFileSync(empty, '{"abi": []}')
  await fails(/has no storage layout/, 'contract', tokenAddress, '--blocks', '1..1', '--layout', empty)
})
