// A page that calls the node itself, without a wallet between them: the browser asks whether its origin may.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { accounts } from '../lib/accounts.mjs'
import { panics, startNode, temporaryFolder } from '../lib/node.mjs'
import { client } from '../lib/rpc.mjs'
import { serveFolder, startBrowser } from './browser.mjs'

let browser, site, stranger, closed, named, open

before(async () => {
  const folder = temporaryFolder('page')
  writeFileSync(path.join(folder, 'index.html'), '<!doctype html><title>page</title>')
  ;[browser, site, stranger] = await Promise.all([startBrowser(), serveFolder(folder), serveFolder(folder)])
  ;[closed, named, open] = await Promise.all(
    [[], ['--http.corsdomain', site.origin], ['--http.corsdomain', '*']].map((args) => startNode({ args })))
}, { timeout: 60_000 })

after(async () => {
  await browser?.close()
  await Promise.all([site, stranger].map((server) => server?.close()))
  for (const node of [closed, named, open]) {
    assert.equal((await node.stop()).code, 0)
    assert.deepEqual(panics(node.stderr), [])
  }
})

/** Calls a method by `fetch` from a page of `origin`; answers what the page was given. */
async function fromPage(origin, node, method, params = []) {
  const page = await browser.newPage()
  try {
    await page.goto(origin)
    return await page.evaluate(async (url, body) => {
      try {
        const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
        return { status: response.status, answer: await response.json() }
      } catch (error) {
        return { refused: `${error}` }
      }
    }, node.url, JSON.stringify({ jsonrpc: '2.0', id: 7, method, params }))
  } finally {
    await page.close()
  }
}

test('without --http.corsdomain no page of another origin is served', async () => {
  assert.match((await fromPage(site.origin, closed, 'eth_chainId')).refused, /Failed to fetch/)
  // The browser asks before it sends, so that nothing was done either.
  const [from, to] = accounts
  const sent = await fromPage(site.origin, closed, 'eth_sendTransaction', [{ from: from.address, to: to.address, value: '0x1' }])
  assert.match(sent.refused, /Failed to fetch/)
  assert.equal(await client(closed.url)('eth_blockNumber'), '0x0')
})

test('the origin that it names is served, others are not', async () => {
  const { status, answer } = await fromPage(site.origin, named, 'eth_chainId')
  assert.deepEqual([status, answer], [200, { jsonrpc: '2.0', id: 7, result: '0x539' }])
  const [from, to] = accounts
  const sent = await fromPage(site.origin, named, 'eth_sendTransaction', [{ from: from.address, to: to.address, value: '0x1' }])
  assert.equal((await client(named.url)('eth_getTransactionReceipt', sent.answer.result)).status, '0x1')
  assert.match((await fromPage(stranger.origin, named, 'eth_chainId')).refused, /Failed to fetch/)
})

test('an asterisk serves every origin; errors reach the page, too', async () => {
  for (const { origin } of [site, stranger]) {
    assert.equal((await fromPage(origin, open, 'eth_chainId')).answer.result, '0x539')
  }
  assert.equal((await fromPage(site.origin, open, 'eth_noSuchMethod')).answer.error.code, -32601)
})

/** What eth_chainId answers over WebSocket to a page of `origin`, or `refused`. */
async function overSocket(origin, node) {
  const page = await browser.newPage()
  try {
    await page.goto(origin)
    return await page.evaluate((url) => new Promise((resolve) => {
      const socket = new WebSocket(url)
      socket.onopen = () => socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }))
      socket.onmessage = ({ data }) => { socket.close(); resolve(JSON.parse(data).result) }
      socket.onerror = () => resolve('refused')
    }), node.ws)
  } finally {
    await page.close()
  }
}

test('a page of a served origin may also use WebSocket', async () => {
  assert.equal(await overSocket(site.origin, named), '0x539')
})

test('a page of another origin may not use WebSocket', async () => {
  assert.equal(await overSocket(stranger.origin, named), 'refused')
  assert.equal(await overSocket(site.origin, closed), 'refused')
})
