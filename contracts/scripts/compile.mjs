// Compiles the contracts into artifacts/, one file each. With --check writes nothing, and fails where a file would change.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import solc from 'solc'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const contracts = {
  Registry: 'src/Registry.sol',
  RegistryExtension: 'src/RegistryExtension.sol',
  Forwarder: 'src/Forwarder.sol',
  WrappedNative: 'src/WrappedNative.sol',
  Registrar: 'src/Registrar.sol',
  Counter: 'samples/Counter.sol',
  Heartbeat: 'samples/Heartbeat.sol',
  AutoFunder: 'examples/AutoFunder.sol',
  PredictionMarket: 'examples/PredictionMarket.sol',
  GameTick: 'examples/GameTick.sol',
  NettingSettlement: 'examples/NettingSettlement.sol',
  PriceOracle: 'examples/PriceOracle.sol',
  LendingVault: 'examples/LendingVault.sol',
  LiquidationWatcher: 'examples/LiquidationWatcher.sol',
}
// A contract's interface is that of what it hands calls on to, too.
const extensions = { Registry: 'RegistryExtension' }
// The same settings stand in foundry.toml, so that what is tested is what is shipped.
const settings = {
  evmVersion: 'prague',
  viaIR: true,
  optimizer: { enabled: true, runs: 10_000 },
  metadata: { bytecodeHash: 'none', appendCBOR: false },
  outputSelection: {
    '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object', 'evm.deployedBytecode.immutableReferences', 'storageLayout'] },
  },
}

/** All Solidity files below `folder`, as paths relative to the root. */
function sourcesBelow(folder) {
  return readdirSync(path.join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.sol'))
    .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)))
}

const names = ['src', 'samples', 'examples'].flatMap(sourcesBelow).sort()
const sources = Object.fromEntries(names.map((name) => [name, { content: readFileSync(path.join(root, name), 'utf8') }]))
const output = JSON.parse(solc.compile(JSON.stringify({ language: 'Solidity', sources, settings })))
// 2394 tells every user of transient storage that it lasts for the whole transaction; here that is what is wanted.
const problems = (output.errors ?? []).filter(({ errorCode }) => errorCode !== '2394')
for (const problem of problems) console.error(problem.formattedMessage)
if (problems.length > 0) {
  console.error('The contracts must compile without errors and warnings.')
  process.exit(1)
}

/** The interface of a contract and its extension, each item once. */
function interfaceOf(name) {
  const own = output.contracts[contracts[name]][name].abi
  const extension = extensions[name] ? output.contracts[contracts[extensions[name]]][extensions[name]].abi : []
  const texts = new Set(own.map((item) => JSON.stringify(item)))
  return [...own, ...extension.filter((item) => item.type !== 'constructor' && !texts.has(JSON.stringify(item)))]
}

/** The storage layout without the compiler's internal numbers, which change with unrelated edits. */
function plainLayout({ storage, types }) {
  const plain = (id) => id.replace(/\)\d+_/g, ')_')
  return {
    storage: storage.map(({ label, slot, offset, type }) => ({ label, slot: Number(slot), offset, type: plain(type) })),
    types: Object.fromEntries(
      Object.entries(types ?? {}).map(([id, type]) => [
        plain(id),
        {
          label: type.label,
          numberOfBytes: Number(type.numberOfBytes),
          ...(type.members && {
            members: type.members.map(({ label, slot, offset, type: of }) => ({ label, slot: Number(slot), offset, type: plain(of) })),
          }),
        },
      ]),
    ),
  }
}

const checking = process.argv.includes('--check')
const differing = []
mkdirSync(path.join(root, 'artifacts'), { recursive: true })
for (const [name, source] of Object.entries(contracts)) {
  const compiled = output.contracts[source][name]
  const immutables = compiled.evm.deployedBytecode.immutableReferences
  const artifact = {
    contractName: name,
    sourceName: source,
    compiler: solc.version(),
    abi: interfaceOf(name),
    bytecode: '0x' + compiled.evm.bytecode.object,
    deployedBytecode: '0x' + compiled.evm.deployedBytecode.object,
    immutableReferences: Object.values(immutables).flat(),
    storageLayout: plainLayout(compiled.storageLayout),
  }
  const size = (artifact.deployedBytecode.length - 2) / 2
  if (size > 24_576) throw new Error(`${name} has ${size} bytes of code; a contract may have 24,576 (EIP-170).`)
  const text = JSON.stringify(artifact, null, 2) + '\n'
  const file = path.join(root, 'artifacts', `${name}.json`)
  if (!checking) {
    writeFileSync(file, text)
    console.log(`artifacts/${name}.json: ${size} bytes of code`)
  } else if (readFileSync(file, 'utf8') !== text) {
    differing.push(name)
  }
}
if (differing.length > 0) {
  console.error(`Recompiling changes the artifacts of ${differing.join(', ')}: run "npm run build" and commit the result.`)
  process.exit(1)
}
if (checking) console.log(`Recompiling gives the same bytes for ${Object.keys(contracts).join(', ')}.`)
