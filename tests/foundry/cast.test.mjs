// The rest of what cast does with a node: tokens, traces, signed authorisations, older blocks, and all of it over WebSocket.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { getAddress, getContractAddress, keccak256, pad, parseEther, parseTransaction, toHex } from 'viem'
import { accounts, keyOf } from '../lib/accounts.mjs'
import { cast, castJson, forge } from '../lib/tools.mjs'
import { client } from '../lib/rpc.mjs'

const url = process.env.RPC_URL
const rpc = client(url)
const SIGNER = 9
const [{ address }, friend] = [accounts[SIGNER], accounts[SIGNER + 1].address]
const signed = ['--private-key', keyOf(SIGNER)]
let store, token, receipt

/** What a tool printed for a number, without what it adds for people. */
const number = (printed) => BigInt(printed.split(' ')[0])
const nonce = async (block = 'latest') => Number(await rpc('eth_getTransactionCount', address, block))

async function deploy(contract, args = []) {
  const constructor = args.length ? ['--constructor-args', ...args] : []
  const output = await forge(['create', contract, ...signed, '--broadcast', '--json', ...constructor])
  return JSON.parse(output.slice(output.indexOf('{'))).deployedTo
}

async function send(args) {
  const printed = await castJson(['send', ...args, ...signed])
  assert.equal(printed.status, '0x1')
  assert.equal((await rpc('eth_getTransactionReceipt', printed.transactionHash)).blockHash, printed.blockHash)
  return printed
}

before(async () => {
  store = await deploy('src/Store.sol:Store')
  token = await deploy('src/Token.sol:Token', [`${parseEther('100')}`])
  receipt = await send([store, 'store(uint256)', '31'])
})

describe('tokens', () => {
  test('erc20 name, symbol, decimals, supply and balance', async () => {
    assert.equal(await cast(['erc20', 'name', token]), 'Test token')
    assert.equal(await cast(['erc20', 'symbol', token]), 'TEST')
    assert.equal(await cast(['erc20', 'decimals', token]), '18')
    assert.equal(number(await cast(['erc20', 'total-supply', token])), parseEther('100'))
    assert.equal(number(await cast(['erc20', 'balance', token, address])), parseEther('100'))
    assert.equal(number(await cast(['balance', '--erc20', token, address])), parseEther('100'))
  })

  test('erc20 transfer', async () => {
    const before = number(await cast(['erc20', 'balance', token, friend]))
    await cast(['erc20', 'transfer', token, friend, '5', ...signed])
    assert.equal(number(await cast(['erc20', 'balance', token, friend])) - before, 5n)
  })
})

describe('transactions', () => {
  test('wallet sign-auth, then another account sends the authorisation', async () => {
    const delegate = await deploy('src/Delegate.sol:Delegate')
    const authority = 10
    const authorization = await cast(['wallet', 'sign-auth', delegate, '--private-key', keyOf(authority), '--rpc-url', url])
    const sent = await send([friend, 'run()', '--auth', authorization])
    const stored = await rpc('eth_getTransactionByHash', sent.transactionHash)
    assert.deepEqual([stored.type, stored.authorizationList.length], ['0x4', 1])
    assert.equal(await cast(['code', accounts[authority].address]), `0xef0100${delegate.slice(2).toLowerCase()}`)
  })

  test('a nonce, gas and fees that are given', async () => {
    const next = await nonce()
    const sent = await send(
      [friend, '--value', '3', '--nonce', `${next}`, '--gas-limit', '30000', '--gas-price', '9gwei', '--priority-gas-price', '2gwei'])
    const stored = await rpc('eth_getTransactionByHash', sent.transactionHash)
    assert.deepEqual(
      [stored.nonce, stored.gas, stored.maxFeePerGas, stored.maxPriorityFeePerGas, stored.value].map(Number),
      [next, 30_000, 9e9, 2e9, 3])
  })

  test('mktx makes what publish sends; decode-transaction reads it back from the node', async () => {
    const raw = await cast(['mktx', store, 'store(uint256)', '32', ...signed])
    assert.equal(parseTransaction(raw).nonce, await nonce())
    const hash = await cast(['publish', raw, '--async'])
    assert.equal(hash, keccak256(raw))
    assert.equal(await cast(['tx', hash, '--raw']), raw)
    // A string in JSON that is JSON itself.
    const decoded = JSON.parse(await castJson(['decode-transaction', raw]))
    assert.equal(getAddress(decoded.signer), address)
  })

  test('a replacement with a higher fee takes the place of what waits', async () => {
    await rpc('evm_setAutomine', false)
    try {
      const next = `${await nonce()}`
      const fees = (fee) => ['--nonce', next, '--gas-price', fee, '--priority-gas-price', fee, ...signed, '--async']
      const first = await cast(['send', friend, '--value', '1', ...fees('10gwei')])
      const tooLittle = await cast(['send', friend, '--value', '2', ...fees('10gwei')], { expectFailure: true })
      assert.match(tooLittle, /replacement transaction underpriced/)
      const second = await cast(['send', friend, '--value', '2', ...fees('20gwei')])
      await rpc('evm_mine')
      assert.equal(await rpc('eth_getTransactionReceipt', first), null)
      assert.equal((await rpc('eth_getTransactionReceipt', second)).status, '0x1')
    } finally {
      await rpc('evm_setAutomine', true)
    }
  })

  test('compute-address is where the next contract stands', async () => {
    const printed = await cast(['compute-address', address])
    const expected = getContractAddress({ from: address, nonce: BigInt(await nonce()) })
    assert.match(printed, new RegExp(expected, 'i'))
    assert.equal(getAddress(await deploy('src/Store.sol:Store')), expected)
  })
})

