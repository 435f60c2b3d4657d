// A disk that is slow to write state: the journal goes on, and when state falls too far behind, building waits for it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { accounts } from '../lib/accounts.mjs'
import { metricsPage, panics, startNode, temporaryFolder } from '../lib/node.mjs'
import { client, until } from '../lib/rpc.mjs'
import { callsIn, faultEnvironment } from './shim.mjs'

/** Blocks that may wait for the disk (`max_unpersisted_blocks`), which are also the most of one commit. */
const MOST_WAITING = 64
const MIB = 1024

const gauge = (text, name) => {
  const found = text.match(new RegExp(`^${name} (\\S+)$`, 'm'))
  assert.ok(found, `no ${name} among the metrics`)
  return Number(found[1])
}
/** Resident memory in KiB. */
const resident = (pid) => Number(readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+) kB$/m)[1])

test('the metrics tell what commits of the journal cost, and how far state is behind', async () => {
  const node = await startNode({ args: ['--metrics', '127.0.0.1:0', '--block-time', '300ms', '--tick', '50ms'] })
  const rpc = client(node.url)
  for (let index = 0; index < 4; index++) {
    await rpc('eth_sendRawTransactionSync', await accounts[3].signTransaction({
      type: 'eip1559', chainId: 1337, nonce: index, maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 1n, gas: 21_000n,
      to: accounts[0].address, value: 1n }))
  }
  // The answers came before the block was sealed.
  await until('a sealed block', async () => Number(await rpc('eth_blockNumber')) >= 1)
  const text = await metricsPage(node)
  assert.ok(gauge(text, 'plasma_state_unpersisted_blocks') <= MOST_WAITING)
  for (const record of ['tick', 'block']) {
    for (const quantile of ['0.5', '0.99']) {
      const found = text.match(new RegExp(
        `^plasma_journal_commit_seconds_summary\\{record="${record}",quantile="${quantile}"\\} (\\S+)$`, 'm'))
      assert.ok(Number(found?.[1]) > 0, `${record} ${quantile}: ${found?.[1]}`)
    }
    assert.match(text, new RegExp(`^plasma_journal_commit_seconds_bucket\\{record="${record}",le="\\+Inf"\\} [1-9]`, 'm'))
  }
  assert.equal((await node.stop()).code, 0)
})

test('a disk too slow for the state slows building down, and memory stays bounded', async () => {
  const datadir = temporaryFolder('slow-disk')
  const log = path.join(temporaryFolder('slow-disk-log'), 'calls.log')
  const env = faultEnvironment(datadir, log, { match: '/state/', syncDelayMs: 3000 })
  const node = await startNode({ datadir, args: ['--metrics', '127.0.0.1:0', '--no-keeper'], env })
  const rpc = client(node.url)
  const seen = new Map()
  // Call data that would be felt if blocks piled up in memory.
  const data = `0x${'5a'.repeat(50_000)}`
  let sending = true
  const sender = async ({ address }) => {
    while (sending) {
      const hash = await rpc('eth_sendTransaction', { from: address, to: accounts[0].address, gas: '0x200b20', data })
      let receipt
      while (!(receipt = await rpc('eth_getTransactionReceipt', hash)) && sending) await new Promise((done) => setTimeout(done, 5))
      if (receipt) seen.set(hash, receipt)
    }
  }
  // Requests that are under way when the node is killed fail; no others may.
  const senders = accounts.slice(1, 9).map((account) => sender(account).catch((error) => { if (sending) throw error }))
  const commits = () => callsIn(log).filter(({ name, file }) => name === 'fdatasync' && file.endsWith('/state/mdbx.dat')).length
  const atStart = commits()
  let most = 0, whenFull, grown = 0, head = 0
  // Until building has waited through a few commits.
  const deadline = Date.now() + 120_000
  while (!(whenFull && head > 4 * MOST_WAITING)) {
    assert.ok(Date.now() < deadline, `${head} blocks, at most ${most} of them waited`)
    const waiting = gauge(await metricsPage(node), 'plasma_state_unpersisted_blocks')
    most = Math.max(most, waiting)
    head = Number(await rpc('eth_blockNumber'))
    if (waiting === MOST_WAITING) whenFull ??= resident(node.pid)
    if (whenFull) grown = Math.max(grown, resident(node.pid) - whenFull)
    // Every commit takes what waited when it began; no other blocks can have been made.
    const allowed = MOST_WAITING * (commits() - atStart + 2)
    assert.ok(head <= allowed, `${head} blocks after ${commits() - atStart} commits of the state`)
    await new Promise((done) => setTimeout(done, 20))
  }
  assert.equal(most, MOST_WAITING, 'state never fell behind, or further than it may')
  assert.ok(grown < 256 * MIB, `resident memory grew by ${Math.round(grown / MIB)} MiB while the disk was too slow`)
  // Killed while it waits for the disk.
  sending = false
  await node.kill()
  await Promise.all(senders)
  assert.deepEqual(panics(node.stderr), [])
  console.log(`${head} blocks, at most ${most} waited; memory grew by ${Math.round(grown / MIB)} MiB from ${Math.round(whenFull / MIB)}`)

  const again = await startNode({ datadir, args: ['--no-keeper'] })
  const after = client(again.url)
  for (const [hash, receipt] of seen) assert.deepEqual(await after('eth_getTransactionReceipt', hash), receipt)
  assert.ok(seen.size > MOST_WAITING)
  assert.equal((await again.stop()).code, 0)
})
