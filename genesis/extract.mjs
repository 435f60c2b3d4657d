// Takes the creation code of the predeployed contracts out of the npm packages that carry it, into predeploys/.
// Needed only to add a contract or to see for oneself where the bytes came from: `node build.mjs` proves them without.
//
//   mkdir /tmp/sources && cd /tmp/sources && npm init -y
//   npm install --ignore-scripts @foundry-rs/anvil@1.7.1 @nomicfoundation/ignition-core@3.1.9 @uniswap/v4-periphery@1.0.3 \
//     aa6@npm:@account-abstraction/contracts@0.6.0 aa7@npm:@account-abstraction/contracts@0.7.0 \
//     aa8@npm:@account-abstraction/contracts@0.8.0 solc@0.8.17
//   node …/genesis/extract.mjs /tmp/sources
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = path.dirname(fileURLToPath(import.meta.url))
const folder = process.argv[2]
if (!folder) {
  console.error('Name the folder into which the packages were installed: node extract.mjs FOLDER')
  process.exit(1)
}
const packages = path.resolve(folder, 'node_modules')
const require = createRequire(path.join(packages, 'x.js'))

/** The deterministic deployment proxy, from which most of these were deployed. */
const PROXY = '0x4e59b44847b379578588920cA78FbF26c0B4956C'

function write(file, contract) {
  writeFileSync(path.join(here, 'predeploys', file), JSON.stringify(contract, null, 2) + '\n')
  console.log(`predeploys/${file}: ${contract.name}`)
}

const artifact = (name) => JSON.parse(readFileSync(path.join(packages, name, 'artifacts', 'EntryPoint.json'), 'utf8')).bytecode
const entryPoints = [
  ['06', 'aa6', '0.6.0', '0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789', '0x0000000000000000000000000000000000000000000000000000000000000000'],
  ['07', 'aa7', '0.7.0', '0x0000000071727De22E5E9d8BAf0edAc6f37da032', '0x90d8084deab30c2a37c45e8d47f49f2f7965183cb6990a98943ef94940681de3'],
  ['08', 'aa8', '0.8.0', '0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108', '0x0a59dbff790c23c976a548690c27297883cc66b4c67024f9117b0238995e35e9'],
]
for (const [short, name, version, address, salt] of entryPoints) {
  write(`entrypoint${short}.json`, {
    name: `ERC-4337 EntryPoint ${version}`,
    address,
    kind: 'create2',
    license: 'GPL-3.0',
    source: `npm @account-abstraction/contracts ${version}, artifacts/EntryPoint.json`,
    deployer: PROXY,
    salt,
    creationCode: artifact(name),
  })
}

/** Compiles Permit2 as its authors did; the build proves the result by the contract's address. */
function compilePermit2() {
  const solc = require('solc')
  const root = path.join(packages, '@uniswap', 'v4-periphery', 'lib', 'permit2')
  const sources = {}
  const add = (name) => {
    if (sources[name]) return
    const content = readFileSync(path.join(root, name), 'utf8')
    sources[name] = { content }
    for (const [, wanted] of content.matchAll(/from "([^"]+)"/g)) {
      add(wanted.startsWith('.') ? path.join(path.dirname(name), wanted) : wanted.replace(/^solmate\//, 'lib/solmate/'))
    }
  }
  add('src/Permit2.sol')
  const settings = {
    remappings: ['solmate/=lib/solmate/'],
    viaIR: true,
    evmVersion: 'london',
    optimizer: { enabled: true, runs: 1_000_000 },
    metadata: { bytecodeHash: 'none' },
    outputSelection: { '*': { Permit2: ['evm.bytecode.object'] } },
  }
  const output = JSON.parse(solc.compile(JSON.stringify({ language: 'Solidity', sources, settings })))
  return '0x' + output.contracts['src/Permit2.sol'].Permit2.evm.bytecode.object
}
write('permit2.json', {
  name: 'Permit2',
  address: '0x000000000022D473030F116dDEE9F6B43aC78BA3',
  kind: 'create2',
  license: 'MIT',
  source: 'compiled from the sources in npm @uniswap/v4-periphery 1.0.3 (lib/permit2) with npm solc 0.8.17 and the settings of their foundry.toml',
  deployer: PROXY,
  salt: '0x0000000000000000000000000000000000000000d3af2663da51c10215000000',
  creationCode: compilePermit2(),
})

/** Multicall3's runtime code, which anvil's program holds as plain bytes: found by its dispatcher, proven by its hash. */
function multicall3FromAnvil() {
  const program = readFileSync(path.join(packages, '@foundry-rs', 'anvil-linux-amd64', 'bin', 'anvil'))
  const codeLength = 3_808
  // PUSH4 of the selector of aggregate3, EQ, PUSH2: in the first bytes of the code.
  const dispatcher = program.indexOf(Buffer.from('82ad56cb14', 'hex'))
  const start = program.lastIndexOf(Buffer.from('6080604052', 'hex'), dispatcher)
  if (dispatcher < 0 || start < 0) throw new Error('This build of anvil does not hold the code of Multicall3.')
  return '0x' + program.subarray(start, start + codeLength).toString('hex')
}
write('multicall3.json', {
  name: 'Multicall3',
  address: '0xcA11bde05977b3631167028862bE2a173976CA11',
  kind: 'code',
  license: 'MIT',
  source: 'npm @foundry-rs/anvil-linux-amd64 1.7.1, embedded in its program; proven by the published code hash',
  codeHash: '0xd5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891',
  code: multicall3FromAnvil(),
})

const createx = path.join(packages, '@nomicfoundation/ignition-core/dist/src/internal/execution/strategy/createx-artifact.js')
const { presignedTx } = await import(pathToFileURL(createx))
write('createx.json', {
  name: 'CreateX 1.0.0',
  address: '0xba5Ed099633D3B313e4D5F7bdc1305d3c28ba5Ed',
  kind: 'transaction',
  license: 'AGPL-3.0-only',
  source: 'npm @nomicfoundation/ignition-core 3.1.9, the presigned deployment transaction; the code hash is the one that package expects',
  deployer: '0xeD456e05CaAb11d66C4c797dD6c1D6f9A7F352b5',
  transaction: presignedTx,
  codeHash: '0xbd8a7ea8cfca7b4e5f5041d7d4b17bc317c5ce42cfbc42066a00cf26b43eb53f',
})
