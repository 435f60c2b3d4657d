// A usual Hardhat 3 test suite, run against a node over HTTP.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { before, describe, it } from 'node:test'
import { network } from 'hardhat'
import { getAddress, parseEther, parseGwei, toHex } from 'viem'
import VaultModule from '../ignition/modules/Vault.js'

const { viem, networkHelpers: helpers, ignition, provider } = await network.create()

const YEAR = 365n * 24n * 3600n

async function deployVault() {
  const [owner, stranger] = await viem.getWalletClients()
  const unlockTime = BigInt(await helpers.time.latest()) + YEAR
  const vault = await viem.deployContract('Vault', [unlockTime], { value: parseEther('1') })
  return { vault, unlockTime, owner, stranger, client: await viem.getPublicClient() }
}

describe('Vault', () => {
  it('is deployed with owner, time and money', async () => {
    const { vault, unlockTime, owner, client } = await helpers.loadFixture(deployVault)
    assert.equal(await vault.read.unlockTime(), unlockTime)
    assert.equal(await vault.read.owner(), getAddress(owner.account.address))
    assert.equal(await client.getBalance({ address: vault.address }), parseEther('1'))
  })

  it('refuses a time in the past with its reason', async () => {
    await viem.assertions.revertWith(viem.deployContract('Vault', [1n]), 'unlock time must lie ahead')
  })

  it('refuses early and foreign withdrawals with custom errors', async () => {
    const { vault, unlockTime, stranger } = await helpers.loadFixture(deployVault)
    await viem.assertions.revertWithCustomError(vault.write.withdraw(), vault, 'TooEarly')
    await helpers.time.increaseTo(unlockTime)
    await viem.assertions.revertWithCustomErrorWithArgs(
      vault.write.withdraw({ account: stranger.account }), vault, 'NotOwner', [getAddress(stranger.account.address)])
  })

  it('pays the owner and says so', async () => {
    const { vault, unlockTime, owner } = await helpers.loadFixture(deployVault)
    await helpers.time.increaseTo(unlockTime)
    await viem.assertions.emitWithArgs(
      vault.write.withdraw(), vault, 'Withdrawn', [getAddress(owner.account.address), parseEther('1')])
  })

  it('changes balances exactly', async () => {
    const { vault, unlockTime } = await helpers.loadFixture(deployVault)
    await helpers.time.increaseTo(unlockTime)
    await viem.assertions.balancesHaveChanged(vault.write.withdraw(), [{ address: vault.address, amount: -parseEther('1') }])
  })

  it('is the same again for every test that loads the fixture', async () => {
    const first = await helpers.loadFixture(deployVault)
    await first.vault.write.setNote([5n])
    assert.equal(await first.vault.read.note(), 5n)
    const second = await helpers.loadFixture(deployVault)
    assert.equal(second.vault.address, first.vault.address)
    assert.equal(await second.vault.read.note(), 0n)
  })
})

describe('network helpers', () => {
  it('time', async () => {
    const now = await helpers.time.latest()
    await helpers.time.increase(1000)
    assert.ok(await helpers.time.latest() >= now + 1000)
    await helpers.time.setNextBlockTimestamp(now + 5000)
    await helpers.mine()
    assert.equal(await helpers.time.latest(), now + 5000)
  })

  it('mine', async () => {
    const before = await helpers.time.latestBlock()
    await helpers.mine(7, { interval: 12 })
    assert.equal(await helpers.time.latestBlock(), before + 7)
    await helpers.mineUpTo(before + 10)
    assert.equal(await helpers.time.latestBlock(), before + 10)
  })

  it('impersonate and setBalance', async () => {
    const { vault, client } = await helpers.loadFixture(deployVault)
    const address = '0x00000000000000000000000000000000000c0de5'
    await helpers.setBalance(address, parseEther('3'))
    assert.equal(await client.getBalance({ address }), parseEther('3'))
    await helpers.impersonateAccount(address)
    await vault.write.setNote([9n], { account: address })
    await helpers.stopImpersonatingAccount(address)
    assert.equal(await vault.read.note(), 9n)
    await assert.rejects(vault.write.setNote([10n], { account: address }))
  })

  it('setStorageAt, setCode, setNonce', async () => {
    const { vault, client } = await helpers.loadFixture(deployVault)
    await helpers.setStorageAt(vault.address, 0, 1234)
    assert.equal(await vault.read.note(), 1234n)
    assert.equal(BigInt(await helpers.getStorageAt(vault.address, 0)), 1234n)
    const address = '0x00000000000000000000000000000000000c0de6'
    await helpers.setCode(address, '0x6001')
    assert.equal(await client.getCode({ address }), '0x6001')
    await helpers.setNonce(address, 12)
    assert.equal(await client.getTransactionCount({ address }), 12)
  })

  it('takeSnapshot and restore', async () => {
    const { vault } = await helpers.loadFixture(deployVault)
    const snapshot = await helpers.takeSnapshot()
    const block = await helpers.time.latestBlock()
    await vault.write.setNote([3n])
    await snapshot.restore()
    assert.equal(await vault.read.note(), 0n)
    assert.equal(await helpers.time.latestBlock(), block)
  })

  it('setNextBlockBaseFeePerGas, setPrevRandao, setCoinbase', async () => {
    const client = await viem.getPublicClient()
    await helpers.setNextBlockBaseFeePerGas(parseGwei('3'))
    await helpers.setPrevRandao(77)
    await helpers.setCoinbase('0x00000000000000000000000000000000000c0de7')
    await helpers.mine()
    const block = await client.getBlock()
    assert.equal(block.baseFeePerGas, parseGwei('3'))
    assert.equal(BigInt(block.mixHash), 77n)
    assert.equal(getAddress(block.miner), getAddress('0x00000000000000000000000000000000000c0de7'))
  })

  it('dropTransaction with automine off', async () => {
    const [wallet, other] = await viem.getWalletClients()
    await provider.request({ method: 'evm_setAutomine', params: [false] })
    try {
      const hash = await wallet.sendTransaction({ to: other.account.address, value: 1n })
      assert.equal(await helpers.dropTransaction(hash), true)
      await helpers.mine()
      const client = await viem.getPublicClient()
      await assert.rejects(client.getTransactionReceipt({ hash }), /could not be found/)
    } finally {
      await provider.request({ method: 'evm_setAutomine', params: [true] })
    }
  })
})

describe('Ignition', () => {
  // Ignition remembers what it deployed by chain id; this chain is new.
  before(() => rmSync(new URL('../ignition/deployments', import.meta.url), { recursive: true, force: true }))

  it('deploys a module and calls the contract', async () => {
    const { vault } = await ignition.deploy(VaultModule)
    assert.equal(await vault.read.note(), 17n)
    assert.equal(await vault.read.unlockTime(), 4_000_000_000n)
    assert.equal(await (await viem.getPublicClient()).getBalance({ address: vault.address }), 5n)
    assert.match(toHex(await vault.read.note()), /0x11/)
  })
})
