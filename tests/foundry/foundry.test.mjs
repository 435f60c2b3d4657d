// Foundry's tools against the node: every step looks at what the tool printed and at what the chain holds.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { before, describe, test } from 'node:test'
import { getAddress, keccak256, pad, parseEther, toHex } from 'viem'
import { accounts, keyOf } from '../lib/accounts.mjs'
import { broadcast, cast, castJson, forge } from '../lib/tools.mjs'
import { client, until } from '../lib/rpc.mjs'

const url = process.env.RPC_URL
const rpc = client(url)
const [owner, friend] = accounts
const key = keyOf(0)
const FRIEND = friend.address
let store, chainId

const nonceOf = async (address) => Number(await rpc('eth_getTransactionCount', address, 'latest'))

/** Sends with cast and checks that the receipt it printed is the node's own. */
async function send(args, options) {
  const printed = await castJson(['send', ...args], options)
  assert.equal(printed.status, '0x1')
  const stored = await rpc('eth_getTransactionReceipt', printed.transactionHash)
  assert.equal(stored.blockHash, printed.blockHash)
  assert.equal(stored.gasUsed, printed.gasUsed)
  return printed
}

async function deploy(contract, args = []) {
  const constructor = args.length ? ['--constructor-args', ...args] : []
  const output = await forge(['create', contract, '--private-key', key, '--broadcast', '--json', ...constructor])
  const { deployedTo, transactionHash } = JSON.parse(output.slice(output.indexOf('{')))
  const receipt = await rpc('eth_getTransactionReceipt', transactionHash)
  assert.equal(getAddress(receipt.contractAddress), getAddress(deployedTo))
  assert.ok((await rpc('eth_getCode', deployedTo, 'latest')).length > 10)
  return deployedTo
}

before(async () => {
  chainId = Number(await rpc('eth_chainId'))
  store = await deploy('src/Store.sol:Store')
})

describe('forge', () => {
  test('create with constructor arguments', async () => {
    const token = await deploy('src/Token.sol:Token', [`${parseEther('7')}`])
    const supply = await cast(['call', token, 'totalSupply()(uint256)'])
    assert.equal(supply.split(' ')[0], `${parseEther('7')}`)
  })

  for (const [name, flags, type] of [
    ['', [], '0x2'],
    [' --slow', ['--slow'], '0x2'],
    [' --legacy', ['--legacy'], '0x0']
  ]) {
    test(`script --broadcast${name}`, async () => {
      const before = await nonceOf(owner.address)
      const output = await forge(
        ['script', 'script/Deploy.s.sol:Deploy', '--rpc-url', url, '--private-key', key, '--broadcast', ...flags])
      assert.match(output, /ONCHAIN EXECUTION COMPLETE & SUCCESSFUL/)
      assert.equal(await nonceOf(owner.address), before + 4)
      const { transactions, receipts } = broadcast('Deploy.s.sol', chainId)
      assert.equal(receipts.length, 4)
      for (const receipt of receipts) {
        assert.equal(receipt.status, '0x1')
        assert.equal(receipt.type, type)
      }
      const [token, stored] = transactions.filter((it) => it.transactionType === 'CREATE')
        .map((it) => it.contractAddress)
      assert.equal(await cast(['call', stored, 'value()(uint256)']), '42')
      const held = await cast(['call', token, 'balanceOf(address)(uint256)', stored])
      assert.equal(held.split(' ')[0], `${parseEther('3')}`)
    })
  }
})

