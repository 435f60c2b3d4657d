// forge on a fork of the node's state, and scripts that go on after an interruption or that the node signs.
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { getAddress } from 'viem'
import { accounts, keyOf } from '../lib/accounts.mjs'
import { broadcast, cast, castJson, forge } from '../lib/tools.mjs'
import { client } from '../lib/rpc.mjs'

const url = process.env.RPC_URL
const rpc = client(url)
const SIGNER = 7
const { address } = accounts[SIGNER]
const key = keyOf(SIGNER)
const script = ['script', 'script/Deploy.s.sol:Deploy', '--rpc-url', url, '--broadcast']
let store, chainId, env

const nonce = async (of = address) => Number(await rpc('eth_getTransactionCount', of, 'latest'))
const write = (value) => castJson(['send', store, 'store(uint256)', `${value}`, '--private-key', key])

before(async () => {
  chainId = Number(await rpc('eth_chainId'))
  const output = await forge(['create', 'src/Store.sol:Store', '--private-key', key, '--broadcast', '--json'])
  store = JSON.parse(output.slice(output.indexOf('{'))).deployedTo
  const { blockNumber } = await write(11)
  await write(12)
  env = {
    FORK_URL: url, FORK_STORE: store, FORK_BLOCK: `${Number(blockNumber)}`, FORK_OLD: '11', FORK_NEW: '12',
    FORK_RICH: address, FORK_BALANCE: `${BigInt(await rpc('eth_getBalance', address, 'latest'))}`
  }
})

for (const [name, where] of [['HTTP', url], ['WebSocket', process.env.WS_URL]]) {
  test(`test --fork-url over ${name}: latest, writes, earlier blocks`, async () => {
    const head = await rpc('eth_blockNumber')
    const report = JSON.parse(await forge(
      ['test', '--fork-url', where, '--match-contract', 'ForkTest', '--json'], { env: { ...env, FORK_URL: where } }))
    const results = Object.values(report)[0].test_results
    assert.deepEqual(Object.entries(results).map(([test, { status, reason }]) => [test, status, reason]).sort(), [
      ['testEarlierBlocks()', 'Success', null],
      ['testLatest()', 'Success', null],
      ['testWritesStayInTheFork()', 'Success', null]
    ])
    assert.equal(await rpc('eth_blockNumber'), head)
    assert.equal(await cast(['call', store, 'value()(uint256)']), '12')
  })
}

test('test --fork-block-number', async () => {
  const output = await forge(
    ['test', '--fork-url', url, '--fork-block-number', env.FORK_BLOCK, '--match-test', 'testLatest'], { env, expectFailure: true })
  // At that block the store still held the old value.
  assert.match(output, /value/)
  const report = JSON.parse(await forge(
    ['test', '--fork-url', url, '--fork-block-number', `${Number(env.FORK_BLOCK) + 1}`, '--match-test', 'testWritesStayInTheFork', '--json'], { env }))
  assert.equal(Object.values(report)[0].test_results['testWritesStayInTheFork()'].status, 'Success')
})

test('script --unlocked: the node signs', async () => {
  const sender = accounts[8].address
  const before = await nonce(sender)
  await forge([...script, '--unlocked', '--sender', sender])
  const { receipts } = broadcast('Deploy.s.sol', chainId)
  assert.deepEqual(receipts.map(({ status, from }) => [status, getAddress(from)]), Array(4).fill(['0x1', sender]))
  assert.equal(await nonce(sender), before + 4)
})

test('script --resume sends what an interruption left out', async () => {
  const before = await nonce()
  await rpc('evm_setAutomine', false)
  try {
    // With --slow the second transaction waits for the receipt of the first, which does not come.
    await forge([...script, '--private-key', key, '--slow'], { timeout: 8_000, expectFailure: true })
    assert.equal(Number(await rpc('eth_getTransactionCount', address, 'pending')), before + 1)
    assert.equal(await nonce(), before)
  } finally {
    await rpc('evm_setAutomine', true)
    await rpc('evm_mine')
  }
  assert.equal(await nonce(), before + 1)
  const output = await forge([...script, '--private-key', key, '--slow', '--resume'])
  assert.match(output, /ONCHAIN EXECUTION COMPLETE & SUCCESSFUL/)
  assert.equal(await nonce(), before + 4)
  const { transactions, receipts } = broadcast('Deploy.s.sol', chainId)
  assert.deepEqual(receipts.map(({ status }) => status), Array(4).fill('0x1'))
  const stored = transactions.filter(({ transactionType }) => transactionType === 'CREATE').at(-1).contractAddress
  assert.equal(await cast(['call', stored, 'value()(uint256)']), '42')
})

test('create --unlocked, and a creation without --broadcast that sends nothing', async () => {
  const before = await nonce()
  assert.match(await forge(['create', 'src/Store.sol:Store', '--private-key', key]), /Contract: Store/)
  assert.equal(await nonce(), before)
  const output = await forge(['create', 'src/Store.sol:Store', '--unlocked', '--from', address, '--broadcast', '--json'])
  const { deployedTo, deployer } = JSON.parse(output.slice(output.indexOf('{')))
  assert.equal(getAddress(deployer), address)
  assert.equal(await rpc('eth_getCode', deployedTo, 'latest'), await rpc('eth_getCode', store, 'latest'))
})
