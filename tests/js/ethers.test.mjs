// ethers 6 against the node, over HTTP and WebSocket.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  Contract, ContractFactory, HDNodeWallet, JsonRpcProvider, WebSocketProvider, getBytes, hexlify, isError, keccak256,
  parseEther, parseUnits, toBeHex, zeroPadValue
} from 'ethers'
import { MNEMONIC } from '../lib/accounts.mjs'
import { ethersKzg, zeroBlob } from '../lib/blob.mjs'
import { artifact } from '../lib/node.mjs'
import { proven } from '../lib/proof.mjs'
import { until } from '../lib/rpc.mjs'

// Without the cache two quick sends would reuse a nonce: blocks come faster than the cache forgets.
const provider = new JsonRpcProvider(process.env.RPC_URL, undefined, { cacheTimeout: -1, polling: true, pollingInterval: 50 })
const walletOf = (index) => HDNodeWallet.fromPhrase(MNEMONIC, undefined, `m/44'/60'/0'/0/${index}`).connect(provider)
const [wallet, other] = [walletOf(14), walletOf(15)]
const { abi, bytecode } = artifact('Store')
let store

const mined = async (sending) => {
  const receipt = await (await sending).wait()
  assert.equal(receipt.status, 1)
  return receipt
}

before(async () => {
  store = await (await new ContractFactory(abi, bytecode, wallet).deploy()).waitForDeployment()
})
after(() => provider.destroy())

test('network, block and fees', async () => {
  assert.equal((await provider.getNetwork()).chainId, 1337n)
  const block = await provider.getBlock('latest', true)
  assert.equal(block.number, await provider.getBlockNumber())
  const fees = await provider.getFeeData()
  assert.ok(fees.maxFeePerGas > 0n && fees.gasPrice > 0n && fees.maxPriorityFeePerGas >= 0n)
})

test('every transaction type', async () => {
  const to = other.address
  const typeOf = async (request) => {
    const receipt = await mined(wallet.sendTransaction({ to, value: 1n, ...request }))
    return [receipt.type, (await provider.getTransaction(receipt.hash)).type]
  }
  assert.deepEqual(await typeOf({ type: 0 }), [0, 0])
  assert.deepEqual(await typeOf({ type: 1, accessList: [{ address: await store.getAddress(), storageKeys: [] }] }), [1, 1])
  assert.deepEqual(await typeOf({}), [2, 2])
  const blob = { type: 3, kzg: ethersKzg, blobWrapperVersion: 1, blobs: [getBytes(zeroBlob)], maxFeePerBlobGas: parseUnits('10', 'gwei'), gasLimit: 21_000n }
  assert.deepEqual(await typeOf(blob), [3, 3])
  const delegate = await (await ContractFactory.fromSolidity(artifact('Delegate'), wallet).deploy()).waitForDeployment()
  const authorization = await other.authorize({ address: await delegate.getAddress() })
  assert.deepEqual(await typeOf({ type: 4, authorizationList: [authorization], gasLimit: 100_000n }), [4, 4])
  assert.equal((await provider.getCode(other.address)).slice(0, 8), '0xef0100')
})

test('a contract: write, read, events', async () => {
  const receipt = await mined(store.store(12n, { value: 3n }))
  assert.equal(await store.value(), 12n)
  assert.equal(await store.lastSender(), wallet.address)
  assert.equal(await provider.getBalance(store), 3n)
  const [event] = await store.queryFilter('Stored', receipt.blockNumber, receipt.blockNumber)
  assert.deepEqual([event.args.by, event.args.value, event.transactionHash], [wallet.address, 12n, receipt.hash])
})

test('errors: reason, custom error, panic, funds, nonce', async () => {
  await assert.rejects(store.failWithReason(), (error) => isError(error, 'CALL_EXCEPTION') && error.reason === 'not today')
  await assert.rejects(store.failWithError(11n), (error) => error.revert.name === 'TooLarge' && error.revert.args[0] === 11n)
  await assert.rejects(store.failWithPanic(0n), (error) => error.revert.name === 'Panic')
  const poor = HDNodeWallet.createRandom().connect(provider)
  await assert.rejects(poor.sendTransaction({ to: wallet.address, value: 1n, gasLimit: 21_000n }), (error) => isError(error, 'INSUFFICIENT_FUNDS'))
  await assert.rejects(wallet.sendTransaction({ to: wallet.address, nonce: 0 }), (error) => isError(error, 'NONCE_EXPIRED'))
})

test('requests in one batch keep their order', async () => {
  const answers = await Promise.all([
    provider.getBalance(wallet.address), provider.getTransactionCount(wallet.address), provider.getCode(store),
    provider.getBlock(0), provider.call({ to: store, data: store.interface.encodeFunctionData('value') })])
  assert.ok(answers[0] > 0n && answers[1] > 0)
  assert.equal(answers[3].number, 0)
  assert.equal(BigInt(answers[4]), 12n)
})

test('a proof over the raw method, verified', async () => {
  const { stateRoot, number } = await provider.getBlock('latest')
  const slot = zeroPadValue(toBeHex(0), 32)
  const answer = await provider.send('eth_getProof', [await store.getAddress(), [slot], toBeHex(number)])
  const { account, slots } = await proven(stateRoot, answer)
  assert.deepEqual(slots, [12n])
  assert.equal(account.balance, 3n)
  assert.equal(account.codeHash, keccak256(await provider.getCode(store)))
})

test('signatures of the node\'s own accounts', async () => {
  const signer = await provider.getSigner(wallet.address)
  assert.equal(await signer.signMessage('hello'), await wallet.signMessage('hello'))
  const typed = [{ name: 'Test', chainId: 1337 }, { Mail: [{ name: 'amount', type: 'uint256' }] }, { amount: 3n }]
  assert.equal(await signer.signTypedData(...typed), await wallet.signTypedData(...typed))
  const receipt = await mined(signer.sendTransaction({ to: other.address, value: parseEther('0.1') }))
  assert.equal(receipt.from, wallet.address)
})

test('contract events by filter', async () => {
  const seen = []
  await store.on('Stored', (by, value) => seen.push([by, value]))
  await new Promise((resolve) => setTimeout(resolve, 300))
  await mined(store.store(21n))
  await until('the event', () => seen.length > 0)
  await store.off('Stored')
  assert.deepEqual(seen, [[wallet.address, 21n]])
})

describe('WebSocket', () => {
  let socket
  before(() => { socket = new WebSocketProvider(process.env.WS_URL) })
  after(() => socket.destroy())

  test('blocks, pending transactions and logs', async () => {
    const [blocks, pending, values] = [[], [], []]
    await socket.on('block', (number) => blocks.push(number))
    await socket.on('pending', (hash) => pending.push(hash))
    await new Contract(await store.getAddress(), abi, socket).on('Stored', (_, value) => values.push(value))
    // Subscriptions are made behind the scenes: this answer comes after theirs.
    await socket.getBlockNumber()
    await new Promise((resolve) => setTimeout(resolve, 300))
    const receipt = await mined(store.store(22n))
    await until('the log', () => values.length > 0)
    await until('the block', () => blocks.includes(receipt.blockNumber))
    await until('the hash', () => pending.includes(receipt.hash))
    assert.deepEqual(values, [22n])
  })

  test('a wallet that sends over it', async () => {
    const receipt = await mined(wallet.connect(socket).sendTransaction({ to: other.address, value: 1n }))
    assert.equal(hexlify(receipt.hash), receipt.hash)
    assert.ok(receipt.blockNumber > 0)
  })
})
