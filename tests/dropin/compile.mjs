// Compiles what the package publishes, unchanged, and the applications in contracts/, with a compiler of their time.
import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { keccak256, toHex } from 'viem'

const here = new URL('.', import.meta.url)
const require = createRequire(import.meta.url)
const AUTOMATION = '@chainlink/contracts/src/v0.8/automation'

/** The contracts that are deployed as they are published. */
const published = ['CronUpkeepFactory', 'CronUpkeep', 'CronUpkeepDelegate', 'EthBalanceMonitor']
  .map((name) => `${AUTOMATION}/upkeeps/${name}.sol`)

/** The one file on their way that names no licence: public functions around the library under MIT beside it. */
const UNNAMED = `${AUTOMATION}/libraries/external/Cron.sol`

/** Text of a file of a package. Only what users are meant to build on is read: the registries are under another licence. */
function packaged(name) {
  const text = readFileSync(new URL(`node_modules/${name}`, here), 'utf8')
  const licence = text.match(/SPDX-License-Identifier: *(.*)/)?.[1].trim()
  const free = licence === undefined ? name === UNNAMED : /^(MIT|Apache[- ]2\.0)$/.test(licence)
  if (!free) throw new Error(`${name} is not to be compiled here: its licence is ${licence ?? 'not named'}`)
  return text
}

/**
 * All contracts by name, linked libraries aside.
 * @returns {Map<string, {abi: object[], bytecode: string, links: object}>} `bytecode` without 0x.
 * @throws Where anything does not compile.
 */
export function compileAll() {
  const solc = require('solc')
  const sources = Object.fromEntries(published.map((name) => [name, { content: packaged(name) }]))
  for (const name of readdirSync(new URL('contracts/', here))) {
    sources[`contracts/${name}`] = { content: readFileSync(new URL(`contracts/${name}`, here), 'utf8') }
  }
  const settings = {
    // The package writes the versions of its imports in their paths; npm has them under these names.
    remappings: ['4.8.3', '4.9.6'].map((version) => `@openzeppelin/contracts@${version}/=@openzeppelin/contracts-${version}/`),
    optimizer: { enabled: true, runs: 10_000 },
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.bytecode.linkReferences'] } }
  }
  const read = (name) => {
    try {
      return { contents: packaged(name) }
    } catch (error) {
      return { error: error.message }
    }
  }
  const output = JSON.parse(solc.compile(JSON.stringify({ language: 'Solidity', sources, settings }), { import: read }))
  const problems = (output.errors ?? []).filter(({ severity, sourceLocation }) =>
    severity === 'error' || sourceLocation?.file.startsWith('contracts/'))
  if (problems.length > 0) throw new Error(problems.map(({ formattedMessage }) => formattedMessage).join('\n'))

  const contracts = new Map()
  for (const [source, found] of Object.entries(output.contracts)) {
    for (const [name, { abi, evm }] of Object.entries(found)) {
      // Of the two libraries named Cron, the one with public functions is deployed and linked.
      if (source.includes('/libraries/internal/')) continue
      contracts.set(name, { abi, bytecode: evm.bytecode.object, links: evm.bytecode.linkReferences })
    }
  }
  return contracts
}

/** Creation code with the addresses of its libraries; `libraries` maps names to addresses. */
export function linked({ bytecode, links }, libraries) {
  let code = bytecode
  for (const [source, names] of Object.entries(links)) {
    for (const [name, places] of Object.entries(names)) {
      if (!libraries[name]) throw new Error(`no address for the library ${name}`)
      const placeholder = `__$${keccak256(toHex(`${source}:${name}`)).slice(2, 36)}$__`
      const filled = code.replaceAll(placeholder, libraries[name].slice(2).toLowerCase())
      if (filled.length !== code.length || code.split(placeholder).length - 1 !== places.length) {
        throw new Error(`${name} is not linked at ${places.length} places`)
      }
      code = filled
    }
  }
  return `0x${code}`
}
