// Upkeeps that are registered through the registrar and paid for with the token, as contracts for automation registries do it.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { encodeAbiParameters, encodeFunctionData, parseEther, parseEventLogs } from 'viem'
import { REGISTRAR, REGISTRY, TOKEN, accounts } from '../lib/accounts.mjs'
import { artifact } from '../lib/node.mjs'
import { until } from '../lib/rpc.mjs'
import { admin, deploy, head, mine, performs, read, registry, rpc, send } from '../lib/upkeeps.mjs'

const token = artifact('WrappedNative')
const registrar = artifact('Registrar')
const counter = artifact('Counter')
const encodedId = (id) => encodeAbiParameters([{ type: 'uint256' }], [id])
const idIn = (receipt) => parseEventLogs({ abi: registrar.abi, logs: receipt.logs, eventName: 'RegistrationApproved' })[0].args.upkeepId
const tokensOf = (account) => read(TOKEN, token.abi, 'balanceOf', [account])

describe('the registrar', () => {
  let target, id

  before(async () => {
    assert.equal((await read(REGISTRY, registry.abi, 'getLinkAddress')).toLowerCase(), TOKEN.toLowerCase())
    target = await deploy('Counter')
    await send(TOKEN, token.abi, 'deposit', [], { value: parseEther('10') })
  })

  test('registers by transferAndCall, and the upkeep is served', async () => {
    const call = encodeFunctionData({
      abi: registrar.abi, functionName: 'register',
      args: ['counter', '0x', target, 200_000, admin.address, 0, '0x', '0x', '0x', parseEther('2'), admin.address]
    })
    id = idIn(await send(TOKEN, token.abi, 'transferAndCall', [REGISTRAR, parseEther('2'), call]))
    assert.equal(await read(REGISTRY, registry.abi, 'getBalance', [id]), parseEther('2'))
    const from = await head()
    await send(target, counter.abi, 'request', [1n])
    await until('a perform', async () => (await performs(id, from)).length === 1)
  })

  test('takes both forms of registerUpkeep', async () => {
    const common = {
      name: 'counter', encryptedEmail: '0x', upkeepContract: target, gasLimit: 200_000, adminAddress: admin.address, triggerType: 0,
      checkData: '0x', triggerConfig: '0x', offchainConfig: '0x', amount: parseEther('1')
    }
    const form = (first) => registrar.abi.filter(({ name, inputs }) => name === 'registerUpkeep' && inputs[0].components[0].name === first)
    await send(TOKEN, token.abi, 'approve', [REGISTRAR, parseEther('1')])
    const older = idIn(await send(REGISTRAR, form('name'), 'registerUpkeep', [common]))
    assert.equal(await read(REGISTRY, registry.abi, 'getBalance', [older]), parseEther('1'))
    const newer = idIn(await send(REGISTRAR, form('upkeepContract'), 'registerUpkeep',
      [{ ...common, billingToken: `0x${'00'.repeat(20)}` }], { value: parseEther('1') }))
    assert.equal(await read(REGISTRY, registry.abi, 'getBalance', [newer]), parseEther('1'))
    for (const one of [older, newer]) await send(REGISTRY, registry.abi, 'cancelUpkeep', [one])
  })

  test('the upkeep is topped up with tokens, and paid out in them', async () => {
    const before = await read(REGISTRY, registry.abi, 'getBalance', [id])
    await send(TOKEN, token.abi, 'transferAndCall', [REGISTRY, parseEther('1'), encodedId(id)])
    await send(TOKEN, token.abi, 'approve', [REGISTRY, parseEther('1')])
    await send(REGISTRY, registry.abi, 'addFunds', [id, parseEther('1')])
    assert.equal(await read(REGISTRY, registry.abi, 'getBalance', [id]), before + parseEther('2'))
    await send(REGISTRY, registry.abi, 'cancelUpkeep', [id])
    await mine(50)
    const left = await read(REGISTRY, registry.abi, 'getBalance', [id])
    await send(REGISTRY, registry.abi, 'withdrawFunds', [id, accounts[7].address])
    assert.equal(await tokensOf(accounts[7].address), left)
    for (const contract of [REGISTRY, REGISTRAR]) {
      assert.equal(BigInt(await rpc('eth_getBalance', contract, 'latest')), 0n)
      assert.equal(await tokensOf(contract), 0n)
    }
  })
})
