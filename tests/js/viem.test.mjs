// viem 2 against the node, over HTTP and WebSocket.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  createPublicClient, createTestClient, createWalletClient, defineChain, getAddress, http, keccak256, parseEther,
  parseGwei, toHex, webSocket
} from 'viem'
import { accounts } from '../lib/accounts.mjs'
import { viemKzg, zeroBlob } from '../lib/blob.mjs'
import { artifact } from '../lib/node.mjs'
import { proven } from '../lib/proof.mjs'
import { until } from '../lib/rpc.mjs'

const chain = defineChain({
  id: 1337, name: 'Plasma', nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  rpcUrls: { default: { http: [process.env.RPC_URL] } },
  contracts: { multicall3: { address: '0xcA11bde05977b3631167028862bE2a173976CA11' } }
})
const transport = http(process.env.RPC_URL)
const pub = createPublicClient({ chain, transport, pollingInterval: 50 })
const dev = createTestClient({ mode: 'anvil', chain, transport })
const [account, other, third] = [accounts[11], accounts[12], accounts[13]]
const wallet = createWalletClient({ account, chain, transport })
const { abi, bytecode } = artifact('Store')
let store

const mined = async (hash) => {
  const receipt = await pub.waitForTransactionReceipt({ hash, timeout: 20_000 })
  assert.equal(receipt.status, 'success')
  return receipt
}
const write = async (value, changes = {}) =>
  mined(await wallet.writeContract({ address: store, abi, functionName: 'store', args: [value], ...changes }))

before(async () => {
  store = (await mined(await wallet.deployContract({ abi, bytecode }))).contractAddress
})

