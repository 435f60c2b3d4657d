// A node that a consensus layer drives: it builds, executes and follows as it is told, keeps what it was told over kill -9, and
// says to everybody else that it is driven.
import assert from 'node:assert/strict'
import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ethers } from 'ethers'
import { accounts, keyOf } from '../lib/accounts.mjs'
import { ethersKzg, zeroBlob } from '../lib/blob.mjs'
import { ZERO, bring, build, choose, forkchoice, startDriven, token } from '../lib/consensus.mjs'
import { panics, runCommand, startNode, temporaryFolder } from '../lib/node.mjs'
import { client, errorOf, post, receiptOf, until } from '../lib/rpc.mjs'

const genesis = fileURLToPath(new URL('../../genesis/dev.json', import.meta.url))
const args = ['--genesis', genesis]
const folders = ['proposer', 'follower'].map((name) => temporaryFolder(name))
let proposer, follower

before(async () => {
  ;[proposer, follower] = await Promise.all(folders.map((datadir) => startDriven({ datadir, args })))
})
after(() => Promise.all([proposer, follower].map((node) => node?.stop())))

const head = (node) => client(node.url)('eth_getBlockByNumber', 'latest', false)
const wallet = (node, index = 0) =>
  new ethers.Wallet(keyOf(index), new ethers.JsonRpcProvider(node.url, undefined, { cacheTimeout: -1 }))

/** Builds a block on the proposer's head and makes it the head of `nodes`. */
async function advance(nodes = [proposer, follower], versioned = []) {
  const envelope = await build(proposer, await head(proposer))
  const { blockHash } = envelope.executionPayload
  for (const node of nodes) {
    for (const status of [await bring(node, envelope, versioned), await choose(node, blockHash)]) {
      assert.deepEqual(status, { status: 'VALID', latestValidHash: blockHash, validationError: null })
    }
    assert.equal((await head(node)).hash, blockHash)
  }
  return envelope
}

test('the authenticated port wants a token of the secret file, which is for its owner alone', async () => {
  assert.equal(statSync(path.join(folders[0], 'jwt.hex')).mode & 0o777, 0o600)
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'engine_exchangeCapabilities', params: [[]] })
  const headers = (authorization) => ({ 'content-type': 'application/json', ...(authorization && { authorization }) })
  for (const authorization of [undefined, 'Bearer x', `Bearer ${token('ab'.repeat(32))}`]) {
    assert.equal((await post(proposer.authUrl, body, headers(authorization))).status, 401)
  }
  const told = await proposer.engine('engine_exchangeCapabilities', [])
  for (const method of ['engine_newPayloadV4', 'engine_forkchoiceUpdatedV3', 'engine_getPayloadV5', 'engine_getBlobsV3']) {
    assert.ok(told.includes(method), method)
  }
  const refused = await errorOf(proposer.url, 'engine_newPayloadV4', [])
  assert.equal(refused.code, -32601)
})

test('transactions sent to the public port stand in the blocks that the consensus layer asks for', async () => {
  const me = wallet(proposer)
  for (let block = 1; block <= 3; block++) {
    const sent = await me.sendTransaction({ to: accounts[1].address, value: 1n })
    const envelope = await advance()
    assert.equal(envelope.executionPayload.transactions.length, 1)
    for (const node of [proposer, follower]) {
      const receipt = await client(node.url)('eth_getTransactionReceipt', sent.hash)
      assert.equal(receipt.blockHash, envelope.executionPayload.blockHash)
      assert.equal(receipt.status, '0x1')
    }
  }
})

