// The development genesis, loaded by an execution client that is not ours: everything predeployed answers there, and a
// perform charges an upkeep what its transaction costs.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import {
  concat, createPublicClient, createWalletClient, defineChain, encodeAbiParameters, getContractAddress, http, keccak256,
  pad, parseAbi, parseEventLogs, stringToBytes, toHex, zeroHash,
} from 'viem'
import { mnemonicToAccount, privateKeyToAccount } from 'viem/accounts'
import * as chosen from '../parameters.mjs'
import { startAnvil } from './anvil.mjs'

const artifact = (name) => JSON.parse(readFileSync(new URL(`../../contracts/artifacts/${name}.json`, import.meta.url), 'utf8'))
const registry = { address: chosen.REGISTRY_ADDRESS, abi: artifact('Registry').abi }
const owner = mnemonicToAccount(chosen.DEV_MNEMONIC)
const secret = keccak256(stringToBytes(chosen.DEV_KEEPER_SECRET_PHRASE))
const laneAt = (index) => privateKeyToAccount(keccak256(concat([secret, toHex(index, { size: 4 })])))

let anvil, client, wallet, read
before(async () => {
  anvil = await startAnvil()
  const chain = defineChain({
    id: chosen.CHAIN_ID,
    name: 'Plasma',
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [anvil.url] } },
  })
  client = createPublicClient({ chain, transport: http(), pollingInterval: 20 })
  wallet = createWalletClient({ chain, transport: http() })
  read = (address, signature, functionName, args = []) =>
    client.readContract({ address, abi: parseAbi([`function ${signature}`]), functionName, args })
})
after(() => anvil?.stop())

const mined = async (hash) => {
  const receipt = await client.waitForTransactionReceipt({ hash })
  assert.equal(receipt.status, 'success')
  return receipt
}
const write = async (account, functionName, args, more = {}) =>
  mined(await wallet.writeContract({ account, ...registry, functionName, args, ...more }))

test('the registry has its owner, lanes and settings', async () => {
  const ask = (functionName, args = []) => client.readContract({ ...registry, functionName, args })
  assert.equal(await ask('owner'), owner.address)
  assert.equal(await ask('typeAndVersion'), 'KeeperRegistry 2.1.0')
  assert.equal(await ask('isPaused'), false)
  for (let index = 0; index < chosen.LANES; ++index) {
    assert.equal(await ask('isLane', [laneAt(index).address]), true)
    assert.equal(await client.getBalance({ address: laneAt(index).address }), chosen.LANE_BALANCE)
  }
  assert.equal(await ask('isLane', [laneAt(chosen.LANES).address]), false)
  const { premiumPPB, flatGasOverhead, maxPerformGas, maxCheckDataSize, maxPerformDataSize, fallbackGasPrice } = chosen.REGISTRY_SETTINGS
  assert.deepEqual(await ask('getPaymentConfig'), [
    premiumPPB, flatGasOverhead, maxPerformGas, maxCheckDataSize, maxPerformDataSize, fallbackGasPrice,
  ])
})

test('the registrar registers, with the token that the registry names', async () => {
  const token = { address: chosen.TOKEN_ADDRESS, abi: artifact('WrappedNative').abi }
  const registrar = { address: chosen.REGISTRAR_ADDRESS, abi: artifact('Registrar').abi }
  const send = async (contract, functionName, args, more = {}) =>
    mined(await wallet.writeContract({ account: owner, ...contract, functionName, args, ...more }))
  assert.equal(await client.readContract({ ...registry, functionName: 'getLinkAddress' }), chosen.TOKEN_ADDRESS)
  const { abi, bytecode } = artifact('Counter')
  const { contractAddress } = await mined(await wallet.deployContract({ account: owner, abi, bytecode }))
  await send(token, 'deposit', [], { value: 5n })
  await send(token, 'approve', [chosen.REGISTRAR_ADDRESS, 5n])
  const params = {
    name: 'counter', encryptedEmail: '0x', upkeepContract: contractAddress, gasLimit: 200_000, adminAddress: owner.address, triggerType: 0,
    checkData: '0x', triggerConfig: '0x', offchainConfig: '0x', amount: 5n,
  }
  const form = registrar.abi.filter(({ name, inputs }) => name === 'registerUpkeep' && inputs[0].components[0].name === 'name')
  const receipt = await send({ ...registrar, abi: form }, 'registerUpkeep', [params])
  const [{ args }] = parseEventLogs({ abi: registrar.abi, eventName: 'RegistrationApproved', logs: receipt.logs })
  assert.equal(await client.readContract({ ...registry, functionName: 'getBalance', args: [args.upkeepId] }), 5n)
  assert.equal(await client.getBalance({ address: chosen.REGISTRY_ADDRESS }), 0n)
})