describe('reading', () => {
  test('chain, block, fees', async () => {
    assert.equal(await pub.getChainId(), 1337)
    const block = await pub.getBlock({ includeTransactions: true })
    assert.equal(block.number, await pub.getBlockNumber({ cacheTime: 0 }))
    assert.deepEqual(await pub.getBlock({ blockHash: block.hash, includeTransactions: true }), block)
    assert.equal(block.transactions.length, await pub.getBlockTransactionCount({ blockNumber: block.number }))
    assert.ok(await pub.getGasPrice() >= block.baseFeePerGas * 7n / 8n)
    assert.ok((await pub.estimateFeesPerGas()).maxFeePerGas > 0n)
    assert.ok(await pub.getBlobBaseFee() >= 1n)
    const history = await pub.getFeeHistory({ blockCount: 4, rewardPercentiles: [25, 75] })
    assert.equal(history.baseFeePerGas.length, history.gasUsedRatio.length + 1)
    assert.ok(history.reward.every((row) => row.length === 2))
  })

  test('a call reads what was written', async () => {
    await write(5n)
    assert.equal(await pub.readContract({ address: store, abi, functionName: 'value' }), 5n)
    assert.equal(BigInt(await pub.getStorageAt({ address: store, slot: '0x0' })), 5n)
  })

  test('a call with overridden state', async () => {
    const value = await pub.readContract({
      address: store, abi, functionName: 'value',
      stateOverride: [{ address: store, stateDiff: [{ slot: toHex(0, { size: 32 }), value: toHex(99, { size: 32 }) }] }]
    })
    assert.equal(value, 99n)
  })

  test('Multicall3 at its usual address', async () => {
    await write(6n)
    const results = await pub.multicall({ contracts: [
      { address: store, abi, functionName: 'value' }, { address: store, abi, functionName: 'failWithReason' },
      { address: store, abi, functionName: 'lastSender' }] })
    assert.deepEqual(results.map(({ status }) => status), ['success', 'failure', 'success'])
    assert.deepEqual([results[0].result, results[2].result], [6n, account.address])
  })

  test('custom errors are decoded by name', async () => {
    await assert.rejects(
      pub.simulateContract({ address: store, abi, functionName: 'failWithError', args: [11n], account }),
      (error) => {
        const reverted = error.walk((cause) => cause.name === 'ContractFunctionRevertedError')
        assert.equal(reverted.data.errorName, 'TooLarge')
        assert.deepEqual(reverted.data.args, [11n, 10n])
        return true
      })
    await assert.rejects(pub.readContract({ address: store, abi, functionName: 'failWithReason' }), /not today/)
  })

  test('an access list', async () => {
    const { accessList, gasUsed } = await pub.createAccessList({ account: account.address, to: store, data: '0x3fa4f245' })
    assert.ok(gasUsed > 21_000n)
    assert.equal(getAddress(accessList[0].address), getAddress(store))
    assert.equal(BigInt(accessList[0].storageKeys[0]), 0n)
  })

  test('several calls in one call (eth_simulateV1)', async () => {
    await write(7n)
    const { results } = await pub.simulateCalls({ account: account.address, calls: [
      { to: store, abi, functionName: 'value' },
      { to: store, abi, functionName: 'store', args: [8n] },
      { to: store, abi, functionName: 'value' },
      { to: store, abi, functionName: 'failWithReason' }] })
    assert.deepEqual(results.map(({ status }) => status), ['success', 'success', 'success', 'failure'])
    assert.deepEqual([results[0].result, results[2].result], [7n, 8n])
    assert.ok(results[1].gasUsed > 21_000n)
    assert.match(results[3].error.message, /not today/)
    assert.equal(await pub.readContract({ address: store, abi, functionName: 'value' }), 7n)
  })

  test('simulated blocks on top of each other, with money that moves', async () => {
    const [rich, poor] = ['0x00000000000000000000000000000000000a11ce', '0x0000000000000000000000000000000000000b0b']
    const head = await pub.getBlock()
    const blocks = await pub.simulateBlocks({ blockNumber: head.number, traceTransfers: true, blocks: [
      { stateOverrides: [{ address: rich, balance: parseEther('2') }], calls: [{ account: rich, to: poor, value: parseEther('1') }] },
      { calls: [{ account: poor, to: rich, value: parseEther('1') }] }] })
    assert.deepEqual(blocks.map(({ number }) => number - head.number), [1n, 2n])
    assert.equal(blocks[0].parentHash, head.hash)
    assert.equal(blocks[1].parentHash, blocks[0].hash)
    assert.deepEqual(blocks.map(({ calls }) => calls.length), [1, 1])
    const [log] = blocks[1].calls[0].logs
    assert.equal(BigInt(log.data), parseEther('1'))
    assert.equal(BigInt(log.topics[1]), BigInt(poor))
  })
})

