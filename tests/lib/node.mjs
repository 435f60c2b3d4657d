// Starts and ends nodes. Every node that is started here is ended by its own process id.
import { spawn } from 'node:child_process'
import { createWriteStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

/** How long a node may take until it serves, and until it has stopped. */
const PATIENCE_MS = 60_000

const running = new Set()
process.on('exit', () => {
  for (const node of running) node.child.kill('SIGKILL')
})
// Without a listener these signals would end this process without the event above.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

/** The program under test. */
export function binary() {
  const program = process.env.PLASMA_BINARY
  if (!program) throw new Error('PLASMA_BINARY must name the node program')
  return program
}

/** A fresh folder that is removed when this process ends. */
export function temporaryFolder(name = 'node') {
  const folder = mkdtempSync(path.join(process.env.E2E_TMP ?? tmpdir(), `plasma-${name}-`))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/**
 * Starts `plasma-node node --dev` on a free port of 127.0.0.1 and waits until it serves.
 * @param {object} options
 * @param {string} [options.datadir] Data directory; by default a fresh one.
 * @param {string[]} [options.args] Further flags.
 * @param {boolean} [options.dev] Whether `--dev` is given.
 * @param {string} [options.log] File that gets what the node writes.
 * @param {object} [options.env] Further environment variables.
 * @throws Where it ends before it serves; `error.node` tells the rest.
 */
export async function startNode({
  datadir = temporaryFolder(), args = [], dev = true, port = 0, log, env = {}
} = {}) {
  const flags = ['node', ...(dev ? ['--dev'] : []), '--datadir', datadir, '--http.port', `${port}`, ...args]
  const child = spawn(binary(), flags, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  const node = { child, datadir, pid: child.pid, stdout: '', stderr: '', exit: null }
  running.add(node)
  const file = log && createWriteStream(log, { flags: 'a' })
  const keep = (name) => (chunk) => {
    // Enough to explain a failure; a long load must not fill the test's memory.
    node[name] = (node[name] + chunk).slice(-2_000_000)
    file?.write(chunk)
  }
  child.stdout.on('data', keep('stdout'))
  child.stderr.on('data', keep('stderr'))
  node.exited = new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      running.delete(node)
      node.exit = { code, signal }
      file?.end()
      resolve(node.exit)
    })
  })
  node.stop = () => end(node, 'SIGINT')
  node.kill = () => end(node, 'SIGKILL')
  await untilServing(node)
  return node
}

async function untilServing(node) {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const found = node.stdout.match(/^HTTP\s+(http:\/\/127\.0\.0\.1:(\d+))$/m)
    if (found) {
      node.url = found[1]
      node.port = Number(found[2])
      node.ws = node.url.replace('http', 'ws')
      return
    }
    if (node.exit) {
      throw Object.assign(new Error(`the node ended (${JSON.stringify(node.exit)}): ${node.stderr.slice(-2000)}`), { node })
    }
    if (Date.now() > deadline) {
      await node.kill()
      throw new Error(`the node did not serve in time: ${node.stdout}${node.stderr.slice(-2000)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function end(node, signal) {
  if (!node.exit) node.child.kill(signal)
  const late = setTimeout(() => node.child.kill('SIGKILL'), PATIENCE_MS)
  const exit = await node.exited
  clearTimeout(late)
  return exit
}

/** The page of a node's metrics. Where it is stands in the log, which may come later than the line that tells that it serves. */
export async function metricsPage(node) {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const address = node.stderr.match(/metrics=(?:Some\()?(127\.0\.0\.1:\d+)/)?.[1]
    if (address) return (await fetch(`http://${address}/metrics`)).text()
    if (node.exit || Date.now() > deadline) throw new Error(`no address of metrics in ${node.stderr.slice(0, 2000)}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Lines of a node's output that speak of a panic. */
export function panics(text) {
  return text.split('\n').filter((line) => /panicked at|stack overflow|SIGSEGV/.test(line))
}

/** Runs the program with a command and waits for its end. */
export function runCommand(args, { env = {}, input, timeout = 60_000 } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(binary(), args, {
      env: { ...process.env, ...env }, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'], timeout
    })
    let stdout = '', stderr = ''
    child.stdout.on('data', (chunk) => { stdout += chunk })
    child.stderr.on('data', (chunk) => { stderr += chunk })
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
    if (input !== undefined) child.stdin.end(input)
  })
}

/** The contract artifact of that name: the product's own, or a contract of these tests. */
export function artifact(name) {
  const own = new URL(`../../contracts/artifacts/${name}.json`, import.meta.url)
  const out = new URL('../foundry/out/', import.meta.url)
  const places = existsSync(out) ? readdirSync(out).map((folder) => new URL(`${folder}/${name}.json`, out)) : []
  const place = [own, ...places].find((candidate) => existsSync(candidate))
  if (!place) throw new Error(`no artifact ${name}: run tests/run.sh, which compiles the tests' contracts`)
  const { abi, bytecode } = JSON.parse(readFileSync(place, 'utf8'))
  return { abi, bytecode: bytecode.object ?? bytecode }
}
