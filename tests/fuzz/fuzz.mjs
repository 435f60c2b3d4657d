// Random requests against two nodes: one with the developers' methods, and one without them that a client uses meanwhile.
// node fuzz.mjs [--seconds N] [--seed TEXT]. PLASMA_BINARY names the program.
import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { encodeFunctionData, parseEther } from 'viem'
import { accounts } from '../lib/accounts.mjs'
import { artifact, panics, startNode } from '../lib/node.mjs'
import { call, post } from '../lib/rpc.mjs'
import { Requests, overHttp, overTcp, overWebSocket } from './attackers.mjs'
import { METHODS } from './methods.mjs'
import { Random } from './random.mjs'
import { transact, use } from './user.mjs'

const { values: options } = parseArgs({ options: { seconds: { type: 'string', default: '10' }, seed: { type: 'string' } } })
const seconds = Number(options.seconds)
const seed = options.seed || randomBytes(4).toString('hex')
const folder = process.env.E2E_TMP ?? '.cache'
mkdirSync(folder, { recursive: true })
/** Growth of memory that is no leak: caches fill, and the chain gets longer. */
const GROWTH_MIB = 512, GROWTH = 2
/** Different faults that are told before the rest is only counted. */
const MOST_FAULTS = 40
/** The longest request that is kept of a fault. */
const MOST_TEXT = 400_000

console.log(`seed ${seed}, ${seconds} s`)
const genesis = new URL('../../genesis/dev.json', import.meta.url).pathname
const [developers, plain] = await Promise.all([
  startNode({ log: `${folder}/fuzz-developers.log` }),
  startNode({ dev: false, args: ['--genesis', genesis, '--block-time', '1s', '--tick', '100ms'], log: `${folder}/fuzz-plain.log` })
])
Object.assign(developers, { name: 'developers' })
Object.assign(plain, { name: 'plain' })
const nodes = [developers, plain]
const { abi, bytecode } = artifact('Store')
const [setter, user, friend] = accounts

const failures = new Map()
function fail(what, body = '') {
  // The same fault with other figures is told once.
  const key = what.replace(/0x[0-9a-f]+|\d+/gi, '#').slice(0, 200)
  const known = failures.get(key)
  if (known) known.times++
  else failures.set(key, { what, body: `${body}`.slice(0, MOST_TEXT), times: 1 })
}

/** Something on the chain to ask about. */
async function populate(node) {
  const { url } = node
  const known = { addresses: ['0x506C61736d610000000000000000000000000001', `0x${'0'.repeat(39)}1`], hashes: [], blocks: [], raws: [] }
  let nonce = Number(await call(url, 'eth_getTransactionCount', [setter.address, 'latest']))
  const note = ({ raw, receipt }) => {
    known.hashes.push(receipt.transactionHash, receipt.blockHash)
    known.blocks.push(receipt.blockHash)
    known.raws.push(raw)
    return receipt
  }
  const { contractAddress: store } = note(await transact(url, setter, nonce++, { data: bytecode }))
  const data = encodeFunctionData({ abi, functionName: 'store', args: [7n] })
  note(await transact(url, setter, nonce++, { to: store, data }))
  note(await transact(url, setter, nonce++, { to: accounts[5].address, value: parseEther('1') }))
  known.raws.push(await setter.signTransaction({ chainId: 1337, type: 'legacy', nonce: nonce + 5, gas: 21_000n, gasPrice: 10n ** 11n, to: store }))
  known.addresses.push(store, ...accounts.slice(5, 9).map(({ address }) => address))
  const genesisBlock = await call(url, 'eth_getBlockByNumber', ['0x0', false])
  known.blocks.push(genesisBlock.hash)
  return { known, store }
}

