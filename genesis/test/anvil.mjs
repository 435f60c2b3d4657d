// An anvil with the development genesis, on a free port of the loopback interface.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { createPublicClient, http } from 'viem'

const require = createRequire(import.meta.url)
const arch = process.arch === 'x64' ? 'amd64' : process.arch
const program = require.resolve(`@foundry-rs/anvil-${process.platform}-${arch}/bin/anvil`)
const genesis = fileURLToPath(new URL('../dev.json', import.meta.url))

/** Starts it; resolves with its URL and a function that ends it. */
export async function startAnvil() {
  const options = ['--host', '127.0.0.1', '--port', '0', '--init', genesis, '--chain-id', '1337', '--hardfork', 'osaka']
  const child = spawn(program, options, { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = await new Promise((resolve, reject) => {
    let told = ''
    child.on('error', reject)
    child.on('exit', (status) => reject(new Error(`anvil ended with status ${status} before it listened: ${told}`)))
    child.stdout.on('data', (chunk) => {
      told += chunk
      const listening = told.match(/Listening on 127\.0\.0\.1:(\d+)/)
      if (listening) resolve(listening[1])
    })
  })
  const url = `http://127.0.0.1:${port}`
  await createPublicClient({ transport: http(url) }).getChainId()
  return { url, stop: () => child.kill() }
}
