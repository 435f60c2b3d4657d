// Files of the database that were changed behind the node's back after it was killed: cut off, or overwritten.
// It refuses with a sentence, or serves what it told before; it never ends by a signal and never serves anything else.
import assert from 'node:assert/strict'
import { closeSync, cpSync, openSync, readFileSync, readSync, rmSync, truncateSync, writeSync } from 'node:fs'
import path from 'node:path'
import { before, describe, test } from 'node:test'
import { accounts } from '../lib/accounts.mjs'
import { panics, startNode, temporaryFolder } from '../lib/node.mjs'
import { call, RpcError } from '../lib/rpc.mjs'
import { check, furnish, load, verify, Witness } from './witness.mjs'

const PAGE = 4096
/** What is said of a database that cannot be used. */
const ADVICE = /(does not hold a readable database|is damaged).*(restore|backup)/
const folder = temporaryFolder('torn')
const base = path.join(folder, 'base')
const seen = new Witness()
let things

/** The three meta pages of a data file: their transaction numbers. */
function metas(file) {
  const bytes = Buffer.alloc(3 * PAGE)
  const fd = openSync(file, 'r')
  readSync(fd, bytes, 0, bytes.length, 0)
  closeSync(fd)
  return [0, 1, 2].map((page) => ({ page, transaction: bytes.readBigUInt64LE(page * PAGE + 28) }))
}

/** Numbers of the pages that the newest commit wrote: they bear that commit's transaction number. */
function lastPages(file) {
  const transaction = metas(file)[newest(file)].transaction
  const bytes = readFileSync(file)
  const found = []
  for (let page = 3; (page + 1) * PAGE <= bytes.length; page++) {
    if (bytes.readBigUInt64LE(page * PAGE) === transaction) found.push(page)
  }
  assert.ok(found.length > 2, `${file} has ${found.length} pages of transaction ${transaction}`)
  return found
}
const lastPage = (file) => lastPages(file).at(-1)

function overwrite(file, offset, length, byte) {
  const fd = openSync(file, 'r+')
  writeSync(fd, Buffer.alloc(length, byte), 0, length, offset)
  closeSync(fd)
}

const newest = (file) => metas(file).reduce((one, other) => (other.transaction > one.transaction ? other : one)).page
const DAMAGES = [
  ['the last page cut off', (file) => truncateSync(file, lastPage(file) * PAGE)],
  ['the last page cut in half', (file) => truncateSync(file, lastPage(file) * PAGE + PAGE / 2)],
  ['half of the file cut off', (file) => truncateSync(file, Math.floor(lastPage(file) / 2) * PAGE)],
  ...Array.from({ length: 12 }, (_, nth) => [`page ${nth} of the last commit overwritten`, (file) => {
    const page = lastPages(file)[nth]
    if (page) overwrite(file, page * PAGE, PAGE, 0xa5)
  }]),
  ['the last page zeroed', (file) => overwrite(file, lastPage(file) * PAGE, PAGE, 0)],
  ['the second half of the last page overwritten', (file) => overwrite(file, lastPage(file) * PAGE + PAGE / 2, PAGE / 2, 0xa5)],
  // What a torn write of the page that ends a commit leaves: it did not return, so nobody was told of it.
  ['the end of the newest meta page overwritten', (file) => overwrite(file, newest(file) * PAGE + 132, 112, 0xa5), { commitGone: true }],
  ['what the newest meta page got zeroed', (file) => overwrite(file, newest(file) * PAGE + 20, 224, 0), { commitGone: true }]
]

before(async () => {
  const node = await startNode({ datadir: base })
  things = await furnish(node.url)
  await load(node, things, seen, 12)
  await node.kill()
})

describe('files changed after kill -9', () => {
  for (const environment of ['journal', 'state']) {
    for (const [name, damage, { commitGone = false } = {}] of DAMAGES) {
      test(`${environment}: ${name}`, async (t) => {
        const datadir = path.join(folder, 'data')
        rmSync(datadir, { recursive: true, force: true })
        // The socket that kill -9 left cannot be copied.
        cpSync(base, datadir, { recursive: true, filter: (source) => path.extname(source) !== '.ipc' })
        damage(path.join(datadir, environment, 'mdbx.dat'))
        let node
        try {
          node = await startNode({ datadir, args: ['--no-keeper'] })
        } catch (error) {
          if (!error.node) throw error
          const { exit, stderr } = error.node
          assert.deepEqual(panics(stderr), [])
          assert.deepEqual(exit, { code: 1, signal: null }, stderr.slice(-1500))
          assert.match(stderr.match(/^plasma-node: .*$/m)?.[0] ?? '', ADVICE, stderr.slice(-1500))
          t.diagnostic(`refused: ${stderr.trim().split('\n').at(-1).replaceAll(folder, '').slice(0, 200)}`)
          return
        }
        const head = Number(await call(node.url, 'eth_blockNumber'))
        const told = new Witness()
        Object.assign(told, seen)
        if (commitGone && environment === 'journal') {
          // The commit that is gone here had returned; all before it must be there.
          const last = Math.max(...seen.blocks.keys(), ...[...seen.receipts.values()].map(({ blockNumber }) => Number(blockNumber)))
          assert.ok(head >= last - 1, `head ${head}, ${last} was seen`)
          const stays = ({ blockNumber }) => Number(blockNumber) <= head
          told.blocks = new Map([...seen.blocks].filter(([number]) => number <= head))
          told.receipts = new Map([...seen.receipts].filter(([, receipt]) => stays(receipt)))
          told.performs = new Map([...seen.performs].filter(([, log]) => stays(log)))
          told.preconfirmed = new Set()
        }
        let refusal
        try {
          await check(node.url, told, things)
          // Pages that only a writer needs are met now.
          const hash = await call(node.url, 'eth_sendTransaction', [{ from: accounts[8].address, to: accounts[0].address, value: '0x1' }])
          told.receipts = new Map([...told.receipts, [hash, await call(node.url, 'eth_getTransactionReceipt', [hash])]])
        } catch (error) {
          // An answer that is refused is not a wrong one.
          if (!(error instanceof RpcError)) {
            await Promise.race([node.exited, new Promise((resolve) => setTimeout(resolve, 5000))])
            if (!node.exit) throw error
            error.message = node.stderr
          }
          refusal = error.message
          assert.match(refusal, ADVICE)
        }
        const exit = await node.stop()
        assert.deepEqual(panics(node.stderr), [])
        assert.equal(exit.signal, null, node.stderr.slice(-1500))
        if (exit.code !== 0) {
          refusal = node.stderr.match(/^plasma-node: .*$/m)?.[0] ?? ''
          assert.match(refusal, ADVICE, node.stderr.slice(-1500))
        }
        if (!refusal) {
          const again = await startNode({ datadir, args: ['--no-keeper'] })
          await check(again.url, told, things)
          assert.equal((await again.stop()).code, 0)
          // What no answer needed, `replay` or `db verify` may still meet.
          await verify(datadir, head + 1).catch((error) => {
            assert.match(error.message, ADVICE)
            refusal = error.message.match(/^plasma-node: .*$/m)?.[0] ?? error.message
          })
        }
        t.diagnostic(refusal ? `later: ${refusal.replaceAll(folder, '').slice(0, 200)}` : `served ${told.receipts.size} of ${seen.receipts.size} receipts`)
      })
    }
  }
})