describe('reads', () => {
  const block = () => `${Number(receipt.blockNumber)}`
  const earlier = () => `${Number(receipt.blockNumber) - 1}`

  test('balance, nonce, code and storage of earlier blocks', async () => {
    const at = toHex(Number(earlier()))
    assert.equal(await cast(['balance', address, '--block', earlier()]), `${BigInt(await rpc('eth_getBalance', address, at))}`)
    assert.equal(Number(await cast(['nonce', address, '--block', earlier()])), await nonce(at))
    assert.equal(BigInt(await cast(['storage', store, '0', '--block', earlier()])), 0n)
    assert.equal(BigInt(await cast(['storage', store, '0', '--block', block()])), 31n)
    assert.equal(await cast(['code', store, '--block', '0']), '0x')
  })

  test('block with its transactions, single fields, and by hash', async () => {
    const full = await castJson(['block', receipt.blockHash, '--full'])
    assert.equal(full.transactions.find(({ hash }) => hash === receipt.transactionHash).nonce, toHex(await nonce(toHex(Number(earlier())))))
    assert.equal(await cast(['block', block(), '--field', 'hash']), receipt.blockHash)
    assert.equal(Number(await cast(['receipt', receipt.transactionHash, 'gasUsed'])), Number(receipt.gasUsed))
    assert.equal(getAddress(await cast(['tx', receipt.transactionHash, 'from'])), address)
    assert.equal(await cast(['block-number', receipt.blockHash]), block())
  })

  test('find-block by time', async () => {
    const { timestamp } = await rpc('eth_getBlockByNumber', receipt.blockNumber, false)
    const found = await rpc('eth_getBlockByNumber', toHex(Number(await cast(['find-block', `${Number(timestamp)}`]))), false)
    assert.equal(found.timestamp, timestamp)
  })

  test('logs by topic', async () => {
    const args = ['logs', '--address', store, '--from-block', block(), '--to-block', block()]
    const topic = keccak256(toHex('Stored(address,uint256)'))
    for (const filter of [[topic], [topic, pad(address.toLowerCase())], ['Stored(address indexed by, uint256 value)', address]]) {
      const logs = await castJson([...args, ...filter])
      assert.deepEqual(logs.map(({ transactionHash }) => transactionHash), [receipt.transactionHash])
    }
    assert.deepEqual(await castJson([...args, topic, pad(friend.toLowerCase())]), [])
  })

  test('calls with overridden balance, nonce, code and block', async () => {
    const answer = async (...flags) => (await cast(['call', store, ...flags]))
    // NUMBER, MSTORE at 0, RETURN 32 bytes
    const numberCode = '0x4360005260206000f3'
    assert.equal(BigInt(await answer('--override-code', `${store}:${numberCode}`, '--block.number', '777')), 777n)
    const poor = '0x00000000000000000000000000000000000000aa'
    assert.match(
      await cast(['call', store, 'store(uint256)', '1', '--from', poor, '--value', '5'], { expectFailure: true }), /insufficient/i)
    const rich = await answer('store(uint256)', '1', '--from', poor, '--value', '5', '--override-balance', `${poor}:10`)
    assert.equal(rich, '0x')
    assert.equal(number(await answer('value()(uint256)', '--override-state', `${store}:${pad('0x0')}:${pad('0x9')}`)), 9n)
    assert.equal(getAddress(await answer('lastSender()(address)', '--override-state', `${store}:${pad('0x0')}:${pad('0x9')}`)),
      getAddress(pad('0x', { size: 20 })))
  })

  test('call --create', async () => {
    const code = await cast(['call', '--create', '0x600160005360016000f3'])
    assert.equal(code, '0x01')
  })

  test('an estimate of a creation', async () => {
    const estimate = Number(await cast(['estimate', '--from', address, '--create', '0x600160005360016000f3']))
    assert.ok(estimate > 53_000 && estimate < 60_000, `${estimate}`)
  })

  test('admin and implementation slots', async () => {
    assert.match(await cast(['implementation', store]), /^0x0{40}$/)
    assert.match(await cast(['admin', store]), /^0x0{40}$/)
  })
})