describe('proofs, verified against the state root by another library', () => {
  const check = async (address, storageKeys) => {
    const block = await pub.getBlock()
    const answer = await pub.getProof({ address, storageKeys, blockNumber: block.number })
    return { block, answer, ...await proven(block.stateRoot, answer) }
  }

  test('an account', async () => {
    const { block, account: found } = await check(account.address, [])
    assert.equal(found.balance, await pub.getBalance({ address: account.address, blockNumber: block.number }))
    assert.equal(Number(found.nonce), await pub.getTransactionCount({ address: account.address, blockNumber: block.number }))
    assert.ok(found.nonce > 0n)
  })

  test('a contract, a used slot and an unused slot', async () => {
    await write(0xabcdefn)
    const { account: found, slots, answer } = await check(store, [toHex(0, { size: 32 }), toHex(1, { size: 32 }), toHex(12345, { size: 32 })])
    assert.deepEqual(slots, [0xabcdefn, BigInt(account.address), 0n])
    assert.deepEqual(answer.storageProof.map(({ value }) => value), slots)
    assert.equal(found.codeHash, keccak256(await pub.getCode({ address: store })))
  })

  test('an account that does not exist', async () => {
    const { account: found, answer } = await check('0x00000000000000000000000000000000000bad00', [])
    assert.equal(found, null)
    assert.equal(answer.balance, 0n)
  })

  test('a proof with one changed byte proves nothing', async () => {
    const block = await pub.getBlock()
    const answer = await pub.getProof({ address: store, storageKeys: [], blockNumber: block.number })
    const last = answer.accountProof.at(-1)
    answer.accountProof[answer.accountProof.length - 1] = `${last.slice(0, -1)}${last.endsWith('0') ? '1' : '0'}`
    await assert.rejects(proven(block.stateRoot, answer))
  })

  test('an earlier block\'s proof belongs to that block\'s root', async () => {
    const storageKeys = [toHex(0, { size: 32 }), toHex(777, { size: 32 })]
    const fresh = getAddress(`0x${keccak256(toHex('an account without a past')).slice(26)}`)
    const blocks = []
    for (const value of [0xabcdefn, 2n, 0n, 3n]) {
      await write(value)
      blocks.push({ value, ...await pub.getBlock() })
    }
    await mined(await wallet.sendTransaction({ to: fresh, value: 5n }))
    await write(1n)
    for (const { value, number, stateRoot } of blocks) {
      const answer = await pub.getProof({ address: store, storageKeys, blockNumber: number })
      const found = await proven(stateRoot, answer)
      assert.deepEqual(found.slots, [value, 0n], `slots at block ${number}`)
      assert.equal(answer.storageHash, found.account.storageHash)
      const absent = await pub.getProof({ address: fresh, storageKeys, blockNumber: number })
      assert.deepEqual(await proven(stateRoot, absent), { account: null, slots: [0n, 0n] })
    }
    const latest = await check(fresh, storageKeys)
    assert.equal(latest.account.balance, 5n)
    assert.deepEqual(latest.slots, [0n, 0n])
    // A proof that is right for one block is none for another.
    const [{ number }, { stateRoot }] = blocks
    const answer = await pub.getProof({ address: store, storageKeys, blockNumber: number })
    await assert.rejects(proven(stateRoot, answer))
  })
})

