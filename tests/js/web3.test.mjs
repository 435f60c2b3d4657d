// web3.js 4 against the node, over HTTP and WebSocket.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { keccak256, pad } from 'viem'
import { Web3 } from 'web3'
import { accounts, keyOf } from '../lib/accounts.mjs'
import { artifact } from '../lib/node.mjs'
import { until } from '../lib/rpc.mjs'

const web3 = new Web3(process.env.RPC_URL)
const ACCOUNT = 9
const [owner] = web3.eth.accounts.wallet.add(keyOf(ACCOUNT))
const friend = accounts[ACCOUNT + 1].address
const { abi, bytecode } = artifact('Store')
let store, deployed

before(async () => {
  deployed = new web3.eth.Contract(abi).deploy({ data: bytecode })
  store = await deployed.send({ from: owner.address })
})

test('network, block and fees', async () => {
  assert.equal(await web3.eth.getChainId(), 1337n)
  assert.equal(await web3.eth.net.getId(), 1337n)
  assert.equal(await web3.eth.net.isListening(), true)
  assert.equal(await web3.eth.net.getPeerCount(), 0n)
  assert.equal(await web3.eth.isSyncing(), false)
  const block = await web3.eth.getBlock('latest', true)
  assert.equal(block.number, await web3.eth.getBlockNumber())
  assert.equal(await web3.eth.getBlockTransactionCount('latest'), BigInt(block.transactions.length))
  assert.equal((await web3.eth.getTransactionFromBlock('latest', 0)).hash, block.transactions[0].hash)
  assert.equal(await web3.eth.getBlockUncleCount('latest'), 0n)
  const history = await web3.eth.getFeeHistory(2, 'latest', [50])
  assert.equal(history.baseFeePerGas.length, history.gasUsedRatio.length + 1)
  const fees = await web3.eth.calculateFeeData()
  assert.ok(fees.gasPrice > 0n && fees.maxFeePerGas >= fees.baseFeePerGas)
  assert.ok((await web3.eth.getAccounts()).includes(friend))
})

describe('transactions that the library signs', () => {
  const gasPrice = 20_000_000_000n
  const accessList = () => [{ address: store.options.address, storageKeys: [pad('0x0')] }]
  for (const [name, type, fields] of [
    ['legacy', 0n, () => ({ gasPrice, type: 0 })],
    ['with an access list (EIP-2930)', 1n, () => ({ gasPrice, type: 1, gas: 60_000n, accessList: accessList() })],
    ['dynamic fee (EIP-1559)', 2n, () => ({})]
  ]) {
    test(name, async () => {
      const before = await web3.eth.getBalance(friend)
      const receipt = await web3.eth.sendTransaction({ from: owner.address, to: friend, value: 7n, ...fields() })
      assert.deepEqual([receipt.status, receipt.type], [1n, type])
      assert.equal(await web3.eth.getBalance(friend) - before, 7n)
      const stored = await web3.eth.getTransaction(receipt.transactionHash)
      assert.deepEqual([stored.type, stored.value, stored.blockHash], [type, 7n, receipt.blockHash])
      assert.equal(stored.accessList?.length ?? 0, type === 1n ? 1 : 0)
    })
  }
})

test('a transaction that the node signs, and a signature of the node', async () => {
  // A fresh instance has no key, so that the node must sign.
  const plain = new Web3(process.env.RPC_URL)
  const receipt = await plain.eth.sendTransaction({ from: friend, to: owner.address, value: 9n })
  assert.equal(receipt.status, 1n)
  assert.equal(receipt.from.toLowerCase(), friend.toLowerCase())
  const message = web3.utils.utf8ToHex('end to end')
  const signature = await plain.eth.sign(message, friend)
  assert.equal(web3.eth.accounts.recover('end to end', signature), friend)
})