describe('cast send', () => {
  const store42 = (value) => [store, 'store(uint256)', `${value}`, '--private-key', key]
  const value = () => cast(['call', store, 'value()(uint256)'])
  const typeOf = async (receipt) => (await rpc('eth_getTransactionByHash', receipt.transactionHash)).type

  test('legacy', async () => {
    const receipt = await send([...store42(1), '--legacy'])
    assert.equal(await typeOf(receipt), '0x0')
    assert.equal(await value(), '1')
  })

  test('with an access list (EIP-2930)', async () => {
    const receipt = await send([store, 'store(uint256)', '2', '--access-list', '--private-key', key, '--legacy'])
    assert.equal(await typeOf(receipt), '0x1')
    const { accessList } = await rpc('eth_getTransactionByHash', receipt.transactionHash)
    assert.ok(accessList.some((entry) => getAddress(entry.address) === getAddress(store) && entry.storageKeys.length > 0))
    assert.equal(await value(), '2')
  })

  test('dynamic fee (EIP-1559)', async () => {
    const receipt = await send(store42(3))
    assert.equal(await typeOf(receipt), '0x2')
    assert.equal(receipt.type, '0x2')
    assert.equal(await value(), '3')
  })

  test('with a blob (EIP-4844, with the cell proofs of EIP-7594)', async () => {
    const file = path.join(process.env.E2E_TMP, 'blob.txt')
    writeFileSync(file, 'a blob of the end-to-end tests')
    const receipt = await send([FRIEND, '--blob', '--path', file, '--private-key', key])
    assert.equal(await typeOf(receipt), '0x3')
    assert.equal(Number(receipt.blobGasUsed), 131072)
    const block = await rpc('eth_getBlockByNumber', receipt.blockNumber, false)
    assert.equal(Number(block.blobGasUsed), 131072)
  })

  test('with an authorisation (EIP-7702)', async () => {
    const delegate = await deploy('src/Delegate.sol:Delegate')
    const receipt = await send(
      [accounts[4].address, 'run()', '--auth', delegate, '--private-key', keyOf(4)])
    assert.equal(await typeOf(receipt), '0x4')
    assert.equal(await rpc('eth_getCode', accounts[4].address, 'latest'), `0xef0100${delegate.slice(2).toLowerCase()}`)
    assert.equal(receipt.logs.length, 1)
    assert.equal(getAddress(receipt.logs[0].address), accounts[4].address)
  })

  test('value, with an exact balance afterwards', async () => {
    const before = BigInt(await rpc('eth_getBalance', FRIEND, 'latest'))
    await send([FRIEND, '--value', '1.5ether', '--private-key', key])
    assert.equal(BigInt(await rpc('eth_getBalance', FRIEND, 'latest')) - before, parseEther('1.5'))
  })

  test('--unlocked, signed by the node', async () => {
    const receipt = await send([store, 'store(uint256)', '5', '--unlocked', '--from', FRIEND])
    assert.equal(getAddress(receipt.from), FRIEND)
    assert.equal(getAddress(await cast(['call', store, 'lastSender()(address)'])), FRIEND)
  })

  test('--sync', async () => {
    const receipt = await send([...store42(6), '--sync'])
    assert.equal(await value(), '6')
    assert.ok(receipt.blockNumber)
  })

  test('--async, then the receipt', async () => {
    const hash = await cast(['send', ...store42(7), '--async'])
    assert.match(hash, /^0x[0-9a-f]{64}$/)
    assert.equal((await castJson(['receipt', hash])).status, '0x1')
  })

  test('publish of a signed transaction', async () => {
    const raw = await cast(['mktx', ...store42(8)])
    const receipt = JSON.parse(await cast(['publish', raw]))
    assert.equal(receipt.transactionHash, keccak256(raw))
    assert.equal(await value(), '8')
  })

  test('a contract creation', async () => {
    // PUSH1 0 DUP1 RETURN would leave no code: this init code returns one STOP.
    const receipt = await castJson(['send', '--private-key', key, '--create', '0x600160005360016000f3'])
    assert.equal(receipt.status, '0x1')
    assert.equal(await cast(['code', receipt.contractAddress]), '0x01')
  })
})