describe('sending', () => {
  const to = third.address
  const sent = async (request) => {
    const hash = await wallet.sendTransaction({ to, value: 1n, ...request })
    const receipt = await mined(hash)
    const transaction = await pub.getTransaction({ hash })
    assert.equal(receipt.blockHash, transaction.blockHash)
    return { receipt, transaction }
  }

  test('legacy, 2930, 1559', async () => {
    assert.equal((await sent({ type: 'legacy' })).transaction.type, 'legacy')
    const accessList = [{ address: store, storageKeys: [toHex(0, { size: 32 })] }]
    const { transaction } = await sent({ type: 'eip2930', accessList })
    assert.equal(transaction.type, 'eip2930')
    assert.deepEqual(transaction.accessList.map(({ storageKeys }) => storageKeys), [accessList[0].storageKeys])
    assert.equal((await sent({ type: 'eip1559' })).transaction.type, 'eip1559')
  })

  test('4844', async () => {
    const { receipt, transaction } = await sent({
      type: 'eip4844', blobs: [zeroBlob], kzg: viemKzg, maxFeePerBlobGas: parseGwei('10'), gas: 21_000n
    })
    assert.equal(transaction.type, 'eip4844')
    assert.equal(receipt.blobGasUsed, 131_072n)
    assert.equal((await pub.getBlock({ blockNumber: receipt.blockNumber })).blobGasUsed, 131_072n)
  })

  test('7702, from an account that pays for another', async () => {
    const delegate = artifact('Delegate')
    const { contractAddress } = await mined(await wallet.deployContract(delegate))
    const authorization = await createWalletClient({ account: other, chain, transport })
      .signAuthorization({ contractAddress })
    const hash = await wallet.writeContract({
      address: other.address, abi: delegate.abi, functionName: 'run', authorizationList: [authorization]
    })
    const receipt = await mined(hash)
    assert.equal(receipt.type, 'eip7702')
    assert.equal(await pub.getCode({ address: other.address }), `0xef0100${contractAddress.slice(2).toLowerCase()}`)
    assert.equal(getAddress(receipt.logs[0].address), other.address)
  })

  test('an account that the node holds', async () => {
    const unlocked = createWalletClient({ account: account.address, chain, transport })
    const receipt = await mined(await unlocked.sendTransaction({ to, value: 2n }))
    assert.equal(getAddress(receipt.from), account.address)
  })

  test('eth_sendRawTransactionSync answers the receipt', async () => {
    const request = await wallet.prepareTransactionRequest({ to, value: 1n })
    const raw = await wallet.signTransaction(request)
    const receipt = await pub.sendRawTransactionSync({ serializedTransaction: raw })
    assert.equal(receipt.transactionHash, keccak256(raw))
    assert.equal(receipt.status, 'success')
  })

  test('typed data and messages, signed by the node', async () => {
    const unlocked = createWalletClient({ account: account.address, chain, transport })
    const signature = await unlocked.signMessage({ message: 'hello' })
    assert.equal(signature, await account.signMessage({ message: 'hello' }))
    const typed = {
      domain: { name: 'Test', version: '1', chainId: 1337 }, primaryType: 'Mail',
      types: { Mail: [{ name: 'to', type: 'address' }, { name: 'amount', type: 'uint256' }] }, message: { to, amount: 7n }
    }
    assert.equal(await unlocked.signTypedData(typed), await account.signTypedData(typed))
  })

  test('many at once from one account, in one HTTP batch', async () => {
    const batching = createWalletClient({ account: third, chain, transport: http(process.env.RPC_URL, { batch: true }) })
    const first = await pub.getTransactionCount({ address: third.address })
    const raws = await Promise.all(Array.from({ length: 40 }, (_, index) => third.signTransaction({
      chainId: 1337, type: 'eip1559', nonce: first + index, to: other.address, value: 1n, gas: 60_000n,
      maxFeePerGas: parseGwei('20'), maxPriorityFeePerGas: 1n })))
    const hashes = await Promise.all(raws.map((serializedTransaction) => batching.sendRawTransaction({ serializedTransaction })))
    assert.deepEqual(hashes, raws.map((raw) => keccak256(raw)))
    for (const hash of hashes) await mined(hash)
    assert.equal(await pub.getTransactionCount({ address: third.address }), first + 40)
  })

  test('a replacement with a higher fee takes the place', async () => {
    await dev.setAutomine(false)
    try {
      const nonce = await pub.getTransactionCount({ address: account.address })
      const at = (value, gwei) => wallet.sendTransaction({
        to, value, nonce, gas: 21_000n, maxFeePerGas: parseGwei(gwei), maxPriorityFeePerGas: parseGwei(gwei) })
      const cheap = await at(1n, '10')
      await assert.rejects(at(2n, '10.5'), /replacement transaction underpriced/)
      const dear = await at(3n, '20')
      await dev.mine({ blocks: 1 })
      assert.equal((await pub.getTransactionReceipt({ hash: dear })).status, 'success')
      await assert.rejects(pub.getTransactionReceipt({ hash: cheap }), /could not be found/)
    } finally {
      await dev.setAutomine(true)
    }
  })

  test('the pending block shows what waits, and latest does not', async () => {
    await dev.setAutomine(false)
    try {
      const before = await pub.getTransactionCount({ address: account.address, blockTag: 'latest' })
      const hash = await wallet.sendTransaction({ to, value: 1n, gas: 21_000n })
      assert.equal(await pub.getTransactionCount({ address: account.address, blockTag: 'latest' }), before)
      assert.equal(await pub.getTransactionCount({ address: account.address, blockTag: 'pending' }), before + 1)
      assert.equal((await pub.getTransaction({ hash })).blockHash, null)
      await dev.mine({ blocks: 1 })
      await mined(hash)
    } finally {
      await dev.setAutomine(true)
    }
  })
})

