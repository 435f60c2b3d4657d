// What development nodes are asked for beyond Ethereum's own methods: every name is served or refused with a
// sentence, and what contracts say to the console stands in the node's log.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createWalletClient, custom, defineChain, encodeFunctionData } from 'viem'
import { accounts, keyOf } from '../lib/accounts.mjs'
import { privateKeyToAccount } from 'viem/accounts'
import { viemKzg, zeroBlob } from '../lib/blob.mjs'
import { artifact, runCommand, startNode, temporaryFolder } from '../lib/node.mjs'
import { client, errorOf, post, until } from '../lib/rpc.mjs'

const genesis = fileURLToPath(new URL('../../genesis/dev.json', import.meta.url))
const words = (text) => text.trim().split(/\s+/)

/** Every name of anvil's and Hardhat's, of ganache's that anvil took over, and of those built on them. */
const NAMES = [
  ...words(`increaseTime mine mine_detailed revert setAccountNonce setAutomine setBlockGasLimit setIntervalMining
    setNextBlockTimestamp setTime snapshot setAccountBalance setAccountCode setAccountStorageAt`).map((name) => `evm_${name}`),
  ...words(`addBalance anvil_dropTransaction autoImpersonateAccount classifyTransaction dealERC20 dealTIP20 dropAllTransactions
    dropTransaction dumpState enableTraces getAutomine getBlobByHash getBlobsByTransactionHash getGenesisTime getIntervalMining
    getLastBlockWallTime impersonateAccount impersonateSignature increaseTime loadState metadata mine mine_detailed nodeInfo
    removeBlockTimestampInterval removePoolTransactions reorg reset revert rollback setAutomine setBalance setBlockGasLimit
    setBlockTimestampInterval setChainId setCode setCoinbase setERC20Allowance setERC20Balance setFeeAmmLiquidity setFeeToken
    setIntervalMining setLoggingEnabled setMinGasPrice setNextBlockBaseFeePerGas setNextBlockPrevRandao setNextBlockTimestamp
    setNonce setRpcUrl setStorageAt setTime setValidatorFeeToken snapshot stopImpersonatingAccount`).map((name) => `anvil_${name}`),
  ...words(`addBalance autoImpersonateAccount dealERC20 dropAllTransactions dropTransaction dumpState getAutomine
    hardhat_dropTransaction impersonateAccount loadState metadata mine reset setBalance setCode setCoinbase setLoggingEnabled
    setMinGasPrice setNextBlockBaseFeePerGas setNonce setPrevRandao setStorageAt stopImpersonatingAccount`).map((name) => `hardhat_${name}`),
  ...words(`tenderly_addBalance tenderly_setBalance eth_networkId eth_resend eth_sendTransactionSync eth_sendUnsignedTransaction
    eth_signTypedData eth_signTypedData_v3 eth_signTypedData_v4 personal_sign`)
]

/** Names that this node refuses, each with a word of the sentence that it answers. */
const REFUSED = {
  anvil_anvil_dropTransaction: /hardhat_dropTransaction/,
  hardhat_hardhat_dropTransaction: /hardhat_dropTransaction/,
  anvil_enableTraces: /debug_traceTransaction/,
  anvil_classifyTransaction: /eth_getTransactionByHash/,
  anvil_dealTIP20: /anvil_dealERC20/,
  anvil_setFeeAmmLiquidity: /native currency/,
  anvil_setFeeToken: /native currency/,
  anvil_setValidatorFeeToken: /native currency/,
  anvil_impersonateSignature: /anvil_impersonateAccount/,
  anvil_reorg: /evm_revert/,
  anvil_rollback: /evm_revert/,
  anvil_setChainId: /genesis/,
  anvil_setRpcUrl: /forks no other chain/,
  anvil_setMinGasPrice: /setNextBlockBaseFeePerGas/,
  hardhat_setMinGasPrice: /setNextBlockBaseFeePerGas/
}

/** Namespaces and methods of other nodes, each with a word of the sentence. */
const ELSEWHERE = {
  miner_setGasPrice: /--gas-limit/, miner_start: /--gas-limit/, mev_sendBundle: /eth_sendRawTransaction/,
  flashbots_validateBuilderSubmissionV3: /bundles/, admin_addPeer: /no peers/, admin_nodeInfo: /command line/,
  debug_cpuProfile: /Go/, debug_memStats: /Go/, debug_stacks: /Go/, debug_verbosity: /--log/, debug_dbAncient: /database/,
  personal_unlockAccount: /passwords/, personal_newAccount: /passwords/, eth_getWork: /proof of work/,
  eth_submitWork: /proof of work/, eth_submitHashrate: /proof of work/, engine_newPayloadV4: /authrpc/,
  engine_forkchoiceUpdatedV3: /authrpc/
}

