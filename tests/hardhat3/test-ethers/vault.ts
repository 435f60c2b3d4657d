// A Hardhat 3 test suite with mocha and ethers, run against a node over HTTP.
import { rmSync } from 'node:fs'
import { expect } from 'chai'
import { network } from 'hardhat'
import VaultModule from '../ignition/modules/Vault.js'

const { ethers, networkHelpers: helpers, ignition } = await network.create()

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

  it('refuses with reasons and custom errors', async () => {
    await expect(ethers.deployContract('Vault', [1])).to.be.revertedWith('unlock time must lie ahead')
    const { vault, unlockTime, stranger } = await helpers.loadFixture(deployVault)
    await expect(vault.withdraw()).to.be.revertedWithCustomError(vault, 'TooEarly')
    await helpers.time.increaseTo(unlockTime)
    await expect(vault.connect(stranger).withdraw())
      .to.be.revertedWithCustomError(vault, 'NotOwner').withArgs(stranger.address)
  })

  it('pays the owner, says so and changes balances exactly', async () => {
    const { vault, unlockTime, owner } = await helpers.loadFixture(deployVault)
    await helpers.time.increaseTo(unlockTime)
    const withdrawal = await vault.withdraw()
    await expect(withdrawal).to.emit(vault, 'Withdrawn').withArgs(owner.address, 1000n)
    await expect(withdrawal).to.changeEtherBalances(ethers, [owner, vault], [1000n, -1000n])
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
  it('time, mine, impersonation and state', async () => {
    const before = await helpers.time.latestBlock()
    await helpers.mine(9, { interval: 12 })
    expect(await helpers.time.latestBlock()).to.equal(before + 9)
    const { vault } = await helpers.loadFixture(deployVault)
    const address = '0x00000000000000000000000000000000000c0de5'
    await helpers.setBalance(address, 10n ** 18n)
    await helpers.impersonateAccount(address)
    await vault.connect(await ethers.getSigner(address)).setNote(9)
    await helpers.stopImpersonatingAccount(address)
    expect(await vault.note()).to.equal(9n)
    await helpers.setStorageAt(vault.target, 0, 1234)
    expect(await vault.note()).to.equal(1234n)
    await helpers.setPrevRandao(77)
    await helpers.mine()
    expect(BigInt((await ethers.provider.send('eth_getBlockByNumber', ['latest', false])).mixHash)).to.equal(77n)
  })

  it('takeSnapshot and restore', async () => {
    const { vault } = await helpers.loadFixture(deployVault)
    const snapshot = await helpers.takeSnapshot()
    await vault.setNote(3)
    await snapshot.restore()
    expect(await vault.note()).to.equal(0n)
  })
})

describe('Ignition', () => {
  before(() => rmSync(new URL('../ignition/deployments', import.meta.url), { recursive: true, force: true }))

  it('deploys a module and calls the contract', async () => {
    const { vault } = await ignition.deploy(VaultModule)
    expect(await vault.note()).to.equal(17n)
    expect(await ethers.provider.getBalance(vault)).to.equal(5n)
  })
})
