// The page that wallets are tested with, in a headless browser: connect, switch chain, sign, send, deploy, watch a token.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { getAddress, toHex, verifyMessage } from 'viem'
import { accounts } from '../lib/accounts.mjs'
import { panics, startNode, temporaryFolder } from '../lib/node.mjs'
import { client, until } from '../lib/rpc.mjs'
import { serveFolder, startBrowser } from './browser.mjs'
import { Wallet, install } from './wallet.mjs'

// Chosen by the page.
const OTHER_CHAIN = '0x53a', PAYEE = '0x0c54FcCd2e384b4BB6f2E405Bf5Cbc15a017AaFb', TOKEN_PAYEE = '0x2f318C334780961FB129D2a6c30D0763d9a5C970'
const dapp = fileURLToPath(new URL('node_modules/@metamask/test-dapp/dist', import.meta.url))
const [account] = accounts
let node, otherNode, site, browser, page, wallet, rpc

/** A genesis file as the development chain's, of another chain id. */
function genesisOf(chainId) {
  const genesis = JSON.parse(readFileSync(new URL('../../genesis/dev.json', import.meta.url), 'utf8'))
  genesis.config.chainId = Number(chainId)
  const file = path.join(temporaryFolder('genesis'), 'genesis.json')
  writeFileSync(file, JSON.stringify(genesis))
  return file
}

const text = (id) => page.$eval(`#${id}`, (element) => element.innerText || element.value || '')
const shown = (id, wanted) => until(`${id} shows ${wanted}`, async () => wanted.test(await text(id)))
/** Clicks as soon as the page allows it; answers once that is done, not once the click's effect is there. */
async function click(id) {
  await until(`${id} is enabled`, () => page.$eval(`#${id}`, (element) => !element.disabled))
  await page.$eval(`#${id}`, (element) => element.click())
}
/** Clicks and waits for the receipt of the transaction that the wallet sends for it. */
async function send(id) {
  const before = wallet.sent.length
  await click(id)
  const hash = await until(`${id} sends`, () => wallet.sent[before])
  return until('the receipt', () => client(wallet.nodes[wallet.chainId].url)('eth_getTransactionReceipt', hash))
}

before(async () => {
  ;[node, otherNode, site, browser] = await Promise.all([
    startNode(), startNode({ args: ['--genesis', genesisOf(OTHER_CHAIN)] }), serveFolder(dapp), startBrowser()])
  rpc = client(node.url)
  wallet = new Wallet(account, { '0x539': node, [OTHER_CHAIN]: otherNode }, '0x539')
  page = await browser.newPage()
  await install(page, wallet)
  await page.goto(site.origin, { waitUntil: 'load' })
}, { timeout: 60_000 })

after(async () => {
  wallet?.close()
  await browser?.close()
  await site?.close()
  for (const each of [node, otherNode]) {
    assert.equal((await each.stop()).code, 0)
    assert.deepEqual(panics(each.stderr), [])
  }
})

test('the page finds the provider and connects', async () => {
  await shown('providers', /Test wallet/)
  // The page's own listeners come late: a click before them is lost.
  await until('the connection', async () => {
    await click('connectButton')
    return (await text('accounts')).toLowerCase() === account.address.toLowerCase()
  }, { every: 500 })
  await shown('chainId', /^0x539$/)
  await shown('network', /^1337$/)
})

test('it adds a chain, switches to it, sends there, and switches back', async () => {
  await click('addEthereumChain')
  await until('the chain is known', () => wallet.calls.includes('wallet_addEthereumChain'))
  await until('the other chain', async () => {
    await click('switchEthereumChain')
    return await text('chainId') === OTHER_CHAIN
  }, { every: 300 })
  await shown('network', /^1338$/)
  const receipt = await send('sendEIP1559Button')
  assert.equal(receipt.status, '0x1')
  assert.equal(await rpc('eth_getTransactionReceipt', receipt.transactionHash), null)
  assert.equal((await client(otherNode.url)('eth_getTransactionByHash', receipt.transactionHash)).chainId, OTHER_CHAIN)
  await page.evaluate(() => window.ethereum.request({ method: 'wallet_switchEthereumChain', params: [{ chainId: '0x539' }] }))
  await shown('chainId', /^0x539$/)
})

test('it has messages and typed data signed, and verifies', async () => {
  await click('personalSign')
  await shown('personalSignResult', /^0x[0-9a-f]{130}$/)
  const signature = await text('personalSignResult')
  assert.ok(await verifyMessage({ address: account.address, message: 'Example `personal_sign` message', signature }))
  await click('personalSignVerify')
  await shown('personalSignVerifySigUtilResult', new RegExp(account.address, 'i'))
  await click('signTypedDataV4')
  await shown('signTypedDataV4Result', /^0x[0-9a-f]{130}$/)
  await click('signTypedDataV4Verify')
  await shown('signTypedDataV4VerifyResult', new RegExp(account.address, 'i'))
})

test('it sends old and new transactions', async () => {
  for (const [id, type] of [['sendButton', '0x0'], ['sendEIP1559Button', '0x2'], ['sendEIP1559WithoutGasButton', '0x2']]) {
    const receipt = await send(id)
    assert.deepEqual([receipt.status, receipt.type, receipt.gasUsed, getAddress(receipt.to)], ['0x1', type, '0x5208', PAYEE])
  }
})

test('it deploys a contract, pays in and takes out', async () => {
  const { contractAddress } = await send('deployButton')
  await shown('contractStatus', /Deployed/)
  assert.equal(await rpc('eth_getBalance', contractAddress, 'latest'), '0x0')
  await send('depositButton')
  await shown('contractStatus', /Deposit completed/)
  assert.equal(await rpc('eth_getBalance', contractAddress, 'latest'), '0x3782dace9d900000')
  await send('withdrawButton')
  await shown('contractStatus', /Withdrawn/)
  assert.equal(await rpc('eth_getBalance', contractAddress, 'latest'), toHex(0x3782dace9d900000n - 10n ** 18n))
})

test('a transaction that reverts has a receipt of status 0', async () => {
  assert.equal((await send('deployFailingButton')).status, '0x1')
  await shown('failingContractStatus', /Deployed/)
  assert.equal((await send('sendFailingButton')).status, '0x0')
})

test('it makes a token, and the wallet sees its balance change', async () => {
  const { contractAddress } = await send('createToken')
  await shown('erc20TokenAddresses', new RegExp(contractAddress, 'i'))
  await click('watchAssets')
  const token = await until('the token is watched', () => wallet.watched[0])
  assert.equal(getAddress(token.address), getAddress(contractAddress))
  const [before] = token.balances
  assert.ok(before > 0n)
  const receipt = await send('transferTokens')
  assert.equal(receipt.logs.length, 1)
  const moved = BigInt(receipt.logs[0].data)
  assert.equal(moved, 15_000n)
  await until('the balance is read again', () => token.balances.length > 1)
  assert.deepEqual(token.balances, [before, before - moved])
  const balanceOf = `0x70a08231${TOKEN_PAYEE.slice(2).toLowerCase().padStart(64, '0')}`
  assert.equal(BigInt(await rpc('eth_call', { to: contractAddress, data: balanceOf }, 'latest')), moved)
})
