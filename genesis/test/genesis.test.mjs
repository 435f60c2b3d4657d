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

const registered = async (type, config) => {
  const { abi, bytecode } = artifact('Heartbeat')
  const { contractAddress } = await mined(await wallet.deployContract({ account: owner, abi, bytecode }))
  const { logs } = await write(owner, 'registerUpkeep', [contractAddress, 200_000, owner.address, type, '0x', config, '0x'])
  const [{ args: { id } }] = parseEventLogs({ abi: registry.abi, eventName: 'UpkeepRegistered', logs })
  await write(owner, 'addFunds', [id, 10n ** 18n], { value: 10n ** 18n })
  return id
}
const owedBy = (id) => client.readContract({ ...registry, functionName: 'getOwed', args: [id] })
const priceOf = (gas, receipt) =>
  (gas * receipt.effectiveGasPrice * (10n ** 9n + BigInt(chosen.REGISTRY_SETTINGS.premiumPPB))) / 10n ** 9n
const performsIn = (receipt) =>
  parseEventLogs({ abi: registry.abi, eventName: 'UpkeepPerformed', logs: receipt.logs }).map(({ args }) => args)
// Little data; much data; so much that the calldata floor decides.
const datas = ['0x', '0xc0ffee', toHex(new Uint8Array(600).fill(7)), pad('0x1', { size: 900 }), toHex(new Uint8Array(5_000).fill(255))]

for (const [name, { type, config, trigger }] of Object.entries(chargedTriggers))
test(`a perform for ${name} charges exactly what its transaction costs`, async () => {
  const id = await registered(type, config)
  const lane = laneAt(3)
  const ways = [(data, index) => ['perform', [id, trigger(index), data]]]
  if (type === 2) ways.push((data) => ['performDue', [id, data]])
  for (const way of ways) {
    for (const [index, data] of datas.entries()) {
      const owed = await owedBy(id)
      const receipt = await write(lane, ...way(data, index), { gas: 600_000n })
      const [args] = performsIn(receipt)
      assert.equal(args.success, true)
      assert.equal(args.gasUsed + args.gasOverhead, receipt.gasUsed, `${data.length / 2 - 1} bytes of data`)
      assert.equal(args.totalPayment, priceOf(receipt.gasUsed, receipt))
      assert.equal(await owedBy(id) - owed, args.totalPayment)
    }
  }
})

test('performs that share a transaction are charged exactly what it costs, and payments, too', async () => {
  const ids = []
  for (let index = 0; index < 4; index++) ids.push(await registered(2, chargedTriggers['an interval'].config))
  const bundle = datas.slice(0, 2).concat(toHex(new Uint8Array(512).fill(7)), '0x')
  const lane = laneAt(4)
  let paid = false
  for (let round = 0; round < 80 && !paid; round++) {
    const before = await owedBy(ids[0])
    const receipt = await write(lane, 'performMany', [ids, bundle], { gas: 2_000_000n })
    const performs = performsIn(receipt)
    assert.deepEqual(performs.map(({ id }) => id), ids)
    assert.equal(performs.reduce((sum, { gasUsed, gasOverhead }) => sum + gasUsed + gasOverhead, 0n), receipt.gasUsed)
    for (const { gasUsed, gasOverhead, totalPayment } of performs) assert.equal(totalPayment, priceOf(gasUsed + gasOverhead, receipt))
    paid = await owedBy(ids[0]) < before
  }
  assert.ok(paid, 'a payment was among them')
  const alone = performsIn(await write(lane, 'performDue', [ids[3], '0x'], { gas: 600_000n }))
  assert.ok(alone[0].gasOverhead <= 45_000n, `${alone[0].gasOverhead}`)
  const sixteen = ids.slice()
  while (sixteen.length < 16) sixteen.push(await registered(2, chargedTriggers['an interval'].config))
  // The first performs write fresh slots of their targets alone.
  const performs = performsIn(await write(lane, 'performMany', [sixteen, sixteen.map(() => '0x')], { gas: 8_000_000n }))
  const mean = performs.reduce((sum, { gasOverhead }) => sum + gasOverhead, 0n) / 16n
  assert.ok(mean <= 20_000n, `${mean}`)
})