describe('traces', () => {
  test('trace (trace_transaction)', async () => {
    const printed = await cast(['trace', receipt.transactionHash])
    const [trace] = [JSON.parse(printed)].flat()
    assert.equal(getAddress(trace.action.to), getAddress(store))
    assert.equal(getAddress(trace.action.from), address)
  })

  test('run --quick, and run of a transaction that reverted', async () => {
    const quick = await cast(['run', receipt.transactionHash, '--quick'])
    assert.match(quick, new RegExp(`Gas used: ${Number(receipt.gasUsed)}\\b`))
    const hash = await cast(['send', store, 'failWithReason()', ...signed, '--gas-limit', '100000', '--async'])
    const failed = await castJson(['receipt', hash])
    assert.equal(failed.status, '0x0')
    const output = await cast(['run', hash])
    assert.match(output, /not today/)
    assert.match(output, new RegExp(`Gas used: ${Number(failed.gasUsed)}\\b`))
  })

  test('call --trace of a revert names the reason', async () => {
    assert.match(await cast(['call', store, 'failWithReason()', '--trace']), /not today/)
  })

  test('the default tracer and the prestate tracer through cast rpc', async () => {
    const { structLogs, gas, failed } = JSON.parse(await cast(['rpc', 'debug_traceTransaction', receipt.transactionHash]))
    assert.deepEqual([gas, failed], [Number(receipt.gasUsed), false])
    assert.equal(structLogs.at(-1).op, 'STOP')
    const { pre, post } = JSON.parse(await cast(
      ['rpc', 'debug_traceTransaction', receipt.transactionHash, '{"tracer":"prestateTracer","tracerConfig":{"diffMode":true}}']))
    assert.equal(pre[store.toLowerCase()].storage, undefined)
    assert.equal(post[store.toLowerCase()].storage[pad('0x0')], pad(toHex(31)))
  })
})

describe('over WebSocket', () => {
  const options = { url: process.env.WS_URL }

  test('send, receipt, call, estimate', async () => {
    const printed = await castJson(['send', store, 'store(uint256)', '55', ...signed], options)
    assert.equal(printed.status, '0x1')
    assert.equal(await cast(['call', store, 'value()(uint256)'], options), '55')
    assert.equal((await castJson(['receipt', printed.transactionHash], options)).gasUsed, printed.gasUsed)
    assert.equal(await cast(['estimate', store.replace(/.{8}$/, '00000000'), '--value', '1', '--from', address], options), '21000')
  })

  test('errors in words', async () => {
    assert.match(await cast(['call', store, 'failWithReason()'], { ...options, expectFailure: true }), /execution reverted: not today/)
    assert.match(
      await cast(['send', friend, '--value', '1', ...signed, '--nonce', '0'], { ...options, expectFailure: true }), /nonce too low/)
  })
})
