// A disk that is full: the node says so in a sentence, and nothing that it told before is lost.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { accounts } from '../lib/accounts.mjs'
import { panics, startNode, temporaryFolder } from '../lib/node.mjs'
import { call, client } from '../lib/rpc.mjs'

/** Bytes that stay free when the disk is filled: enough for some blocks, and for no more. */
const LEFT = 512 * 1024

/** Mounts a small file system in memory; answers its folder, or nothing where that is not allowed. */
function smallDisk(size) {
  const folder = temporaryFolder('small-disk')
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder], { stdio: 'ignore' })
  } catch {
    return undefined
  }
  process.prependListener('exit', () => execFileSync('umount', ['-l', folder]))
  return folder
}

const free = (folder) => {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

test('a full disk loses nothing', async (t) => {
  const disk = smallDisk('256m')
  if (!disk) return t.skip('only root may mount a small file system')
  const datadir = path.join(disk, 'data')
  const node = await startNode({ datadir })
  const ballast = path.join(disk, 'ballast')
  const seen = new Map()
  const send = async () => {
    // Large call data, so that every block needs space.
    const hash = await call(node.url, 'eth_sendTransaction', [{
      from: accounts[0].address, to: accounts[1].address, gas: '0xf42400', data: `0x${'5a'.repeat(100_000)}` }])
    const receipt = await call(node.url, 'eth_getTransactionReceipt', [hash])
    if (receipt) seen.set(hash, receipt)
  }
  for (let index = 0; index < 5; index++) await send()
  assert.equal(seen.size, 5)
  writeFileSync(ballast, Buffer.alloc(Math.max(0, free(disk) - LEFT)))

  let refusal
  for (let index = 0; index < 2000 && !refusal; index++) await send().catch((error) => { refusal = error })
  assert.ok(refusal, 'the disk never became full')
  // It may have ended, or go on without making blocks; either way it says why.
  await new Promise((resolve) => setTimeout(resolve, 1000))
  const exit = node.exit ?? (await node.stop())
  assert.notEqual(exit.signal, 'SIGBUS')
  assert.deepEqual(panics(node.stderr), [])
  const last = node.stderr.trim().split('\n').slice(-3).join('\n')
  assert.match(last, /no space left|disk is full/i, `${JSON.stringify(exit)}, refused with: ${refusal.message}`)

  rmSync(ballast)
  const again = await startNode({ datadir })
  const rpc = client(again.url)
  for (const [hash, receipt] of seen) assert.deepEqual(await rpc('eth_getTransactionReceipt', hash), receipt)
  assert.ok(seen.size >= 5)
  const hash = await rpc('eth_sendTransaction', { from: accounts[2].address, to: accounts[1].address, value: '0x1' })
  assert.equal((await rpc('eth_getTransactionReceipt', hash)).status, '0x1')
  assert.equal((await again.stop()).code, 0)
})