describe('cast reads', () => {
  let receipt
  before(async () => {
    receipt = await send([store, 'store(uint256)', '77', '--private-key', key])
  })

  test('call, also at an earlier block', async () => {
    assert.equal(await cast(['call', store, 'value()(uint256)']), '77')
    const earlier = `${Number(receipt.blockNumber) - 1}`
    assert.notEqual(await cast(['call', store, 'value()(uint256)', '--block', earlier]), '77')
  })

  test('call with overridden state', async () => {
    const slot = `${store}:${pad('0x0')}:${pad(toHex(1234))}`
    const answer = await cast(['call', store, 'value()(uint256)', '--override-state-diff', slot])
    assert.equal(answer.split(' ')[0], '1234')
    assert.equal(await cast(['call', store, 'value()(uint256)']), '77')
  })

  test('receipt', async () => {
    const printed = await castJson(['receipt', receipt.transactionHash])
    assert.deepEqual(
      [printed.blockHash, printed.gasUsed, printed.logs.length], [receipt.blockHash, receipt.gasUsed, 1])
  })

  test('tx', async () => {
    const tx = await castJson(['tx', receipt.transactionHash])
    assert.equal(getAddress(tx.from), owner.address)
    assert.equal(tx.blockHash, receipt.blockHash)
  })

  test('logs', async () => {
    const logs = await castJson(
      ['logs', 'Stored(address indexed,uint256)', '--address', store, '--from-block', '0', '--to-block', 'latest'])
    const mine = logs.filter((log) => log.transactionHash === receipt.transactionHash)
    assert.equal(mine.length, 1)
    assert.equal(BigInt(mine[0].data), 77n)
    assert.ok(logs.length > 1)
  })

  test('balance, nonce, code, codesize, storage', async () => {
    assert.equal(await cast(['balance', owner.address]), `${BigInt(await rpc('eth_getBalance', owner.address, 'latest'))}`)
    assert.equal(Number(await cast(['nonce', owner.address])), await nonceOf(owner.address))
    const code = await cast(['code', store])
    assert.equal(code, await rpc('eth_getCode', store, 'latest'))
    assert.equal(Number(await cast(['codesize', store])), (code.length - 2) / 2)
    assert.equal(BigInt(await cast(['storage', store, '0'])), 77n)
  })

  test('estimate is enough and not far more than needed', async () => {
    const estimate = Number(await cast(['estimate', store, 'store(uint256)', '78', '--from', owner.address]))
    const used = Number((await send(
      [store, 'store(uint256)', '78', '--private-key', key, '--gas-limit', `${estimate}`])).gasUsed)
    assert.ok(estimate >= used && estimate <= used * 1.1, `estimate ${estimate}, used ${used}`)
    await send([store, 'store(uint256)', '77', '--private-key', key])
  })

  test('block, block-number, age, base fee, chain id, client', async () => {
    const block = await castJson(['block', receipt.blockNumber])
    assert.equal(block.hash, receipt.blockHash)
    assert.ok(block.transactions.includes(receipt.transactionHash))
    assert.ok(Number(await cast(['block-number'])) >= Number(receipt.blockNumber))
    assert.equal(Number(await cast(['chain-id'])), chainId)
    assert.equal(await cast(['base-fee', receipt.blockNumber]), `${BigInt(block.baseFeePerGas)}`)
    assert.ok(Number(await cast(['gas-price'])) > 0)
    assert.match(await cast(['client']), /\w+\/.*v?\d/)
  })

  test('proof, codehash and storage root', async () => {
    const proof = await castJson(['proof', store, '0'])
    assert.equal(BigInt(proof.storageProof[0].value), 77n)
    assert.equal(proof.codeHash, keccak256(await rpc('eth_getCode', store, 'latest')))
    assert.equal(await cast(['codehash', store]), proof.codeHash)
    assert.equal(await cast(['storage-root', store]), proof.storageHash)
    const { stateRoot } = await rpc('eth_getBlockByNumber', 'latest', false)
    assert.equal(keccak256(proof.accountProof[0]), stateRoot)
  })

  test('access-list', async () => {
    const answer = await cast(['access-list', store, 'store(uint256)', '1', '--from', owner.address])
    assert.match(answer.toLowerCase(), new RegExp(store.toLowerCase()))
  })

  test('rpc txpool_status and tx-pool', async () => {
    const status = JSON.parse(await cast(['rpc', 'txpool_status']))
    assert.deepEqual(status, { pending: '0x0', queued: '0x0' })
    const tooEarly = Number(await nonceOf(accounts[5].address)) + 3
    const raw = await cast(
      ['mktx', FRIEND, '--private-key', keyOf(5), '--nonce', `${tooEarly}`, '--gas-limit', '21000', '--value', '1'])
    const hash = await cast(['publish', raw, '--async'])
    const content = JSON.parse(await cast(['rpc', 'txpool_content']))
    const queued = Object.entries(content.queued).find(([address]) => getAddress(address) === accounts[5].address)
    assert.equal(queued[1][tooEarly].hash, hash)
    assert.equal(JSON.parse(await cast(['tx-pool', 'status'])).queued, '0x1')
    await rpc('anvil_dropTransaction', hash)
    assert.equal(JSON.parse(await cast(['rpc', 'txpool_status'])).queued, '0x0')
  })

  test('run re-executes a transaction to the same gas', async () => {
    const output = await cast(['run', receipt.transactionHash])
    assert.match(output, /store\(77\)|store\(uint256\)|6057361d/)
    assert.match(output, /Transaction successfully executed/)
    assert.match(output, new RegExp(`Gas used: ${Number(receipt.gasUsed)}\\b`))
  })

  test('call --trace', async () => {
    const output = await cast(['call', store, 'value()(uint256)', '--trace'])
    assert.match(output, /Transaction successfully executed/)
    assert.match(output, /4d\b|77\b/)
  })

  test('debug_traceTransaction through cast rpc', async () => {
    const trace = JSON.parse(await cast(
      ['rpc', 'debug_traceTransaction', receipt.transactionHash, '{"tracer":"callTracer"}']))
    assert.equal(trace.type, 'CALL')
    assert.equal(getAddress(trace.to), getAddress(store))
    assert.equal(trace.gasUsed, receipt.gasUsed)
  })

  test('logs over WebSocket: cast subscribes and prints what happens', async () => {
    const seen = cast(
      ['logs', '--subscribe', '--address', store, '--rpc-url', process.env.WS_URL], { timeout: 6_000, expectFailure: true })
    let marker = 5000
    // The subscription is not announced, so the test writes until it is seen or the time is over.
    const writer = setInterval(() => {
      send([store, 'store(uint256)', `${marker++}`, '--private-key', keyOf(6)]).catch(() => {})
    }, 1000)
    const output = await seen
    clearInterval(writer)
    assert.match(output, /0{60}13[89a-f][0-9a-f]/)
  })
})

