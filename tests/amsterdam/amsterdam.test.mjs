// Blocks of Amsterdam: each has an access list (EIP-7928) that another implementation finds well formed and that tells
// what the block did; after kill -9 the blocks are found valid by their lists.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  createBlockLevelAccessListFromRLP, hexToBytes, validateBlockAccessListGasLimit, validateBlockAccessListHash,
  validateBlockAccessListStructure
} from '@ethereumjs/util'
import { encodeAbiParameters, encodeFunctionData, getAddress, keccak256, toHex } from 'viem'
import { accounts } from '../lib/accounts.mjs'
import { artifact, runCommand, startNode, temporaryFolder } from '../lib/node.mjs'
import { client, errorOf, receiptOf } from '../lib/rpc.mjs'

const standard = fileURLToPath(new URL('../../genesis/dev.json', import.meta.url))
const token = artifact('Token')
const [deployer, sender, receiver] = accounts.map(({ address }) => address)
const datadir = temporaryFolder('amsterdam')
const genesis = path.join(temporaryFolder('genesis'), 'genesis.json')
let node, rpc, tokenAddress

before(async () => {
  const spec = JSON.parse(readFileSync(standard, 'utf8'))
  spec.config.amsterdamTime = 0
  writeFileSync(genesis, JSON.stringify(spec))
  node = await startNode({ datadir, args: ['--genesis', genesis] })
  rpc = client(node.url)
  const data = token.bytecode + encodeAbiParameters([{ type: 'uint256' }], [10n ** 24n]).slice(2)
  const hash = await rpc('eth_sendTransaction', { from: deployer, data })
  tokenAddress = getAddress((await receiptOf(node.url, hash)).contractAddress)
})
after(() => node?.stop())

const transfer = (from, value) => ({
  from, to: tokenAddress,
  data: encodeFunctionData({ abi: token.abi, functionName: 'transfer', args: [receiver, value] })
})

/** The access list of a block, found well formed by the other implementation. */
async function accessList(tag) {
  const block = await rpc('eth_getBlockByNumber', tag, false)
  const raw = await rpc('debug_getRawBlockAccessList', tag)
  assert.equal(block.blockAccessListHash, keccak256(raw))
  const list = createBlockLevelAccessListFromRLP(hexToBytes(raw))
  validateBlockAccessListStructure(list)
  validateBlockAccessListHash(list, hexToBytes(block.blockAccessListHash))
  validateBlockAccessListGasLimit(list, BigInt(block.gasLimit))
  return { block, accounts: new Map(list.toJSON().map((account) => [getAddress(account.address), account])) }
}

test('a list tells what the transactions of its block changed, and where', async () => {
  await rpc('evm_setAutomine', false)
  const before = BigInt(await rpc('eth_getBalance', sender, 'latest'))
  const nonce = Number(await rpc('eth_getTransactionCount', sender, 'latest'))
  await rpc('eth_sendTransaction', transfer(deployer, 5n))
  const payment = await rpc('eth_sendTransaction', { from: sender, to: receiver, value: '0x7' })
  await rpc('eth_sendTransaction', transfer(deployer, 6n))
  await rpc('evm_mine')
  await rpc('evm_setAutomine', true)
  const { block, accounts } = await accessList('latest')
  assert.equal(block.transactions.length, 3)
  const receipt = await rpc('eth_getTransactionReceipt', payment)
  const index = Number(receipt.transactionIndex) + 1
  const entry = accounts.get(getAddress(sender))
  const fee = BigInt(receipt.gasUsed) * BigInt(receipt.effectiveGasPrice)
  assert.deepEqual(entry.nonceChanges.map((change) => Object.values(change).map(Number)), [[index, nonce + 1]])
  assert.deepEqual(entry.balanceChanges.map((change) => Object.values(change).map(BigInt)),
    [[BigInt(index), before - 7n - fee]])
  assert.equal(entry.storageChanges.length, 0)
  // Two transfers of one token: the slots of both balances change at both indexes.
  const slots = accounts.get(tokenAddress).storageChanges
  assert.equal(slots.length, 2)
  for (const slot of slots) assert.equal(Object.values(slot).find(Array.isArray).length, 2)
  // The contracts that the block calls before its transactions (EIP-2935, EIP-4788).
  assert.ok(accounts.has(getAddress('0x0000F90827F1C53a10cb7A02335B175320002935')))
  assert.ok(accounts.has(getAddress('0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02')))
  // Nothing of that is there which nobody touched.
  assert.equal(accounts.has(getAddress('0x00000000000000000000000000000000deadbeef')), false)
})

test('every block has a list, an empty one included, and slots count on', async () => {
  await rpc('evm_mine')
  const head = Number(await rpc('eth_blockNumber'))
  for (let number = 1, slot = 1; number <= head; number++, slot++) {
    const { block } = await accessList(toHex(number))
    assert.equal(Number(block.slotNumber), slot)
  }
})

test('after kill -9 both executors find the same lists', async () => {
  await node.kill()
  node = await startNode({ datadir, args: ['--genesis', genesis] })
  rpc = client(node.url)
  const head = Number(await rpc('eth_blockNumber'))
  assert.ok(head >= 3)
  await accessList('latest')
  await node.stop()
  for (const executor of ['sequential', 'parallel']) {
    const { code, stdout, stderr } = await runCommand(
      ['replay', '--datadir', datadir, '--from', '1', '--to', `${head}`, '--executor', executor, '--json'])
    assert.equal(code, 0, `${executor}: ${stdout.slice(0, 2000)}${stderr}`)
    const blocks = stdout.trim().split('\n').map((line) => JSON.parse(line))
    assert.equal(blocks.length, head)
    assert.ok(blocks.every(({ differences }) => differences.length === 0))
  }
})

test('blocks before Amsterdam have none, and are told so', async () => {
  const old = await startNode()
  const { code, message } = await errorOf(old.url, 'debug_getRawBlockAccessList', ['latest'])
  assert.equal(code, -32000)
  assert.match(message, /before Amsterdam/)
  await old.stop()
})
