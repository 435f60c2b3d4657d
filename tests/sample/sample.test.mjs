// What `make run` starts: a node with two sample contracts that are called by themselves.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { binary, panics, temporaryFolder } from '../lib/node.mjs'
import { call, until } from '../lib/rpc.mjs'

const script = fileURLToPath(new URL('../../scripts/run.sh', import.meta.url))

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => resolve(port))
  })
})

/** Runs the script in a process group of its own, as a terminal does, so that Ctrl-C reaches all of it. */
function start(port, datadir) {
  const child = spawn(script, [binary()], {
    detached: true, env: { ...process.env, PORT: `${port}`, PLASMA_DATADIR: datadir }
  })
  const run = { output: '', child }
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => { run.output += chunk })
  run.exited = new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal })))
  process.on('exit', () => {
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // It has ended already.
    }
  })
  run.interrupt = () => {
    process.kill(-child.pid, 'SIGINT')
    return run.exited
  }
  return run
}

test('two contracts are called by themselves, and again after a restart', async () => {
  const [port, datadir] = [await freePort(), temporaryFolder('sample')]
  const url = `http://127.0.0.1:${port}`
  const first = start(port, datadir)
  await until('the samples', () => /Ask the counter for work/.test(first.output) || first.child.exitCode !== null,
    { timeout: 60_000 })
  assert.equal(first.child.exitCode, null, first.output)
  assert.match(first.output, /Chain id +1337/)
  assert.match(first.output, /Registry +0x506C61736d610000000000000000000000000001/)
  assert.match(first.output, /\(0\) 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 0xac0974/)
  const upkeeps = await call(url, 'keeper_list')
  assert.deepEqual(upkeeps.map(({ triggerType }) => triggerType).sort(), [0, 2])
  const performed = async (count) => {
    const history = await call(url, 'keeper_history', [null, '0x0', 'latest'])
    const done = history.filter(({ outcome }) => outcome === 'performed')
    return upkeeps.every(({ id }) => done.filter(({ upkeep }) => upkeep === id).length >= count) && done
  }
  await until('three performs of each upkeep', () => performed(3))
  // The log tells of blocks, their transactions and their performs.
  assert.match(first.output.replaceAll(/\u001b\[\d+m/g, ''), /block number=\d+.*txs=\d+ performs=[1-9]/)
  const head = Number(await call(url, 'eth_blockNumber'))
  await first.interrupt()
  assert.match(first.output, /stopped/)
  await assert.rejects(call(url, 'eth_blockNumber'))

  const second = start(port, datadir)
  await until('the second start', () => /2 upkeeps are registered already/.test(second.output) || second.child.exitCode !== null,
    { timeout: 60_000 })
  assert.equal(second.child.exitCode, null, second.output)
  assert.ok(Number(await call(url, 'eth_blockNumber')) >= head)
  await until('a block with a heartbeat after the restart', async () => {
    const history = await call(url, 'keeper_history', [null, `0x${(head + 1).toString(16)}`, 'latest']).catch(() => [])
    return history.some(({ outcome }) => outcome === 'performed')
  })
  await second.interrupt()
  assert.deepEqual(panics(first.output + second.output), [])
})