test('a contract: deploy, write, read, past events', async () => {
  const code = await web3.eth.getCode(store.options.address)
  assert.ok(bytecode.includes(code.slice(2)))
  const before = await store.methods.value().call()
  const receipt = await store.methods.store(before + 5n).send({ from: owner.address })
  assert.equal(receipt.events.Stored.returnValues.value, before + 5n)
  assert.equal(await store.methods.value().call(), before + 5n)
  assert.equal(await store.methods.value().call({}, receipt.blockNumber - 1n), before)
  const events = await store.getPastEvents('Stored', { fromBlock: receipt.blockNumber, filter: { by: owner.address } })
  assert.deepEqual(events.map((event) => event.transactionHash), [receipt.transactionHash])
  assert.equal(await web3.eth.getStorageAt(store.options.address, 0), pad(web3.utils.toHex(before + 5n)))
})

test('estimates, access lists and proofs', async () => {
  const gas = await store.methods.store(77n).estimateGas({ from: owner.address })
  const receipt = await store.methods.store(77n).send({ from: owner.address, gas: gas.toString() })
  assert.ok(receipt.gasUsed <= gas)
  const { accessList } = await web3.eth.createAccessList(
    { from: owner.address, to: store.options.address, data: store.methods.store(1n).encodeABI() })
  assert.ok(accessList.some((entry) => entry.storageKeys.length === 2))
  const proof = await web3.eth.getProof(store.options.address, [pad('0x0')], 'latest')
  assert.equal(proof.storageProof[0].value, 77n)
  const { stateRoot } = await web3.eth.getBlock('latest')
  assert.equal(keccak256(proof.accountProof[0]), stateRoot)
  assert.equal(keccak256(proof.storageProof[0].proof[0]), proof.storageHash)
})

test('errors are decoded', async () => {
  await assert.rejects(store.methods.failWithReason().call(), (error) => {
    assert.match(`${error.message} ${error.cause?.message} ${error.reason}`, /not today/)
    return true
  })
  await assert.rejects(store.methods.failWithError(11n).call(), (error) => {
    assert.equal(error.cause.errorName, 'TooLarge')
    assert.deepEqual([error.cause.errorArgs.value, error.cause.errorArgs.limit], [11n, 10n])
    return true
  })
  const tooMuch = { from: owner.address, to: friend, value: 10n ** 30n, gas: 21_000n }
  await assert.rejects(
    web3.eth.sendTransaction(tooMuch, undefined, { checkRevertBeforeSending: false }),
    (error) => /insufficient funds/.test(`${error.message} ${error.cause?.message}`))
})

test('a batch', async () => {
  const batch = new web3.BatchRequest()
  const chain = batch.add({ jsonrpc: '2.0', method: 'eth_chainId', params: [] })
  const balance = batch.add({ jsonrpc: '2.0', method: 'eth_getBalance', params: [friend, 'latest'] })
  await batch.execute()
  assert.equal(await chain, '0x539')
  assert.equal(BigInt(await balance), await web3.eth.getBalance(friend))
})

test('subscriptions over WebSocket', async () => {
  const live = new Web3(process.env.WS_URL)
  live.eth.accounts.wallet.add(keyOf(ACCOUNT))
  try {
    const seen = { heads: [], logs: [], pending: [] }
    const heads = await live.eth.subscribe('newBlockHeaders')
    heads.on('data', (head) => seen.heads.push(head))
    const logs = await live.eth.subscribe('logs', { address: store.options.address })
    logs.on('data', (log) => seen.logs.push(log))
    const pending = await live.eth.subscribe('pendingTransactions')
    pending.on('data', (hash) => seen.pending.push(hash))
    const contract = new live.eth.Contract(abi, store.options.address)
    const receipt = await contract.methods.store(123n).send({ from: owner.address })
    await until('the notifications', () => seen.logs.length > 0 && seen.pending.includes(receipt.transactionHash) &&
      seen.heads.some((head) => BigInt(head.number) === BigInt(receipt.blockNumber)))
    assert.equal(seen.logs[0].transactionHash, receipt.transactionHash)
    assert.equal(BigInt(seen.logs[0].data), 123n)
    await Promise.all([heads, logs, pending].map((subscription) => subscription.unsubscribe()))
  } finally {
    live.provider.disconnect()
  }
})