test('blobs are given with their block and, while they wait, by their hashes', async () => {
  const sent = await wallet(proposer, 2).sendTransaction({
    type: 3, to: accounts[1].address, maxFeePerBlobGas: 10n ** 10n, blobs: [zeroBlob], blobWrapperVersion: 1, kzg: ethersKzg
  })
  const [versioned] = sent.blobVersionedHashes
  const unknown = `0x01${'77'.repeat(31)}`
  const [found] = await proposer.engine('engine_getBlobsV2', [versioned])
  assert.equal(found.blob, zeroBlob)
  assert.equal(found.proofs.length, 128)
  assert.equal(await proposer.engine('engine_getBlobsV2', [versioned, unknown]), null, 'all or nothing')
  assert.deepEqual(await proposer.engine('engine_getBlobsV3', [unknown, versioned]), [null, found])
  await assert.rejects(proposer.engine('engine_getBlobsV1', [versioned]), { code: -38005 })
  await assert.rejects(proposer.engine('engine_getBlobsV2', Array(129).fill(unknown)), { code: -38004 })
  const { blobsBundle } = await advance(undefined, [versioned])
  assert.deepEqual(blobsBundle.blobs, [zeroBlob])
  assert.deepEqual(blobsBundle.proofs, found.proofs)
  assert.equal(await proposer.engine('engine_getBlobsV2', [versioned]), null, 'they went with their block')
})

test('withdrawals are paid in gwei', async () => {
  const address = '0x00000000000000000000000000000000000000a1'
  const withdrawals = [{ index: '0x0', validatorIndex: '0x1', address, amount: '0x2' }]
  const envelope = await build(proposer, await head(proposer), { withdrawals })
  assert.equal((await bring(proposer, envelope)).status, 'VALID')
  assert.equal((await choose(proposer, envelope.executionPayload.blockHash)).status, 'VALID')
  assert.equal(BigInt(await client(proposer.url)('eth_getBalance', address, 'latest')), 2_000_000_000n)
})

test('what was made the head survives kill -9, and what was only brought can be brought again', async () => {
  const kept = await advance([proposer])
  const sent = await wallet(proposer).sendTransaction({ to: accounts[1].address, value: 1n })
  const brought = await build(proposer, await head(proposer))
  assert.equal((await bring(proposer, brought)).status, 'VALID')
  await proposer.kill()
  proposer = await startDriven({ datadir: folders[0], args })
  assert.equal((await head(proposer)).hash, kept.executionPayload.blockHash)
  // A block that nobody made the head was never promised.
  assert.equal((await choose(proposer, brought.executionPayload.blockHash)).status, 'SYNCING')
  assert.equal((await bring(proposer, brought)).status, 'VALID')
  assert.equal((await choose(proposer, brought.executionPayload.blockHash)).status, 'VALID')
  assert.equal((await receiptOf(proposer.url, sent.hash)).blockHash, brought.executionPayload.blockHash)
})

