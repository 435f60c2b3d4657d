// What Otterscan asks a node, over kills, the way back and another data directory. The indexes are held against a scan of all
// blocks with the call tracer.
import assert from 'node:assert/strict'
import path from 'node:path'
import { after, test } from 'node:test'
import { parseGwei } from 'viem'
import { accounts } from '../lib/accounts.mjs'
import { panics, runCommand, startNode, temporaryFolder } from '../lib/node.mjs'
import { client, receiptOf } from '../lib/rpc.mjs'
import { answers, deploy, fill, payees, scan, senders, walk } from './chain.mjs'

const datadir = temporaryFolder('explorer')
let node, contracts, addresses, told
const outputs = []

const rpc = (...call) => client(node.url)(...call)
async function start(args = []) {
  node = await startNode({ datadir, args })
}
async function restart() {
  outputs.push(node.stderr)
  assert.deepEqual(await node.kill(), { code: null, signal: 'SIGKILL' })
  await start()
}
after(async () => {
  assert.equal((await node.stop()).code, 0)
  for (const output of [...outputs, node.stderr]) assert.deepEqual(panics(output), [])
})

/** Holds pages of all sizes in both directions, creators and nonces against the scan. */
async function compare() {
  const { byAddress, creations, all } = await scan(rpc)
  for (const address of new Set([...Object.keys(byAddress), ...addresses])) {
    const expected = byAddress[address] ?? []
    for (const size of [1, 2, 5, 1000]) {
      assert.deepEqual(await walk(rpc, address, size), expected, `back, ${address}`)
      assert.deepEqual(await walk(rpc, address, size, 'ots_searchTransactionsAfter'), expected, `on, ${address}`)
    }
    const hasCode = await rpc('eth_getCode', address, 'latest') !== '0x'
    assert.equal(await rpc('ots_hasCode', address, 'latest'), hasCode)
    assert.deepEqual(await rpc('ots_getContractCreator', address), (hasCode && creations[address]) || null)
  }
  for (const { hash, from, nonce } of all) {
    assert.equal(await rpc('ots_getTransactionBySenderAndNonce', from, Number(nonce)), hash)
  }
  return { byAddress, creations }
}

test('pages in both directions find what a scan of all blocks finds', async () => {
  await start()
  assert.equal(await rpc('ots_getApiLevel'), 8)
  contracts = await deploy(node.url)
  addresses = [...senders, ...payees, ...Object.values(contracts)]
  await fill(node.url, contracts, 10, 0)
  const { byAddress, creations } = await compare()
  // Two transfers in each of ten blocks, from inside of contracts; the one that was undone is none.
  for (const payee of payees) assert.equal(byAddress[payee].length, 20)
  const children = Object.entries(creations).filter(([, { creator }]) => creator === contracts.factory)
  assert.equal(children.length, 4)
  addresses.push(...children.map(([child]) => child))
})

test('a page ends with the block that fills it', async () => {
  const page = await rpc('ots_searchTransactionsBefore', payees[0], 0, 3)
  assert.equal(page.txs.length, 4, 'two blocks of two transactions each')
  assert.equal(page.txs[0].blockNumber, page.txs[1].blockNumber)
  assert.notEqual(page.txs[1].blockNumber, page.txs[2].blockNumber)
  assert.ok(page.txs[0].transactionIndex > page.txs[1].transactionIndex)
  assert.ok(page.receipts.every(({ timestamp, logs }) => timestamp.startsWith('0x') && Array.isArray(logs)))
})

test('an account appears where its delegation is set, whoever sends the transaction', async () => {
  const authority = accounts[9]
  const signed = await authority.signAuthorization({
    contractAddress: contracts.splitter, chainId: Number(await rpc('eth_chainId')), nonce: 0
  })
  const hash = await rpc('eth_sendRawTransaction', await accounts[4].signTransaction({
    type: 'eip7702', chainId: signed.chainId, nonce: 0, to: payees[1], gas: 100_000n, maxFeePerGas: parseGwei('20'),
    maxPriorityFeePerGas: 1n, authorizationList: [signed]
  }))
  const receipt = await receiptOf(node.url, hash)
  assert.equal(receipt.status, '0x1')
  assert.notEqual(await rpc('eth_getCode', authority.address, 'latest'), '0x')
  assert.deepEqual(await walk(rpc, authority.address, 5), [hash])
  assert.equal(await rpc('ots_getContractCreator', authority.address), null)
})

test('the same answers after kill -9, at once and once the state is persisted', async () => {
  told = await answers(rpc, addresses)
  for (let kill = 0; kill < 2; kill++) {
    await restart()
    assert.deepEqual(await answers(rpc, addresses), told)
    // The state is persisted after two seconds at the latest.
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    assert.deepEqual(await answers(rpc, addresses), told)
  }
})

test('the same answers after the chain went back, and nothing of what is gone', async () => {
  for (const pause of [0, 3_000]) {
    const snapshot = await rpc('evm_snapshot')
    const gone = await fill(node.url, contracts, 4, 100)
    assert.equal((await walk(rpc, payees[0], 3)).length, 28)
    await new Promise((resolve) => setTimeout(resolve, pause))
    assert.equal(await rpc('evm_revert', snapshot), true)
    assert.deepEqual(await answers(rpc, addresses), told)
    for (const hash of gone) assert.equal(await rpc('eth_getTransactionByHash', hash), null)
    const nonce = Number(await rpc('eth_getTransactionCount', senders[0], 'latest'))
    assert.equal(await rpc('ots_getTransactionBySenderAndNonce', senders[0], nonce), null)
  }
  await restart()
  assert.deepEqual(await answers(rpc, addresses), told)
  // Other blocks come in the place of those.
  await fill(node.url, contracts, 3, 50)
  await compare()
})

test('the same answers where the blocks came as a file', async () => {
  told = await answers(rpc, addresses)
  assert.equal((await node.stop()).code, 0)
  const file = path.join(temporaryFolder('exported'), 'chain.rlp')
  const other = temporaryFolder('imported')
  const exported = await runCommand(['export', '--datadir', datadir, file])
  assert.equal(exported.code, 0, exported.stderr)
  const made = await runCommand(['init', '--datadir', other, path.join(datadir, 'genesis.json')])
  assert.equal(made.code, 0, made.stderr)
  const imported = await runCommand(['import', '--datadir', other, file])
  assert.equal(imported.code, 0, imported.stderr)
  node = await startNode({ datadir: other })
  assert.deepEqual(await answers(rpc, addresses), told)
  await compare()
})

test('pages stay where old state is forgotten', async () => {
  assert.equal((await node.stop()).code, 0)
  await start(['--history.blocks', '2'])
  const pages = async () => Object.fromEntries(await Promise.all(
    addresses.map(async (address) => [address, await walk(rpc, address, 4)])))
  const before = await pages()
  const head = Number(await rpc('eth_blockNumber'))
  await rpc('hardhat_mine', '0x20')
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  const past = await client(node.url)('eth_getBalance', senders[0], '0x1').catch(({ message }) => message)
  assert.match(past, /pruned/)
  assert.deepEqual(await pages(), before)
  assert.ok(Number(await rpc('eth_blockNumber')) > head)
  const child = addresses.at(-1)
  const { hash, creator } = await rpc('ots_getContractCreator', child)
  assert.equal(creator, contracts.factory)
  assert.equal((await rpc('eth_getTransactionReceipt', hash)).to, contracts.factory)
})
