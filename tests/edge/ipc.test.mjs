// The unix socket: real clients, and its file from start to stop.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, statSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { IpcSocketProvider, parseEther } from 'ethers'
import { accounts } from '../lib/accounts.mjs'
import { startNode, temporaryFolder } from '../lib/node.mjs'
import { call, until } from '../lib/rpc.mjs'
import { cast } from '../lib/tools.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const socketOf = (node) => path.join(node.datadir, 'plasma.ipc')

describe('clients', () => {
  let node, ipc
  before(async () => {
    node = await startNode()
    ipc = socketOf(node)
  })
  after(async () => assert.equal((await node.stop()).code, 0))

  test('ethers: calls, transactions and subscriptions', async () => {
    const provider = new IpcSocketProvider(ipc)
    try {
      assert.equal((await provider.getNetwork()).chainId, 1337n)
      const seen = []
      await provider.on('block', (number) => seen.push(number))
      const signer = await provider.getSigner(0)
      const sent = await signer.sendTransaction({ to: accounts[5].address, value: parseEther('1') })
      const receipt = await sent.wait()
      assert.equal(receipt.status, 1)
      await until('the block over the socket', () => seen.includes(receipt.blockNumber))
      const many = await Promise.all(Array.from({ length: 200 }, (_, at) => provider.getBalance(accounts[at % 10].address)))
      assert.equal(many.length, 200)
    } finally {
      provider.destroy()
    }
  })

  test('cast takes the path as a URL', async () => {
    assert.equal(await cast(['chain-id', '--rpc-url', ipc]), '1337')
    assert.equal(await cast(['block-number', '--rpc-url', ipc]), `${Number(await call(node.url, 'eth_blockNumber'))}`)
  })

  test('web3.py', async () => {
    const python = process.env.EDGE_PYTHON
    assert.ok(python, 'tests/run.sh sets EDGE_PYTHON')
    const { stdout } = await promisify(execFile)(python, [path.join(here, 'ipc_client.py'), ipc])
    const told = JSON.parse(stdout)
    assert.deepEqual(told, { chainId: 1337, status: 1, blocks: 1, batch: 3 })
  })

  test('a request without a newline, and an answer with one', async () => {
    const socket = net.connect(ipc)
    socket.end('{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}')
    let text = ''
    for await (const chunk of socket) text += chunk
    assert.equal(text, '{"jsonrpc":"2.0","id":1,"result":"0x539"}\n'.repeat(2))
  })
})

describe('the socket', () => {
  const refused = async (options) => {
    const error = await startNode(options).then((node) => node.stop().then(() => null), (failure) => failure)
    assert.ok(error, 'the node should not have started')
    assert.equal(error.node.exit.code, 1)
    return error.node.stderr
  }

  test('is its owner\'s alone, is removed on a clean stop and replaced after kill -9', async () => {
    let node = await startNode()
    const { datadir } = node
    const ipc = socketOf(node)
    assert.equal(statSync(ipc).mode & 0o777, 0o600)
    assert.equal((await node.stop()).code, 0)
    assert.equal(existsSync(ipc), false)
    node = await startNode({ datadir })
    await node.kill()
    assert.equal(existsSync(ipc), true)
    node = await startNode({ datadir })
    assert.equal(await cast(['chain-id', '--rpc-url', ipc]), '1337')
    assert.equal((await node.stop()).code, 0)
    assert.equal(existsSync(ipc), false)
  })

  test('of a living node is not taken, and no file is', async () => {
    const node = await startNode()
    const ipc = socketOf(node)
    assert.match(await refused({ args: ['--ipcpath', ipc] }), /--ipcpath: the socket .* is in use by another node/)
    assert.equal(await cast(['chain-id', '--rpc-url', ipc]), '1337')
    await node.stop()
    const file = path.join(temporaryFolder(), 'precious')
    writeFileSync(file, 'x')
    assert.match(await refused({ args: ['--ipcpath', file] }), /exists and is no socket/)
  })

  test('is where it was asked for, or not at all', async () => {
    const elsewhere = path.join(temporaryFolder(), 'p.ipc')
    const node = await startNode({ args: ['--ipcpath', elsewhere] })
    assert.equal(await cast(['chain-id', '--rpc-url', elsewhere]), '1337')
    assert.equal(existsSync(socketOf(node)), false)
    await node.stop()
    const without = await startNode({ args: ['--ipcdisable'] })
    assert.equal(existsSync(socketOf(without)), false)
    await without.stop()
  })

  test('development methods are not served to other machines unless asked for', async () => {
    const message = await refused({ args: ['--http.addr', '0.0.0.0'] })
    assert.match(message, /--http\.addr 0\.0\.0\.0:0 .*--dev\.serve-unsafe-methods-on-all-addresses/)
    assert.match(await refused({ args: ['--ws.port', '0', '--ws.addr', '0.0.0.0'] }), /--ws\.addr 0\.0\.0\.0/)
  })
})
