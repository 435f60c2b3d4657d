// Compiles the load's contracts into artifacts/. With --check writes nothing, and fails where a file would change.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import solc from 'solc'

const folder = path.dirname(fileURLToPath(import.meta.url))
// What is deployed needs its init code; what a benchmark puts into a state, its runtime code.
const kinds = {
  AllowanceToken: ['runtime'],
  Disperse: ['init'],
  Oracle: ['runtime'],
  Pool: ['runtime'],
  Router: ['runtime'],
  Token: ['init', 'runtime'],
  Upkeep: ['runtime'],
  Watcher: ['init', 'runtime'],
}
const input = {
  language: 'Solidity',
  sources: Object.fromEntries(
    Object.keys(kinds).map((name) => [`${name}.sol`, { content: readFileSync(path.join(folder, `${name}.sol`), 'utf8') }]),
  ),
  settings: {
    evmVersion: 'prague',
    optimizer: { enabled: true, runs: 10_000 },
    metadata: { bytecodeHash: 'none', appendCBOR: false },
    outputSelection: { '*': { '*': ['evm.bytecode.object', 'evm.deployedBytecode.object'] } },
  },
}
const output = JSON.parse(solc.compile(JSON.stringify(input)))
for (const problem of output.errors ?? []) console.error(problem.formattedMessage)
if (output.errors?.length) process.exit(1)

const checking = process.argv.includes('--check')
mkdirSync(path.join(folder, 'artifacts'), { recursive: true })
let differing = 0
for (const [name, wanted] of Object.entries(kinds)) {
  const { bytecode, deployedBytecode } = output.contracts[`${name}.sol`][name].evm
  for (const kind of wanted) {
    const file = path.join(folder, 'artifacts', `${name}.${kind}.hex`)
    const text = `${(kind === 'init' ? bytecode : deployedBytecode).object}\n`
    if (!checking) writeFileSync(file, text)
    else if (readFileSync(file, 'utf8') !== text) {
      console.error(`${file} differs from what its source compiles to: run "npm run build".`)
      differing += 1
    }
  }
}
process.exit(differing === 0 ? 0 : 1)
