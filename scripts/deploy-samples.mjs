// Deploys Counter (conditional upkeep) and Heartbeat (interval upkeep) on a development node and
// registers both, unless upkeeps are registered there already.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const url = process.env.PLASMA_RPC_URL ?? 'http://127.0.0.1:8545'
const binary = process.argv[2]

async function rpc(method, params = []) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
  })
  const { result, error } = await response.json()
  if (error) throw new Error(`${method}: ${error.message}`)
  return result
}

async function receiptOf(hash) {
  for (;;) {
    const receipt = await rpc('eth_getTransactionReceipt', [hash])
    if (receipt) {
      if (receipt.status !== '0x1') throw new Error(`transaction ${hash} was reverted`)
      return receipt
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function deploy(name, from) {
  const artifact = new URL(`../contracts/artifacts/${name}.json`, import.meta.url)
  const { bytecode } = JSON.parse(readFileSync(artifact, 'utf8'))
  const hash = await rpc('eth_sendTransaction', [{ from, data: bytecode }])
  return (await receiptOf(hash)).contractAddress
}

function keeper(...args) {
  return execFileSync(binary, ['keeper', ...args, '--dev-account', '0'], {
    env: { ...process.env, PLASMA_RPC_URL: url },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit']
  }).trim()
}

const registered = await rpc('keeper_list')
if (registered.length > 0) {
  console.log(`\nSamples: ${registered.length} upkeeps are registered already`)
} else {
  const [from] = await rpc('eth_accounts')
  const counter = await deploy('Counter', from)
  const heartbeat = await deploy('Heartbeat', from)
  const counterUpkeep = keeper('register', counter, '--fund', '10')
  const heartbeatUpkeep = keeper(
    'register', heartbeat, '--trigger', 'interval', '--every-blocks', '1', '--fund', '10'
  )
  console.log(`
Samples
Counter      ${counter}   condition: work was asked for
  upkeep     ${counterUpkeep}
Heartbeat    ${heartbeat}   interval: every block
  upkeep     ${heartbeatUpkeep}

Ask the counter for work and watch its upkeep fire:
  cast send ${counter} 'request(uint256)' 25 --rpc-url ${url} --unlocked --from ${from}
`)
  // 25 pieces at ten per perform: the first three performs can be seen at once.
  const request = '0xd845a4b3' + (25n).toString(16).padStart(64, '0')
  await receiptOf(await rpc('eth_sendTransaction', [{ from, to: counter, data: request }]))
}
