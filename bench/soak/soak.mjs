// A steady load for many minutes: is anything growing that should not?
//
//   node bench/soak/soak.mjs [--minutes 30] [--rate 500] [--upkeeps 200] [--every 10] [--history 256]
//                            [--release target/release] [--out docs]
//
// Starts a node with a block per second, registers upkeeps that are due in every block, sends so many transfers per
// second, and writes OUT/soak.csv with a line per sample, OUT/soak.svg (plot.mjs) and a summary to the terminal.
// --history: blocks whose state is kept; 0 keeps all of it, and the database then grows with history, as asked.
import { spawn, execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { COLUMNS, plot } from './plot.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { values } = parseArgs({ options: Object.fromEntries(Object.entries({
  minutes: '30', rate: '500', upkeeps: '200', every: '10', history: '256',
  release: path.join(root, 'target/release'), out: path.join(root, 'docs')
}).map(([name, standard]) => [name, { type: 'string', default: standard }])) })
const [minutes, rate, upkeeps, every, history] =
  ['minutes', 'rate', 'upkeeps', 'every', 'history'].map((name) => Number(values[name]))
/** Seconds of load that one generator makes; it signs all its transactions before it begins. */
const CHUNK_S = 60
/** Transactions per second of one generator: each of its 192 threads waits for its block. */
const LANE_RATE = 170
const LANES = Math.ceil(rate / LANE_RATE)
/** Seconds in which a generator prepares itself. One account pays for all, so they do it one after the other. */
const PREPARING_S = Math.min(8, CHUNK_S / LANES)
const plasma = path.join(path.resolve(values.release), 'plasma-node')
const bench = path.join(path.resolve(values.release), 'plasma-bench')
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

const work = mkdtempSync(path.join(tmpdir(), 'plasma-soak-'))
const datadir = path.join(work, 'data')
const children = new Set()
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(work, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

/** Starts a program; its output is kept (of a long one, the end). */
function start(program, args) {
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  child.text = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) {
    child[name].on('data', (data) => { child.text[name] = (child.text[name] + data).slice(-1_000_000) })
  }
  child.ended = new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => { children.delete(child); resolve({ code, signal }) })
  })
  return child
}

async function until(what, ask, seconds = 60) {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await sleep(100)) {
    const answer = await ask()
    if (answer) return answer
  }
  throw new Error(`timed out waiting for ${what}`)
}

const node = start(plasma, ['node', '--dev', '--block-time', '1s', '--datadir', datadir, '--http.port', '0',
  '--metrics', '127.0.0.1:0', ...(history ? ['--history.blocks', `${history}`, '--history.reorg-blocks', `${history}`] : [])])
const url = await until('the node', () => {
  if (node.exitCode !== null) throw new Error(`the node ended: ${node.text.stderr}`)
  return node.text.stdout.match(/^HTTP\s+(http:\S+)$/m)?.[1]
})
const metricsUrl = `http://${node.text.stderr.match(/metrics=(?:Some\()?(127\.0\.0\.1:\d+)/)[1]}/metrics`

async function rpc(method, ...params) {
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) })
  const { result, error } = await answer.json()
  if (error) throw new Error(`${method}: ${error.message}`)
  return result
}

// Every generator is paid by the first development account, whose 10,000 ether would last for five of them.
await rpc('hardhat_setBalance', '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266', '0x1000000000000000000000000')

const generate = (...args) => start(bench, ['load', '--json', '--url', url, '--timeout', '120', ...args])
const failures = []
async function finished(name, child) {
  const { code } = await child.ended
  if (code !== 0) failures.push(`${name}: ${child.text.stderr.trim().slice(-500)}`)
  return code === 0 ? JSON.parse(child.text.stdout).rows ?? [] : []
}

// The watcher of the performs ends by itself and cancels its upkeeps; until then they are due in every block.
const performing = generate('--phases', 'performs', '--upkeeps', `${upkeeps}`, '--accounts', '2', '--seed', 'soak-performs',
  '--perform-blocks', `${Math.round(minutes * 60) + 20}`)
const performed = finished('performs', performing)
const PERFORMED = '0xad8cc9579b21dfe2c2f6ea35ba15b656e46b4f5b0cb424f52739b8ce5cac9c5b'
const performsIn = async (from, to) => (await rpc('eth_getLogs', { fromBlock: from, toBlock: to, topics: [PERFORMED] })).length
// All of them are funded then, and the account that pays is free for the other generators.
await until('the upkeeps', async () => {
  if (performing.exitCode !== null) throw new Error(`performs: ${performing.text.stderr}`)
  return (await performsIn('latest', 'latest')) >= upkeeps
}, 300)

const begun = Date.now()
const elapsed = () => (Date.now() - begun) / 1000
let transactions = 0, counted = Number(await rpc('eth_blockNumber')), performs = 0

/** Tables that hold the live state and its trie; the others hold history, indexes and blocks. */
const LIVE_TABLES = ['Accounts', 'Storage', 'Codes', 'AccountTrie', 'StorageTrie']

