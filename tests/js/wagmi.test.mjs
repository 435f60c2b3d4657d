// @wagmi/core 3 against the node: what a page does once its wallet is connected. The wallet is the node itself.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import {
  connect, createConfig, deployContract, disconnect, estimateGas, getAccount, getBalance, getBlock, getChainId,
  http, mock, readContract, readContracts, sendTransaction, signMessage, signTypedData, simulateContract, waitForTransactionReceipt,
  watchBlockNumber, watchContractEvent, webSocket, writeContract
} from '@wagmi/core'
import { defineChain, parseEther, verifyMessage, verifyTypedData } from 'viem'
import { accounts } from '../lib/accounts.mjs'
import { artifact } from '../lib/node.mjs'
import { until } from '../lib/rpc.mjs'

const [owner, friend] = [accounts[12].address, accounts[13].address]
const { abi, bytecode } = artifact('Store')
const chain = defineChain({
  id: 1337, name: 'Plasma', nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
  rpcUrls: { default: { http: [process.env.RPC_URL] } }
})
const config = (transport) => createConfig({
  chains: [chain], connectors: [mock({ accounts: [owner, friend] })], transports: { [chain.id]: transport },
  pollingInterval: 100, storage: null
})
const page = config(http(process.env.RPC_URL))
const live = config(webSocket(process.env.WS_URL))
let store

const mined = async (hash) => {
  const receipt = await waitForTransactionReceipt(page, { hash })
  assert.equal(receipt.status, 'success')
  return receipt
}

before(async () => {
  await connect(page, { connector: page.connectors[0] })
  store = (await mined(await deployContract(page, { abi, bytecode }))).contractAddress
})
after(async () => {
  await disconnect(page)
  const socket = await live.getClient().transport.getRpcClient()
  socket.close()
})

test('the connection', async () => {
  const account = getAccount(page)
  assert.deepEqual([account.address, account.chainId, account.isConnected], [owner, 1337, true])
  assert.equal(getChainId(page), 1337)
  assert.equal((await getBlock(page)).number > 0n, true)
})

test('a transfer, with an exact balance afterwards', async () => {
  const before = await getBalance(page, { address: friend })
  const request = { to: friend, value: parseEther('0.25') }
  assert.equal(await estimateGas(page, request), 21_000n)
  const receipt = await mined(await sendTransaction(page, request))
  assert.equal(receipt.from, owner.toLowerCase())
  const after = await getBalance(page, { address: friend })
  assert.equal(after.value - before.value, parseEther('0.25'))
})

test('a contract: simulate, write, read, many at once', async () => {
  const call = { address: store, abi, functionName: 'store', args: [99n] }
  const { request } = await simulateContract(page, call)
  const receipt = await mined(await writeContract(page, request))
  assert.equal(receipt.logs.length, 1)
  const read = (functionName) => ({ address: store, abi, functionName })
  assert.equal(await readContract(page, read('value')), 99n)
  // No multicall contract is known for this chain, so that each is a request of its own.
  const both = await readContracts(page, { contracts: [read('value'), read('lastSender')] })
  assert.deepEqual(both.map(({ status, result }) => [status, result]), [['success', 99n], ['success', owner]])
})

test('errors are decoded', async () => {
  const call = { address: store, abi, functionName: 'failWithError', args: [11n] }
  await assert.rejects(simulateContract(page, call), (error) => {
    assert.deepEqual([error.cause.data.errorName, error.cause.data.args], ['TooLarge', [11n, 10n]])
    return true
  })
  await assert.rejects(simulateContract(page, { ...call, functionName: 'failWithReason', args: [] }), /not today/)
})

test('signatures', async () => {
  const message = 'end to end'
  assert.ok(await verifyMessage({ address: owner, message, signature: await signMessage(page, { message }) }))
  const typed = {
    domain: { name: 'end to end', chainId: 1337 }, primaryType: 'Mail',
    types: { Mail: [{ name: 'to', type: 'address' }, { name: 'text', type: 'string' }] },
    message: { to: friend, text: 'hello' }
  }
  assert.ok(await verifyTypedData({ ...typed, address: owner, signature: await signTypedData(page, typed) }))
})

for (const [name, watching] of [['HTTP', page], ['WebSocket', live]]) {
  test(`watching blocks and events over ${name}`, async () => {
    const blocks = [], events = []
    const stop = [
      watchBlockNumber(watching, { onBlockNumber: (number) => blocks.push(number) }),
      watchContractEvent(watching, { address: store, abi, eventName: 'Stored', onLogs: (logs) => events.push(...logs) })
    ]
    try {
      let value = 1000n
      // When watching has begun is not announced, so the test writes until it is seen.
      await until('an event', async () => {
        await mined(await writeContract(page, { address: store, abi, functionName: 'store', args: [++value] }))
        return events.length > 0 && blocks.length > 0
      }, { every: 300 })
      assert.ok(events[0].args.value > 1000n && events[0].args.value <= value)
      assert.equal(events[0].args.by, owner)
      assert.ok(blocks[0] > 0n)
    } finally {
      for (const end of stop) end()
    }
  })
}
