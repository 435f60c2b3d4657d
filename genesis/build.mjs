// Writes genesis/dev.json. With --check writes nothing, and fails where the file would change.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { concat, encodeDeployData, getAddress, keccak256, pad, stringToBytes, toHex } from 'viem'
import { mnemonicToAccount, privateKeyToAccount } from 'viem/accounts'
import { runConstructor } from './constructor.mjs'
import * as chosen from './parameters.mjs'
import { predeploys } from './predeploys.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const readJson = (...parts) => JSON.parse(readFileSync(path.join(here, ...parts), 'utf8'))

/** Accounts by checksummed address. */
const alloc = {}
function put(address, { balance = 0n, code, nonce, storage }) {
  const key = getAddress(address)
  if (alloc[key]) throw new Error(`Two things are to stand at ${key}.`)
  alloc[key] = {
    balance: toHex(balance),
    ...(nonce && { nonce: toHex(nonce) }),
    ...(code && { code }),
    ...(storage && Object.keys(storage).length > 0 && { storage }),
  }
}

const devAccounts = Array.from({ length: chosen.DEV_ACCOUNTS }, (_, addressIndex) => mnemonicToAccount(chosen.DEV_MNEMONIC, { addressIndex }).address)
for (const address of devAccounts) put(address, { balance: chosen.DEV_ACCOUNT_BALANCE })

const secret = keccak256(stringToBytes(chosen.DEV_KEEPER_SECRET_PHRASE))
const lanes = Array.from({ length: chosen.LANES }, (_, lane) => privateKeyToAccount(keccak256(concat([secret, toHex(lane, { size: 4 })]))).address)
for (const address of lanes) put(address, { balance: chosen.LANE_BALANCE })

/** Code hashes, for docs/predeploys.md. */
const hashes = []

/** Puts one of our own contracts to where it belongs, as its constructor leaves it. */
async function deploy(name, address, args) {
  const artifact = readJson('..', 'contracts', 'artifacts', `${name}.json`)
  const built = await runConstructor({
    address,
    creationCode: encodeDeployData({ abi: artifact.abi, bytecode: artifact.bytecode, args }),
    chainId: chosen.CHAIN_ID,
  })
  /** Code without the values that its constructor filled in. */
  const plain = (code) => artifact.immutableReferences.reduce(
    (text, { start, length }) => text.slice(0, 2 + 2 * start) + '00'.repeat(length) + text.slice(2 + 2 * (start + length)), code)
  if (plain(built.code) !== plain(artifact.deployedBytecode)) throw new Error(`The ${name} that its constructor leaves is not the one of the artifact.`)
  put(address, { nonce: built.nonce, code: built.code, storage: built.storage })
  hashes.push([name, address, keccak256(built.code)])
  for (const [at, created] of Object.entries(built.accounts)) {
    put(at, created)
    hashes.push([`${name}: created by its constructor`, getAddress(at), keccak256(created.code)])
  }
}

await deploy('Registry', chosen.REGISTRY_ADDRESS, [devAccounts[0], lanes, chosen.REGISTRY_SETTINGS, chosen.TOKEN_ADDRESS])
await deploy('WrappedNative', chosen.TOKEN_ADDRESS, [])
await deploy('Registrar', chosen.REGISTRAR_ADDRESS, [chosen.REGISTRY_ADDRESS, chosen.TOKEN_ADDRESS])
for (const { contract, codeHash, code, nonce, storage, accounts } of await predeploys(chosen.CHAIN_ID)) {
  put(contract.address, { nonce, code, storage })
  hashes.push([contract.name, contract.address, codeHash])
  for (const [address, created] of Object.entries(accounts)) {
    put(address, created)
    hashes.push([`${contract.name}: created by its constructor`, getAddress(address), keccak256(created.code)])
  }
}

const genesis = {
  config: {
    chainId: chosen.CHAIN_ID,
    homesteadBlock: 0,
    eip150Block: 0,
    eip155Block: 0,
    eip158Block: 0,
    byzantiumBlock: 0,
    constantinopleBlock: 0,
    petersburgBlock: 0,
    istanbulBlock: 0,
    muirGlacierBlock: 0,
    berlinBlock: 0,
    londonBlock: 0,
    arrowGlacierBlock: 0,
    grayGlacierBlock: 0,
    mergeNetsplitBlock: 0,
    terminalTotalDifficulty: 0,
    terminalTotalDifficultyPassed: true,
    shanghaiTime: 0,
    cancunTime: 0,
    pragueTime: 0,
    osakaTime: 0,
    bpo1Time: 0,
    bpo2Time: 0,
    blobSchedule: chosen.BLOB_SCHEDULE,
    plasma: {
      registry: chosen.REGISTRY_ADDRESS,
      keeperGasSharePercent: chosen.KEEPER_GAS_SHARE_PERCENT,
      premiumPPB: chosen.REGISTRY_SETTINGS.premiumPPB,
    },
  },
  nonce: '0x0',
  timestamp: '0x0',
  extraData: toHex('plasma'),
  gasLimit: toHex(chosen.GAS_LIMIT),
  difficulty: '0x0',
  mixHash: pad('0x0', { size: 32 }),
  coinbase: pad('0x0', { size: 20 }),
  number: '0x0',
  gasUsed: '0x0',
  parentHash: pad('0x0', { size: 32 }),
  baseFeePerGas: toHex(chosen.BASE_FEE),
  alloc: Object.fromEntries(Object.entries(alloc).sort(([left], [right]) => (left.toLowerCase() < right.toLowerCase() ? -1 : 1))),
}

const text = JSON.stringify(genesis, null, 2) + '\n'
const target = path.join(here, 'dev.json')
if (!process.argv.includes('--check')) {
  writeFileSync(target, text)
  for (const [name, address, hash] of hashes) console.log(`${address}  ${hash}  ${name}`)
} else if (readFileSync(target, 'utf8') !== text) {
  console.error('Rebuilding changes genesis/dev.json: run "npm run build" in genesis/ and commit the result.')
  process.exit(1)
} else {
  console.log('Rebuilding gives the same genesis/dev.json.')
}
