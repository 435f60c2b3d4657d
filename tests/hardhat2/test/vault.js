// A usual Hardhat 2 test suite, run against a node over HTTP.
const helpers = require('@nomicfoundation/hardhat-network-helpers')
const { expect } = require('chai')
const { rmSync } = require('node:fs')
const path = require('node:path')
const { ethers, ignition, network, viem } = require('hardhat')
const VaultModule = require('../ignition/modules/Vault')

const YEAR = 365 * 24 * 3600

async function deployVault() {
  const [owner, stranger] = await ethers.getSigners()
  const unlockTime = (await helpers.time.latest()) + YEAR
  const vault = await ethers.deployContract('Vault', [unlockTime], { value: 1000n })
  await vault.waitForDeployment()
  return { vault, unlockTime, owner, stranger }
}

describe('Vault', () => {
  it('is deployed with owner, time and money', async () => {
    const { vault, unlockTime, owner } = await helpers.loadFixture(deployVault)
    expect(await vault.unlockTime()).to.equal(unlockTime)
    expect(await vault.owner()).to.equal(owner.address)
    expect(await ethers.provider.getBalance(vault)).to.equal(1000n)
  })

  it('refuses a time in the past with its reason', async () => {
    await expect(ethers.deployContract('Vault', [1])).to.be.revertedWith('unlock time must lie ahead')
  })

  it('refuses early and foreign withdrawals with custom errors', async () => {
    const { vault, unlockTime, stranger } = await helpers.loadFixture(deployVault)
    await expect(vault.withdraw()).to.be.revertedWithCustomError(vault, 'TooEarly')
    await helpers.time.increaseTo(unlockTime)
    await expect(vault.connect(stranger).withdraw())
      .to.be.revertedWithCustomError(vault, 'NotOwner').withArgs(stranger.address)
  })

  it('pays the owner, says so and changes balances exactly', async () => {
    const { vault, unlockTime, owner } = await helpers.loadFixture(deployVault)
    await helpers.time.increaseTo(unlockTime)
    const withdrawal = vault.withdraw()
    await expect(withdrawal).to.emit(vault, 'Withdrawn').withArgs(owner.address, 1000n)
    await expect(withdrawal).to.changeEtherBalances([owner, vault], [1000n, -1000n])
  })

  it('is the same again for every test that loads the fixture', async () => {
    const first = await helpers.loadFixture(deployVault)
    await first.vault.setNote(5)
    expect(await first.vault.note()).to.equal(5n)
    const second = await helpers.loadFixture(deployVault)
    expect(second.vault.target).to.equal(first.vault.target)
    expect(await second.vault.note()).to.equal(0n)
  })
})

