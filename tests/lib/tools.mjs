// Runs forge and cast as a user would, on a home folder of their own so that no cache is shared.
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const tests = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const arch = process.arch === 'x64' ? 'amd64' : process.arch

/** The program itself: the package without the platform in its name only chooses among them. */
function program(name, folder) {
  const require = createRequire(path.join(folder, 'package.json'))
  return require.resolve(`@foundry-rs/${name}-${process.platform}-${arch}/bin/${name}`)
}

const programs = {
  cast: program('cast', tests),
  forge: program('forge', path.join(tests, '../contracts'))
}

/** Folder of the Foundry project. */
export const project = path.join(tests, 'foundry')

function run(tool, args, { expectFailure = false, url = process.env.RPC_URL, timeout = 120_000, env = {} } = {}) {
  const home = path.join(process.env.E2E_TMP, 'home')
  mkdirSync(home, { recursive: true })
  return new Promise((resolve, reject) => {
    const options = {
      cwd: project, timeout, maxBuffer: 64 << 20,
      env: { PATH: process.env.PATH, HOME: home, ETH_RPC_URL: url, NO_COLOR: '1', FOUNDRY_DISABLE_NIGHTLY_WARNING: '1', ...env }
    }
    execFile(programs[tool], args, options, (error, stdout, stderr) => {
      const shown = `${tool} ${args.join(' ')}\n${stdout}${stderr}`
      if (expectFailure) {
        if (!error) reject(new Error(`should have failed: ${shown}`))
        else resolve(`${stdout}${stderr}`)
      } else if (error) reject(new Error(shown))
      else resolve(stdout.trim())
    })
  })
}

/** Runs cast; answers what it prints. With `expectFailure` it must fail, and its messages are answered. */
export const cast = (args, options) => run('cast', args, options)

/** Runs cast with `--json` and parses. */
export const castJson = async (args, options) => JSON.parse(await cast([...args, '--json'], options))

/** Runs forge in the tests' project. */
export const forge = (args, options) => run('forge', args, options)

/** What `forge script --broadcast` recorded. */
export function broadcast(script, chainId) {
  const file = path.join(project, 'broadcast', script, `${chainId}`, 'run-latest.json')
  return JSON.parse(readFileSync(file, 'utf8'))
}