let node, rpc
const log = () => (node.stdout + node.stderr).replace(/\x1b\[[0-9;]*m/g, '')
const logged = (pattern) => until(`${pattern} in the log`, () => log().match(pattern))

before(async () => {
  node = await startNode()
  rpc = client(node.url)
})
after(() => node.stop())

describe('names', () => {
  // With six arguments none of which fits, a method that is there does nothing, and says so.
  const ask = async (method) => {
    const { json } = await post(node.url, JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: [[], [], [], [], [], []] }))
    return json.error
  }

  test('every name is served or refused with a sentence', async () => {
    assert.equal(new Set(NAMES).size, NAMES.length)
    for (const name of NAMES) {
      const error = await ask(name)
      if (REFUSED[name]) {
        assert.match(error.message, REFUSED[name], name)
      } else {
        assert.equal(error.code, -32602, `${name}: ${error.message}`)
        assert.match(error.message, /too many arguments|argument 0/, name)
      }
    }
    for (const name of Object.keys(REFUSED)) assert.ok(NAMES.includes(name), name)
  })

  test('what other nodes have is refused with an alternative', async () => {
    for (const [name, word] of Object.entries(ELSEWHERE)) {
      const error = await ask(name)
      assert.equal(error.code, -32601, name)
      assert.match(error.message, /does not exist\/is not available: /, name)
      assert.match(error.message, word, name)
    }
  })

  test('outside of development every one of them says where it is served', async () => {
    const datadir = temporaryFolder()
    const { code, stderr } = await runCommand(['init', '--datadir', datadir, genesis])
    assert.equal(code, 0, stderr)
    const plain = await startNode({ dev: false, datadir })
    for (const name of NAMES.filter((name) => /^(evm|anvil|hardhat|tenderly)_/.test(name))) {
      const error = await errorOf(plain.url, name)
      assert.equal(error.code, -32601, name)
      assert.match(error.message, /--dev/, name)
    }
    await plain.stop()
  })
})

test('blobs can be asked for after their transaction was mined', async () => {
  const chain = defineChain({
    id: Number(await rpc('eth_chainId')), name: 'plasma', nativeCurrency: { name: 'E', symbol: 'E', decimals: 18 },
    rpcUrls: { default: { http: [node.url] } }
  })
  const transport = custom({ request: ({ method, params }) => rpc(method, ...(params ?? [])) })
  const wallet = createWalletClient({ account: privateKeyToAccount(keyOf(3)), chain, transport })
  const hash = await wallet.sendTransaction({
    to: accounts[4].address, blobs: [zeroBlob], kzg: viemKzg, maxFeePerBlobGas: 10n ** 9n
  })
  const receipt = await until('the receipt', () => rpc('eth_getTransactionReceipt', hash))
  assert.equal(receipt.status, '0x1')
  const { blobVersionedHashes: [versioned] } = await rpc('eth_getTransactionByHash', hash)
  assert.deepEqual(await rpc('anvil_getBlobsByTransactionHash', hash), [zeroBlob])
  assert.equal(await rpc('anvil_getBlobByHash', versioned), zeroBlob)
  assert.equal(await rpc('anvil_getBlobByHash', hash), null)
  assert.equal(await rpc('anvil_getBlobsByTransactionHash', versioned), null)
})

describe('the console', () => {
  const { abi, bytecode } = artifact('Speaker')
  const from = accounts[5].address
  let speaker

  const send = async (functionName, args) => {
    const data = encodeFunctionData({ abi, functionName, args })
    const hash = await rpc('eth_sendTransaction', { from, to: speaker, data, gas: '0x7a120' })
    return rpc('eth_getTransactionReceipt', hash)
  }

  before(async () => {
    const hash = await rpc('eth_sendTransaction', { from, data: bytecode })
    speaker = (await rpc('eth_getTransactionReceipt', hash)).contractAddress
  })

  test('what a transaction says stands in the log, decoded', async () => {
    const receipt = await send('speak', [42n, 'good morning', true, speaker])
    assert.equal(receipt.status, '0x1')
    await logged(new RegExp(`transaction .*${receipt.transactionHash}.*`))
    const [, told] = log().split(receipt.transactionHash)
    const head = told.split('\n')[0]
    assert.match(head, new RegExp(from, 'i'))
    assert.match(head, new RegExp(`to=${speaker}`, 'i'))
    assert.match(head, new RegExp(`gas_used=${Number(receipt.gasUsed)} `))
    assert.match(head, /status=1/)
    await logged(/console\.log: 42\n/)
    const lines = [...log().matchAll(/console\.log: (.*)/g)].map(([, line]) => line.toLowerCase())
    assert.deepEqual(lines.slice(-7), [
      'good morning', 'number=42', `42 good morning true ${speaker}`, '-42', '0xdeadbeef', '0x0102', '42'])
  })

  test('a failed transaction is logged with its reason', async () => {
    for (const [how, reason] of [
      [0n, /transaction failed: reverted with "as was asked"/],
      [1n, /transaction failed: reverted with the custom error 0x[0-9a-f]{8}, data 0x0{62}4d/],
      [2n, /transaction failed: panicked with code 0x12: division or modulo by zero/]
    ]) {
      const receipt = await send('fail', [how])
      assert.equal(receipt.status, '0x0')
      await logged(new RegExp(`${reason.source}.*${receipt.transactionHash}.*status=0`))
      await logged(new RegExp(`console\\.log: failing ${how}`))
    }
  })

  test('calls speak, too', async () => {
    const data = encodeFunctionData({ abi, functionName: 'ask', args: [7n] })
    assert.equal(BigInt(await rpc('eth_call', { from, to: speaker, data }, 'latest')), 8n)
    await logged(/console\.log: asked 7/)
  })

  test('logging can be turned off', async () => {
    assert.equal(await rpc('hardhat_setLoggingEnabled', false), true)
    const silent = await send('speak', [1n, 'silence', true, speaker])
    // A block is told a moment after it is there, if it is to be told then.
    await new Promise((resolve) => setTimeout(resolve, 500))
    assert.equal(await rpc('anvil_setLoggingEnabled', true), null)
    const loud = await send('speak', [2n, 'noise', true, speaker])
    await logged(new RegExp(loud.transactionHash))
    await logged(/console\.log: noise/)
    assert.ok(!log().includes(silent.transactionHash))
    assert.ok(!log().includes('silence'))
  })
})