describe('network helpers', () => {
  it('time and mine', async () => {
    const now = await helpers.time.latest()
    await helpers.time.increase(1000)
    expect(await helpers.time.latest()).to.be.at.least(now + 1000)
    await helpers.time.setNextBlockTimestamp(now + 5000)
    await helpers.mine()
    expect(await helpers.time.latest()).to.equal(now + 5000)
    const before = await helpers.time.latestBlock()
    await helpers.mine(20, { interval: 12 })
    expect(await helpers.time.latestBlock()).to.equal(before + 20)
    await helpers.mineUpTo(before + 25)
    expect(await helpers.time.latestBlock()).to.equal(before + 25)
  })

  it('impersonate, setBalance, setNonce, setCode, setStorageAt', async () => {
    const { vault } = await helpers.loadFixture(deployVault)
    const address = '0x00000000000000000000000000000000000c0de5'
    await helpers.setBalance(address, 10n ** 18n)
    expect(await ethers.provider.getBalance(address)).to.equal(10n ** 18n)
    await helpers.impersonateAccount(address)
    await vault.connect(await ethers.getSigner(address)).setNote(9)
    await helpers.stopImpersonatingAccount(address)
    expect(await vault.note()).to.equal(9n)
    await helpers.setNonce(address, 50)
    expect(await ethers.provider.getTransactionCount(address)).to.equal(50)
    await helpers.setCode(address, '0x6001')
    expect(await ethers.provider.getCode(address)).to.equal('0x6001')
    await helpers.setStorageAt(vault.target, 0, 1234)
    expect(await vault.note()).to.equal(1234n)
    expect(BigInt(await helpers.getStorageAt(vault.target, 0))).to.equal(1234n)
  })

  it('takeSnapshot and restore', async () => {
    const { vault } = await helpers.loadFixture(deployVault)
    const snapshot = await helpers.takeSnapshot()
    await vault.setNote(3)
    await snapshot.restore()
    expect(await vault.note()).to.equal(0n)
  })

  it('setNextBlockBaseFeePerGas, setPrevRandao, setCoinbase, setBlockGasLimit', async () => {
    await helpers.setNextBlockBaseFeePerGas(3_000_000_000n)
    await helpers.setPrevRandao(77)
    await helpers.setCoinbase('0x00000000000000000000000000000000000c0de7')
    await helpers.mine()
    const block = await ethers.provider.send('eth_getBlockByNumber', ['latest', false])
    expect(BigInt(block.baseFeePerGas)).to.equal(3_000_000_000n)
    expect(BigInt(block.mixHash)).to.equal(77n)
    expect(block.miner).to.equal('0x00000000000000000000000000000000000c0de7')
    await helpers.setBlockGasLimit(40_000_000)
    await helpers.mine()
    expect((await ethers.provider.getBlock('latest')).gasLimit).to.equal(40_000_000n)
  })

  it('dropTransaction with automine off', async () => {
    const [wallet, other] = await ethers.getSigners()
    await network.provider.send('evm_setAutomine', [false])
    try {
      const { hash } = await wallet.sendTransaction({ to: other, value: 1n, gasLimit: 21_000n })
      expect(await helpers.dropTransaction(hash)).to.equal(true)
      await helpers.mine()
      expect(await ethers.provider.getTransactionReceipt(hash)).to.equal(null)
    } finally {
      await network.provider.send('evm_setAutomine', [true])
    }
  })

  it('increaseTo, and a storage slot of a stranger', async () => {
    const later = (await helpers.time.latest()) + 777
    await helpers.time.increaseTo(later)
    expect(await helpers.time.latest()).to.equal(later)
    const address = '0x00000000000000000000000000000000000c0de9'
    await helpers.setStorageAt(address, '0x5', '0x' + '00'.repeat(31) + '2a')
    expect(BigInt(await helpers.getStorageAt(address, 5))).to.equal(42n)
  })

  it('reset', async () => {
    await helpers.reset()
    expect(await helpers.time.latestBlock()).to.be.at.most(1)
    await helpers.mine()
  })
})

describe('Ignition', () => {
  // Ignition remembers what it deployed by chain id; this chain is new.
  before(() => rmSync(path.join(__dirname, '../ignition/deployments'), { recursive: true, force: true }))

  it('deploys a module and calls the contract', async () => {
    const { vault } = await ignition.deploy(VaultModule)
    expect(await vault.note()).to.equal(17n)
    expect(await vault.unlockTime()).to.equal(4_000_000_000n)
    expect(await ethers.provider.getBalance(vault)).to.equal(5n)
  })

  it('goes on where an earlier deployment ended', async () => {
    const options = { deploymentId: 'twice' }
    const first = await ignition.deploy(VaultModule, options)
    const block = await helpers.time.latestBlock()
    const second = await ignition.deploy(VaultModule, options)
    expect(second.vault.target).to.equal(first.vault.target)
    expect(await helpers.time.latestBlock()).to.equal(block)
  })
})

describe('viem', () => {
  it('deploys, writes, reads and sees events', async () => {
    const client = await viem.getPublicClient()
    expect(await client.getChainId()).to.equal(1337)
    const [owner] = await viem.getWalletClients()
    const vault = await viem.deployContract('Vault', [4_000_000_000n], { value: 3n })
    expect(await client.getBalance({ address: vault.address })).to.equal(3n)
    const hash = await vault.write.setNote([21n])
    expect((await client.waitForTransactionReceipt({ hash })).status).to.equal('success')
    expect(await vault.read.note()).to.equal(21n)
    expect((await vault.read.owner()).toLowerCase()).to.equal(owner.account.address)
    await expect(vault.write.withdraw()).to.be.rejectedWith('TooEarly')
  })
})