describe('errors in words', () => {
  test('nonce too low', async () => {
    const output = await cast(
      ['send', FRIEND, '--value', '1', '--private-key', key, '--nonce', '0'], { expectFailure: true })
    assert.match(output, /nonce too low/)
  })

  test('insufficient funds', async () => {
    const poor = keccak256('0x706f6f72')
    const output = await cast(
      ['send', FRIEND, '--value', '1ether', '--private-key', poor, '--gas-limit', '21000'], { expectFailure: true })
    assert.match(output, /insufficient funds for gas \* price \+ value/i)
  })

  test('a revert reason, from call and from send', async () => {
    assert.match(await cast(['call', store, 'failWithReason()'], { expectFailure: true }), /execution reverted: not today/)
    assert.match(
      await cast(['send', store, 'failWithReason()', '--private-key', key], { expectFailure: true }),
      /execution reverted: not today/)
  })

  test('a custom error with its data', async () => {
    const output = await cast(['call', store, 'failWithError(uint256)', '11'], { expectFailure: true })
    assert.match(output, /execution reverted/)
    const selector = keccak256(toHex('TooLarge(uint256,uint256)')).slice(0, 10)
    assert.match(output, new RegExp(`${selector}|TooLarge`))
  })

  test('a panic', async () => {
    const output = await cast(['call', store, 'failWithPanic(uint256)', '0'], { expectFailure: true })
    assert.match(output, /division or modulo by zero/)
  })

  test('a reverting transaction that is sent all the same has status 0', async () => {
    const hash = await cast(
      ['send', store, 'failWithReason()', '--private-key', key, '--gas-limit', '100000', '--async'])
    const stored = await until('the receipt', () => rpc('eth_getTransactionReceipt', hash))
    assert.equal(stored.status, '0x0')
  })
})