async function sample() {
  const at = elapsed()
  const head = Number(await rpc('eth_blockNumber'))
  for (; counted < head; counted++) {
    const block = `0x${(counted + 1).toString(16)}`
    transactions += Number(await rpc('eth_getBlockTransactionCountByNumber', block))
    performs += await performsIn(block, block)
  }
  const stats = JSON.parse(execFileSync(plasma, ['db', 'stats', '--json', '--datadir', datadir], { encoding: 'utf8' }))
  const environments = Object.fromEntries(stats.environments.map((one) => [one.name, one]))
  const table = (name) => environments.state.tables.find((one) => one.name === name)
  const metrics = await (await fetch(metricsUrl)).text()
  const metric = (line) => Number(metrics.split('\n').find((one) => one.startsWith(`${line} `))?.split(' ').at(-1) ?? NaN)
  const commit = (quantile) => 1000 * metric(`plasma_journal_commit_seconds_summary{record="tick",quantile="${quantile}"}`)
  const status = readFileSync(`/proc/${node.pid}/status`, 'utf8')
  const live = table('Accounts').entries + table('Storage').entries
  const row = {
    seconds: at.toFixed(1), head, transactions, performs,
    rss_mib: (Number(status.match(/VmRSS:\s+(\d+)/)[1]) / 1024).toFixed(1),
    anon_mib: (Number(status.match(/RssAnon:\s+(\d+)/)[1]) / 1024).toFixed(1),
    open_files: readdirSync(`/proc/${node.pid}/fd`).length,
    threads: Number(status.match(/Threads:\s+(\d+)/)[1]),
    journal_used: environments.journal.file_bytes - environments.journal.free_bytes,
    state_used: environments.state.file_bytes - environments.state.free_bytes,
    disk: ['journal', 'state'].reduce((sum, name) => sum + statSync(path.join(datadir, name, 'mdbx.dat')).blocks * 512, 0),
    live_entries: live,
    live_bytes: LIVE_TABLES.reduce((sum, name) => sum + table(name).bytes, 0),
    unpersisted_blocks: metric('plasma_state_unpersisted_blocks'),
    commit_p50_ms: commit('0.5').toFixed(3), commit_p99_ms: commit('0.99').toFixed(3)
  }
  appendFileSync(csv, `${COLUMNS.map((name) => row[name]).join(',')}\n`)
  return row
}

mkdirSync(values.out, { recursive: true })
const csv = path.join(values.out, 'soak.csv')
writeFileSync(csv, `${COLUMNS.join(',')}\n`)
const rows = [], loads = []
const chunks = Array(LANES).fill(0)
let nextSample = 0
while (elapsed() < minutes * 60) {
  if (node.exitCode !== null) throw new Error(`the node ended: ${node.text.stderr.slice(-2000)}`)
  if (failures.length > 0) throw new Error(failures.join('\n'))
  // The next generator of a lane prepares itself while the one before still sends; they use different accounts.
  for (const [lane, chunk] of chunks.entries()) {
    if (elapsed() < lane * PREPARING_S + chunk * CHUNK_S) continue
    loads.push(finished(`load ${lane}/${chunk}`, generate('--phases', 'sync', '--rate', `${Math.round(rate / LANES)}`,
      '--steady-seconds', `${CHUNK_S}`, '--seed', `soak-${lane}-${chunk % 2}`)))
    chunks[lane]++
  }
  if (elapsed() >= nextSample) {
    rows.push(await sample())
    nextSample += every
  }
  await sleep(200)
}
rows.push(await sample())
const latencies = (await Promise.all(loads)).flat()
const performRows = await performed
node.kill('SIGINT')
const exit = await node.ended
if (exit.code !== 0) failures.push(`the node ended with ${JSON.stringify(exit)}: ${node.text.stderr.slice(-1000)}`)

writeFileSync(path.join(values.out, 'soak.svg'), plot(readFileSync(csv, 'utf8')))
const mean = (part, name) => part.reduce((sum, row) => sum + Number(row[name]), 0) / part.length
const third = Math.max(1, Math.floor(rows.length / 3))
const [first, last] = [rows[0], rows.at(-1)]
const span = Number(last.seconds) - Number(first.seconds), blocks = last.head - first.head
console.log(`${(span / 60).toFixed(1)} minutes, ${blocks} blocks: ${((last.transactions - last.performs) / span).toFixed(0)} transactions/s and `
  + `${(last.performs / blocks).toFixed(1)} performs/block`)
for (const name of ['rss_mib', 'anon_mib', 'open_files', 'threads', 'live_bytes', 'live_entries', 'state_used', 'journal_used', 'commit_p99_ms']) {
  const [before, after] = [mean(rows.slice(third, 2 * third), name), mean(rows.slice(-third), name)]
  console.log(`${name}: second third ${before.toFixed(1)}, last third ${after.toFixed(1)} (${((after / before - 1) * 100).toFixed(1)} %)`)
}
for (const name of ['state_used', 'journal_used']) {
  console.log(`${name} per transaction: ${((last[name] - first[name]) / (last.transactions - first.transactions)).toFixed(0)} bytes`)
}
console.log(JSON.stringify({ load: latencies, performs: performRows }))
if (failures.length > 0) {
  console.error(failures.join('\n'))
  process.exitCode = 1
}
