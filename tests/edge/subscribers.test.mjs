// Many subscribers, one that never reads, and pages that may not connect.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import net from 'node:net'
import { WebSocket } from 'ws'
import { accounts } from '../lib/accounts.mjs'
import { startNode } from '../lib/node.mjs'
import { call, post, until } from '../lib/rpc.mjs'

/** A node, and an end for it and for all sockets, also where the test fails. */
async function nodeFor(t, options) {
  const node = await startNode(options)
  t.after(() => {
    sockets.splice(0).forEach((socket) => socket.terminate())
    return node.stop()
  })
  return node
}

const sockets = []
const open = (url, options) => new Promise((resolve, reject) => {
  const socket = new WebSocket(url, options)
  sockets.push(socket)
  socket.on('open', () => resolve(socket)).on('error', reject)
})

/** Code that logs the 32 KiB of memory before it (PUSH2 8000 PUSH0 LOG0). */
const LOUD = '0x6180005fa000'
const loud = '0x00000000000000000000000000000000000000bb'
const shout = (url) => call(url, 'eth_sendTransaction', [{ from: accounts[0].address, to: loud, gas: '0x7a1200' }])

test('a thousand subscribers are told everything, in order', async (t) => {
  const node = await nodeFor(t)
  await call(node.url, 'anvil_setCode', [loud, '0x60015f5fa100'])
  const opened = await Promise.all(Array.from({ length: 50 }, () => open(node.ws)))
  const told = new Map()
  let ready = 0
  for (const socket of opened) {
    socket.on('message', (data) => {
      const { id, result, params } = JSON.parse(data)
      if (id !== undefined) {
        told.set(result, [])
        ready++
      } else told.get(params.subscription).push(params.result.number ?? params.result.blockNumber)
    })
    for (let id = 0; id < 20; id++) {
      const params = id % 2 ? ['newHeads'] : ['logs', { address: loud }]
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'eth_subscribe', params }))
    }
  }
  await until('all subscriptions', () => ready === 1000)
  for (let block = 0; block < 5; block++) await shout(node.url)
  const all = ['0x1', '0x2', '0x3', '0x4', '0x5']
  await until('all events', () => [...told.values()].every(({ length }) => length === 5))
  assert.equal(told.size, 1000)
  for (const seen of told.values()) assert.deepEqual(seen, all)
  opened.forEach((socket) => socket.terminate())
  assert.equal((await node.stop()).code, 0)
})

test('a subscriber that never reads is dropped with a reason and harms nobody', async (t) => {
  const node = await nodeFor(t, { args: ['--rpc.subscription-buffer', '4', '--rpc.subscription-patience', '1s', '--rpc.gascap', '0'] })
  await call(node.url, 'anvil_setCode', [loud, LOUD])
  const slow = await open(node.ws)
  let told = 0, reason
  const subscription = await new Promise((resolve) => {
    slow.on('message', (data) => {
      const { id, result, params } = JSON.parse(data)
      if (id !== undefined) {
        // From now on nothing is read.
        slow._socket.pause()
        resolve(result)
      } else if (params.error) reason = params
      else told++
    })
    slow.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params: ['logs', { address: loud }] }))
  })
  const fast = await open(node.ws)
  let heard = 0
  fast.on('message', (data) => { if (JSON.parse(data).params) heard++ })
  fast.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_subscribe', params: ['logs', { address: loud }] }))
  // 64 KiB of JSON each: more than all buffers of the system between them hold.
  const events = 300
  for (let at = 0; at < events; at++) await shout(node.url)
  await until('the other subscriber has all', () => heard === events)
  // Long enough for its patience to be over; then it reads what was kept for it.
  await new Promise((resolve) => setTimeout(resolve, 2500))
  slow._socket.resume()
  await until('the reason', () => reason)
  assert.equal(reason.subscription, subscription)
  assert.match(JSON.stringify(reason.error), /takes no messages/)
  assert.ok(told < events, `${told} of ${events} were kept`)
  // Only the subscription was dropped: the connection works, and nothing more is told on it.
  const before = told
  await shout(node.url)
  await until('the other subscriber goes on', () => heard === events + 1)
  assert.equal(told, before)
  slow.terminate()
  fast.terminate()
  assert.equal((await node.stop()).code, 0)
})

test('hosts and origins', async (t) => {
  const node = await nodeFor(t, { args: ['--http.corsdomain', 'https://app.example', '--http.vhosts', 'localhost,node.example'] })
  const status = (url, options) => open(url, options).then((socket) => { socket.terminate(); return 101 },
    ({ message }) => Number(/Unexpected server response: (\d+)/.exec(message)?.[1] ?? message))
  for (const [origin, expected] of [
    [undefined, 101], ['https://app.example', 101], ['http://localhost:5173', 101],
    ['https://evil.example', 403], ['https://app.example.evil.example', 403], ['null', 403]
  ]) assert.equal(await status(node.ws, { origin }), expected, `${origin}`)
  for (const [host, expected] of [['node.example', 101], ['localhost', 101], ['evil.example', 403]]) {
    assert.equal(await status(node.ws, { headers: { host } }), expected, host)
  }
  const preflight = (origin) => fetch(node.url, {
    method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' }
  })
  assert.equal((await preflight('https://app.example')).headers.get('access-control-allow-origin'), 'https://app.example')
  assert.equal((await preflight('https://evil.example')).headers.get('access-control-allow-origin'), null)
  assert.equal((await node.stop()).code, 0)
})

test('limits have flags: connections and requests per second', async (t) => {
  const node = await nodeFor(t, { args: ['--rpc.max-connections', '3', '--rpc.rate-limit', '1000', '--rpc.max-subscriptions', '1'] })
  const opened = await Promise.all(Array.from({ length: 3 }, () => open(node.ws)))
  const { status, json } = await post(node.url, '{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}', {
    'content-type': 'application/json', connection: 'close'
  })
  assert.equal(status, 429)
  assert.equal(json.error.code, -32005)
  assert.match(json.error.message, /--rpc\.max-connections/)
  const raw = net.connect(`${node.datadir}/plasma.ipc`)
  let text = ''
  for await (const chunk of raw) text += chunk
  assert.match(text, /--rpc\.max-connections/)
  const answers = await new Promise((resolve) => {
    const seen = []
    opened[0].on('message', (data) => { seen.push(JSON.parse(data)); if (seen.length === 2) resolve(seen) })
    for (const id of [1, 2]) {
      opened[0].send(JSON.stringify({ jsonrpc: '2.0', id, method: 'eth_subscribe', params: ['newHeads'] }))
    }
  })
  assert.match(answers.find(({ error }) => error).error.message, /--rpc\.max-subscriptions/)
  opened.forEach((socket) => socket.terminate())
  const batch = JSON.stringify(Array.from({ length: 900 }, (_, id) => ({ jsonrpc: '2.0', id, method: 'eth_chainId' })))
  await until('a place', async () => (await post(node.url, batch)).status === 200)
  const refused = []
  for (let at = 0; at < 10; at++) refused.push(...(await post(node.url, batch)).json.filter(({ error }) => error))
  assert.ok(refused.length > 0)
  assert.ok(refused.every(({ error }) => error.code === -32005 && /--rpc\.rate-limit/.test(error.message)))
  opened.forEach((socket) => socket.terminate())
  assert.equal((await node.stop()).code, 0)
})