test('a node that was away is brought up to date, and follows to another branch', async () => {
  const from = Number((await head(follower)).number)
  const to = Number((await head(proposer)).number)
  assert.ok(to > from)
  const missing = []
  for (let number = from + 1; number <= to; number++) {
    const block = await client(proposer.url)('eth_getBlockByNumber', `0x${number.toString(16)}`, true)
    const raw = await Promise.all(
      block.transactions.map(({ hash }) => client(proposer.url)('eth_getRawTransactionByHash', hash)))
    missing.push([block, raw])
  }
  const payload = ([block, raw]) => ({
    parentHash: block.parentHash, feeRecipient: block.miner, stateRoot: block.stateRoot,
    receiptsRoot: block.receiptsRoot, logsBloom: block.logsBloom, prevRandao: block.mixHash,
    blockNumber: block.number, gasLimit: block.gasLimit, gasUsed: block.gasUsed, timestamp: block.timestamp,
    extraData: block.extraData, baseFeePerGas: block.baseFeePerGas, blockHash: block.hash, transactions: raw,
    withdrawals: block.withdrawals, blobGasUsed: block.blobGasUsed, excessBlobGas: block.excessBlobGas
  })
  const statuses = []
  // The newest first: each waits for its parent.
  for (const one of missing.toReversed()) {
    statuses.push((await follower.engine('engine_newPayloadV4', payload(one), [], ZERO, [])).status)
  }
  assert.deepEqual(statuses, [...Array(missing.length - 1).fill('SYNCING'), 'VALID'])
  const { hash } = await head(proposer)
  assert.equal((await choose(follower, hash)).status, 'VALID')
  assert.equal((await head(follower)).hash, hash)

  // Two blocks on the same parent: the proposer takes one, then the other.
  const parent = await head(proposer)
  const sent = await wallet(proposer).sendTransaction({ to: accounts[1].address, value: 1n })
  const one = await build(proposer, parent)
  const two = await build(proposer, parent, { prevRandao: `0x${'08'.repeat(32)}` })
  for (const { executionPayload } of [one, two]) assert.equal(executionPayload.transactions.length, 1)
  for (const envelope of [one, two, one]) {
    const { blockHash } = envelope.executionPayload
    assert.equal((await bring(proposer, envelope)).status, 'VALID')
    assert.equal((await choose(proposer, blockHash)).status, 'VALID')
    assert.equal((await client(proposer.url)('eth_getTransactionReceipt', sent.hash)).blockHash, blockHash)
  }
  const finalized = one.executionPayload.blockHash
  await assert.rejects(
    proposer.engine('engine_forkchoiceUpdatedV3', forkchoice(two.executionPayload.blockHash, ZERO, finalized), null),
    { code: -38002 })
  await proposer.engine('engine_forkchoiceUpdatedV3', forkchoice(finalized, finalized, finalized), null)
  assert.equal((await client(proposer.url)('eth_getBlockByNumber', 'finalized', false)).hash, finalized)
})

test('what a sequencer had pre-confirmed is pending again when a consensus layer takes over', async () => {
  const datadir = temporaryFolder('handover')
  let node = await startNode({ datadir, dev: false, args: [...args, '--block-time', '1h', '--tick', '20ms'] })
  const sent = await wallet(node).sendTransaction({ to: accounts[1].address, value: 1n })
  await until('the transaction is pre-confirmed', () => client(node.url)('eth_getTransactionReceipt', sent.hash)
    .then((receipt) => receipt ?? client(node.url)('eth_getBlockByNumber', 'pending', false)
      .then(({ transactions }) => transactions.includes(sent.hash))))
  await node.kill()
  node = await startDriven({ datadir, args })
  const envelope = await build(node, await head(node))
  assert.equal(envelope.executionPayload.transactions.length, 1)
  assert.equal((await bring(node, envelope)).status, 'VALID')
  assert.equal((await choose(node, envelope.executionPayload.blockHash)).status, 'VALID')
  assert.equal((await receiptOf(node.url, sent.hash)).status, '0x1')
  await node.stop()
})

test('without --engine the methods say what to do, and --engine does not go with a sequencer of its own', async () => {
  const node = await startNode({ dev: false, args: [...args, '--authrpc.port', '0'] })
  const found = `${node.stdout}${node.stderr}`.match(/authrpc=(?:Some\()?(127\.0\.0\.1:\d+)/)
  const secret = readFileSync(path.join(node.datadir, 'jwt.hex'), 'utf8')
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'engine_newPayloadV4', params: [] })
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token(secret)}` }
  const { json } = await post(`http://${found[1]}`, body, headers)
  assert.equal(json.error.code, -32601)
  assert.match(json.error.message, /--engine/)
  await node.stop()
  for (const flags of [['--dev'], ['--block-time', '1s']]) {
    const { code, stderr } = await runCommand(['node', '--engine', ...flags, '--datadir', temporaryFolder()])
    assert.notEqual(code, 0)
    assert.match(stderr, /--engine/)
  }
})

test('no node panicked', () => {
  for (const node of [proposer, follower]) assert.deepEqual(panics(node.stderr + node.stdout), [])
})