describe('filters and logs', () => {
  test('events by filter and by query', async () => {
    const filter = await pub.createContractEventFilter({ address: store, abi, eventName: 'Stored' })
    const { blockNumber, transactionHash } = await write(31n)
    await write(32n)
    const changes = await pub.getFilterChanges({ filter })
    assert.deepEqual(changes.map(({ args }) => args.value), [31n, 32n])
    assert.deepEqual(await pub.getFilterChanges({ filter }), [])
    assert.equal(await pub.uninstallFilter({ filter }), true)
    await assert.rejects(pub.getFilterChanges({ filter }), /filter not found/)
    const ranged = await pub.createContractEventFilter({ address: store, abi, eventName: 'Stored', fromBlock: blockNumber })
    assert.deepEqual((await pub.getFilterLogs({ filter: ranged })).map(({ args }) => args.value), [31n, 32n])
    const logs = await pub.getContractEvents({ address: store, abi, eventName: 'Stored', fromBlock: blockNumber, toBlock: blockNumber })
    assert.deepEqual(logs.map((log) => log.transactionHash), [transactionHash])
    const nobody = await pub.getContractEvents({ address: store, abi, eventName: 'Stored', args: { by: store }, fromBlock: 0n })
    assert.deepEqual(nobody, [])
  })

  test('blocks and pending transactions', async () => {
    const blocks = await pub.createBlockFilter()
    const pending = await pub.createPendingTransactionFilter()
    const { blockHash, transactionHash } = await write(33n)
    assert.ok((await pub.getFilterChanges({ filter: blocks })).includes(blockHash))
    assert.ok((await pub.getFilterChanges({ filter: pending })).includes(transactionHash))
  })

  test('watching by polling', async () => {
    const seen = []
    const stop = pub.watchContractEvent({ address: store, abi, eventName: 'Stored', poll: true,
      onLogs: (logs) => seen.push(...logs.map(({ args }) => args.value)) })
    await new Promise((resolve) => setTimeout(resolve, 300))
    await write(34n)
    await until('the event', () => seen.includes(34n), { timeout: 10_000 })
    stop()
  })
})

describe('WebSocket', () => {
  let socket
  const subscriptions = []
  before(() => {
    socket = createPublicClient({ chain, transport: webSocket(process.env.WS_URL, { reconnect: false }) })
  })
  after(async () => {
    for (const stop of subscriptions) await stop()
    const client = await socket.transport.getRpcClient()
    client.close()
  })

  const subscribe = async (params) => {
    const seen = []
    const { unsubscribe } = await socket.transport.subscribe({ params, onData: ({ result }) => seen.push(result), onError: assert.fail })
    subscriptions.push(unsubscribe)
    return { seen, unsubscribe }
  }

  test('requests go over it as well', async () => {
    assert.equal(await socket.getChainId(), 1337)
    assert.equal(await socket.getTransactionCount({ address: account.address }), await pub.getTransactionCount({ address: account.address }))
  })

  test('newHeads, every block once and in order', async () => {
    const { seen } = await subscribe(['newHeads'])
    const first = Number(await pub.getBlockNumber({ cacheTime: 0 }))
    await dev.mine({ blocks: 3 })
    const { blockHash, blockNumber } = await write(41n)
    await until('the heads', () => seen.some(({ hash }) => hash === blockHash))
    const numbers = seen.map(({ number }) => Number(number)).filter((number) => number > first && number <= Number(blockNumber))
    assert.deepEqual(numbers, Array.from({ length: Number(blockNumber) - first }, (_, index) => first + 1 + index))
    const block = await pub.getBlock({ blockHash })
    const head = seen.find(({ hash }) => hash === blockHash)
    assert.deepEqual([head.stateRoot, head.parentHash], [block.stateRoot, block.parentHash])
  })

  test('logs, only those asked for', async () => {
    const topic = keccak256(toHex('Stored(address,uint256)'))
    const { seen } = await subscribe(['logs', { address: store, topics: [topic] }])
    const elsewhere = await subscribe(['logs', { address: account.address }])
    const { transactionHash } = await write(42n)
    await until('the log', () => seen.length > 0)
    assert.deepEqual(seen.map((log) => [log.transactionHash, BigInt(log.data), log.removed]), [[transactionHash, 42n, false]])
    assert.deepEqual(elsewhere.seen, [])
  })

  test('newPendingTransactions', async () => {
    const { seen } = await subscribe(['newPendingTransactions'])
    const { transactionHash } = await write(43n)
    await until('the hash', () => seen.includes(transactionHash))
  })

  test('unsubscribing ends it', async () => {
    const { seen, unsubscribe } = await subscribe(['newHeads'])
    await dev.mine({ blocks: 1 })
    await until('a head', () => seen.length > 0)
    subscriptions.pop()
    await unsubscribe()
    const count = seen.length
    await dev.mine({ blocks: 2 })
    // An answer over the same socket comes after anything that was sent before it.
    await socket.getBlockNumber({ cacheTime: 0 })
    assert.equal(seen.length, count)
  })
})

