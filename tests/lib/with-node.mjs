// Runs a command beside a fresh development node: node lib/with-node.mjs NAME -- command...
// The command finds the node in RPC_URL and WS_URL. Fails where the command fails, where the node ended
// or where it wrote of a panic. With E2E_URL the command gets that node instead of a fresh one.
import { spawn } from 'node:child_process'
import { panics, startNode } from './node.mjs'

const [name, dashes, ...command] = process.argv.slice(2)
if (dashes !== '--' || command.length === 0) throw new Error('usage: with-node.mjs NAME -- command...')

const log = `${process.env.E2E_TMP ?? '.'}/${name}.node.log`
const node = process.env.E2E_URL
  ? { url: process.env.E2E_URL, ws: process.env.E2E_URL.replace('http', 'ws'), borrowed: true }
  : await startNode({ log })

const child = spawn(command[0], command.slice(1), {
  stdio: 'inherit',
  env: { ...process.env, RPC_URL: node.url, WS_URL: node.ws }
})
let code = await new Promise((resolve, reject) => {
  child.on('error', reject)
  child.on('close', (status) => resolve(status ?? 1))
})
if (!node.borrowed) {
  if (node.exit) {
    console.error(`${name}: the node ended by itself: ${JSON.stringify(node.exit)}`)
    code ||= 1
  }
  const exit = await node.stop()
  if (exit.code !== 0) {
    console.error(`${name}: the node did not stop cleanly: ${JSON.stringify(exit)}`)
    code ||= 1
  }
  for (const line of panics(node.stderr)) {
    console.error(`${name}: the node panicked: ${line}`)
    code ||= 1
  }
}
process.exitCode = code