test('the contracts at fixed addresses answer for this chain', async () => {
  assert.equal(await read('0xcA11bde05977b3631167028862bE2a173976CA11', 'getChainId() view returns (uint256)', 'getChainId'), 1337n)
  const permit2 = '0x000000000022D473030F116dDEE9F6B43aC78BA3'
  const domain = keccak256(encodeAbiParameters(
    [{ type: 'bytes32' }, { type: 'bytes32' }, { type: 'uint256' }, { type: 'address' }],
    [keccak256(stringToBytes('EIP712Domain(string name,uint256 chainId,address verifyingContract)')), keccak256(stringToBytes('Permit2')), 1337n, permit2],
  ))
  assert.equal(await read(permit2, 'DOMAIN_SEPARATOR() view returns (bytes32)', 'DOMAIN_SEPARATOR'), domain)
  for (const entryPoint of ['0x5FF137D4b0FDCD49DcA30c7CF57E578a026d2789', '0x0000000071727De22E5E9d8BAf0edAc6f37da032', '0x4337084D9E255Ff0702461CF8895CE9E3b5Ff108']) {
    assert.equal(await read(entryPoint, 'getNonce(address,uint192) view returns (uint256)', 'getNonce', [owner.address, 0n]), 0n)
    assert.notEqual(await client.getCode({ address: getContractAddress({ from: entryPoint, nonce: 1n }) }), undefined)
  }
  const createx = '0xba5Ed099633D3B313e4D5F7bdc1305d3c28ba5Ed'
  const computed = await read(createx, 'computeCreate2Address(bytes32,bytes32) view returns (address)', 'computeCreate2Address', [zeroHash, zeroHash])
  assert.equal(computed, getContractAddress({ opcode: 'CREATE2', from: createx, salt: zeroHash, bytecodeHash: zeroHash }))
})

test('the deterministic deployment proxy deploys', async () => {
  const proxy = '0x4e59b44847b379578588920cA78FbF26c0B4956C'
  const { bytecode, deployedBytecode } = artifact('Counter')
  await mined(await wallet.sendTransaction({ account: owner, to: proxy, data: concat([zeroHash, bytecode]) }))
  const address = getContractAddress({ opcode: 'CREATE2', from: proxy, salt: zeroHash, bytecode })
  assert.equal(await client.getCode({ address }), deployedBytecode)
})

// An interval, and a log in another place for each perform: its key takes a new slot.
const chargedTriggers = {
  'an interval': {
    type: 2,
    config: encodeAbiParameters([{ type: 'uint64' }, { type: 'uint64' }], [1n, 0n]),
    trigger: () => encodeAbiParameters([{ type: 'uint32' }, { type: 'bytes32' }], [1, zeroHash]),
  },
  'a log': {
    type: 1,
    config: encodeAbiParameters(
      ['address', 'uint8', 'bytes32', 'bytes32', 'bytes32', 'bytes32'].map((type) => ({ type })),
      [chosen.REGISTRY_ADDRESS, 0, toHex(1, { size: 32 }), zeroHash, zeroHash, zeroHash],
    ),
    trigger: (index) =>
      encodeAbiParameters(
        ['bytes32', 'bytes32', 'uint32', 'uint32', 'bytes32'].map((type) => ({ type })),
        [toHex(new Uint8Array(32).fill(171)), toHex(new Uint8Array(32).fill(205)), index, 1, zeroHash],
      ),
  },
}

for (const [name, { type, config, trigger }] of Object.entries(chargedTriggers))
test(`a perform for ${name} charges what its transaction costs`, async () => {
  const { abi, bytecode } = artifact('Heartbeat')
  const { contractAddress } = await mined(await wallet.deployContract({ account: owner, abi, bytecode }))
  const registered = await write(owner, 'registerUpkeep', [contractAddress, 200_000, owner.address, type, '0x', config, '0x'])
  const [{ args: { id } }] = parseEventLogs({ abi: registry.abi, eventName: 'UpkeepRegistered', logs: registered.logs })
  await write(owner, 'addFunds', [id, 10n ** 18n], { value: 10n ** 18n })
  const forwarder = await client.readContract({ ...registry, functionName: 'getForwarder', args: [id] })

  const lane = laneAt(3)
  // Little data; much data; so much that the calldata floor decides.
  for (const [index, data] of ['0x', toHex(new Uint8Array(600).fill(7)), pad('0x1', { size: 900 }), toHex(new Uint8Array(5_000).fill(255))].entries()) {
    const held = await client.getBalance({ address: forwarder })
    const receipt = await write(lane, 'perform', [id, trigger(index), data], { gas: 600_000n })
    const [{ args }] = parseEventLogs({ abi: registry.abi, eventName: 'UpkeepPerformed', logs: receipt.logs })
    assert.equal(args.success, true)
    const charged = args.gasUsed + args.gasOverhead
    const excess = charged - receipt.gasUsed
    assert.ok(excess >= 0n && excess < 200n, `${charged} gas charged for ${receipt.gasUsed} used`)
    const payment = (charged * receipt.effectiveGasPrice * (10n ** 9n + BigInt(chosen.REGISTRY_SETTINGS.premiumPPB))) / 10n ** 9n
    assert.equal(args.totalPayment, payment)
    assert.equal(held - (await client.getBalance({ address: forwarder })), payment)
  }
})
