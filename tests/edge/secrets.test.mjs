// What is secret stands in no log line, however much is logged.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { startNode } from '../lib/node.mjs'
import { post } from '../lib/rpc.mjs'

const freePort = () => new Promise((resolve) => {
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => resolve(port))
  })
})

test('tokens and secrets are not logged', async () => {
  const port = await freePort()
  const node = await startNode({ args: ['--log', 'trace', '--authrpc.port', `${port}`], env: { RUST_LOG: 'trace' } })
  const secret = readFileSync(path.join(node.datadir, 'jwt.hex'), 'utf8').trim().replace('0x', '')
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ iat: Math.floor(Date.now() / 1000) })}`
  const token = `${signed}.${createHmac('sha256', Buffer.from(secret, 'hex')).update(signed).digest('base64url')}`
  const authorization = `Bearer ${token}`
  const request = '{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}'
  const url = `http://127.0.0.1:${port}`
  const answer = await post(url, request, { 'content-type': 'application/json', authorization })
  assert.equal(answer.json.result, '0x539')
  const wrong = `${token.slice(0, -4)}AAAA`
  assert.equal((await post(url, request, { 'content-type': 'application/json', authorization: `Bearer ${wrong}` })).status, 401)
  // A port that asks for no token may be sent one all the same.
  assert.equal((await post(node.url, request, { 'content-type': 'application/json', authorization })).json.result, '0x539')
  const socket = new WebSocket(url.replace('http', 'ws'), { headers: { authorization } })
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject))
  socket.terminate()
  assert.equal((await node.stop()).code, 0)
  assert.match(node.stderr, /TRACE|DEBUG/, 'everything is logged')
  for (const hidden of [secret, token, token.split('.')[2], wrong]) {
    assert.ok(!node.stderr.includes(hidden) && !node.stdout.includes(hidden), 'a secret stands in the log')
  }
})