/** The methods of the node: those that it tells of itself, and those that are known here. */
async function methodsOf(node) {
  const discovered = await Promise.all(['rpc_discover', 'rpc.discover'].map((method) => call(node.url, method).catch(() => null)))
  const told = (discovered.find(Boolean)?.methods ?? []).map(({ name }) => name)
  const modules = Object.keys(await call(node.url, 'rpc_modules'))
  for (const module of modules) {
    if (!Object.keys(METHODS).some((name) => name.startsWith(`${module}_`))) fail(`no method of the module ${module} is tried`)
  }
  if (node === developers) {
    for (const method of Object.keys(METHODS)) {
      // Subscriptions are told apart by their transport.
      if (/subscribe$/.test(method)) continue
      const { json } = await post(node.url, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: [[], [], [], [], [], []] }))
      if (json?.error?.code === -32601) fail(`${method} is tried, but not served`)
    }
  }
  return [...new Set([...told, ...Object.keys(METHODS)])]
}

/** Resident memory without pages of files, in MiB. */
const memory = ({ pid }) => Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024

const places = await Promise.all(nodes.map(populate))
const names = await Promise.all(nodes.map(methodsOf))
const began = Date.now()
const over = () => Date.now() - began > seconds * 1000 || nodes.some((node) => node.exit)
const counts = {}
const attackers = nodes.flatMap((node, at) => [['http', overHttp], ['http2', overHttp], ['ws', overWebSocket], ['tcp', overTcp]].map(([name, attack]) => {
  const key = `${node.name}/${name}`
  counts[key] = 0
  return attack({
    node, over, requests: new Requests(new Random(`${seed}/${key}`), places[at].known, names[at]),
    report: (fault, body) => fail(`${key}: ${fault}`, body),
    count: () => { counts[key]++ }
  })
}))
const client = use({ url: plain.url, account: user, store: places[1].store, abi, friend: friend.address, over })
  .catch((error) => { fail(`the client that uses the node: ${error.message}`); return 0 })

// After a quarter of the time caches are warm.
const warm = new Map()
const warming = setTimeout(() => nodes.filter((node) => !node.exit).forEach((node) => warm.set(node, memory(node))), seconds * 250)
await Promise.all(attackers)
const rounds = await client
clearTimeout(warming)

for (const node of nodes) {
  if (node.exit) {
    fail(`${node.name}: the node ended: ${JSON.stringify(node.exit)} ${node.stderr.slice(-1000)}`, `asked last, each with its time:\n${node.asked.join('\n')}`)
    continue
  }
  const [before, after] = [warm.get(node) ?? memory(node), memory(node)]
  console.log(`${node.name}: ${before.toFixed(0)} MiB when warm, ${after.toFixed(0)} MiB at the end`)
  if (after > before * GROWTH + GROWTH_MIB) fail(`${node.name}: memory grew from ${before.toFixed(0)} to ${after.toFixed(0)} MiB`)
  const { code } = await node.stop()
  if (code !== 0) fail(`${node.name}: the node did not stop cleanly: ${JSON.stringify(node.exit)}`)
  for (const line of panics(readFileSync(`${folder}/fuzz-${node.name}.log`, 'utf8'))) fail(`${node.name}: panic: ${line}`)
}
if (rounds === 0) fail('the client that uses the node did nothing')

console.log(`requests: ${JSON.stringify(counts)}; rounds of the client: ${rounds}`)
const found = [...failures.values()]
for (const { what, body, times } of found.slice(0, MOST_FAULTS)) console.log(`✗ ${what} (${times} times)\n  ${body.slice(0, 600)}`)
if (found.length > 0) {
  writeFileSync(path.join(folder, 'fuzz-faults.json'), JSON.stringify({ seed, found }, null, 1))
  console.log(`whole requests: ${path.join(folder, 'fuzz-faults.json')}`)
}
// As the other runners' closing lines, which tests/run.sh counts.
console.log(`ℹ pass ${found.length === 0 ? 1 : 0}\nℹ fail ${found.length}`)
process.exit(found.length === 0 ? 0 : 1)