describe('the developers\' methods', () => {
  test('snapshot and revert', async () => {
    const before = await pub.getBalance({ address: other.address })
    const id = await dev.snapshot()
    await dev.setBalance({ address: other.address, value: 7n })
    await write(77n)
    assert.equal(await pub.getBalance({ address: other.address }), 7n)
    await dev.revert({ id })
    assert.equal(await pub.getBalance({ address: other.address }), before)
    assert.notEqual(await pub.readContract({ address: store, abi, functionName: 'value' }), 77n)
  })

  test('impersonation, code, nonce and storage', async () => {
    const address = '0x000000000000000000000000000000000000aaaa'
    await dev.setBalance({ address, value: parseEther('1') })
    await dev.impersonateAccount({ address })
    const hash = await createWalletClient({ account: address, chain, transport })
      .writeContract({ address: store, abi, functionName: 'store', args: [88n] })
    await mined(hash)
    assert.equal(getAddress(await pub.readContract({ address: store, abi, functionName: 'lastSender' })), getAddress(address))
    await dev.stopImpersonatingAccount({ address })
    await assert.rejects(createWalletClient({ account: address, chain, transport }).sendTransaction({ to: address, value: 1n }))
    await dev.setStorageAt({ address: store, index: 0, value: toHex(1234, { size: 32 }) })
    assert.equal(await pub.readContract({ address: store, abi, functionName: 'value' }), 1234n)
    await dev.setNonce({ address, nonce: 50 })
    assert.equal(await pub.getTransactionCount({ address }), 50)
    await dev.setCode({ address, bytecode: '0x60016000526001601ff3' })
    assert.equal(await pub.getCode({ address }), '0x60016000526001601ff3')
  })

  test('time', async () => {
    const { timestamp } = await pub.getBlock()
    await dev.setNextBlockTimestamp({ timestamp: timestamp + 1000n })
    await dev.mine({ blocks: 1 })
    assert.equal((await pub.getBlock()).timestamp, timestamp + 1000n)
    await dev.mine({ blocks: 2, interval: 60 })
    assert.ok((await pub.getBlock()).timestamp >= timestamp + 1060n)
  })

  test('traces of a transaction', async () => {
    const { transactionHash, gasUsed } = await write(91n)
    const call = await pub.request({ method: 'debug_traceTransaction', params: [transactionHash, { tracer: 'callTracer' }] })
    assert.deepEqual([call.type, getAddress(call.to), BigInt(call.gasUsed)], ['CALL', getAddress(store), gasUsed])
    const diff = await pub.request({ method: 'debug_traceTransaction',
      params: [transactionHash, { tracer: 'prestateTracer', tracerConfig: { diffMode: true } }] })
    assert.equal(BigInt(diff.post[store.toLowerCase()].storage[toHex(0, { size: 32 })]), 91n)
    const steps = await pub.request({ method: 'debug_traceTransaction', params: [transactionHash, {}] })
    assert.equal(BigInt(steps.gas), gasUsed)
    assert.ok(steps.structLogs.some(({ op }) => op === 'SSTORE'))
  })
})
