// Bad input over JSON-RPC: each gets a clear answer in geth's codes and words, and the node lives on.
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { concat, encodeAbiParameters, encodeFunctionData, keccak256, parseGwei, toHex, toRlp, trim } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { accounts, REGISTRY } from '../lib/accounts.mjs'
import { artifact } from '../lib/node.mjs'
import { client, errorOf, post, receiptOf } from '../lib/rpc.mjs'

const url = process.env.RPC_URL
const rpc = client(url)
const [sender, recipient] = [accounts[7], accounts[8]]
const registry = artifact('Registry')
let chainId, gasCap, store

const nonceOf = async (account, tag = 'latest') =>
  Number(await rpc('eth_getTransactionCount', account.address, tag))

/** A signed transfer of one wei, changed as asked. */
const signed = async (changes = {}, account = sender) => account.signTransaction({
  type: 'eip1559', chainId, to: recipient.address, value: 1n, gas: 21_000n, nonce: await nonceOf(account),
  maxFeePerGas: parseGwei('100'), maxPriorityFeePerGas: parseGwei('1'), ...changes
})

/** Sends a raw transaction that must be refused with `code` and words that match. */
async function refused(raw, words, code = -32000) {
  const error = await errorOf(url, 'eth_sendRawTransaction', [raw])
  assert.match(error.message, words)
  assert.equal(error.code, code)
}

before(async () => {
  chainId = Number(await rpc('eth_chainId'))
  gasCap = 2n ** 24n
  const hash = await rpc('eth_sendTransaction', { from: recipient.address, data: artifact('Store').bytecode })
  store = (await receiptOf(url, hash)).contractAddress
})

// After everything: the node still makes blocks for others.
after(async () => {
  const before = Number(await rpc('eth_blockNumber'))
  const hash = await rpc('eth_sendRawTransaction', await signed())
  assert.equal((await receiptOf(url, hash)).status, '0x1')
  assert.ok(Number(await rpc('eth_blockNumber')) > before)
})

describe('transactions', () => {
  test('bytes that are no transaction', async () => {
    await refused('0xdeadbeef', /rlp|typed transaction|transaction type not supported|decode/i)
    await refused('0x', /typed transaction too short|rlp|decode|empty/i)
    await refused('0xc0', /rlp|decode|too few/i)
    await refused('0x02', /typed transaction too short|rlp|decode/i)
    await refused('0x7fc0ffee', /transaction type not supported|rlp|decode/i)
  })

  test('every byte of a transaction that is cut off or flipped is refused, or is another transaction', async () => {
    const raw = await signed({ nonce: (await nonceOf(sender)) + 50 })
    const bytes = Buffer.from(raw.slice(2), 'hex')
    for (let length = 1; length < bytes.length; length += 7) {
      const error = await errorOf(url, 'eth_sendRawTransaction', [`0x${bytes.subarray(0, length).toString('hex')}`])
      assert.equal(error.code, -32000, error.message)
    }
    let answered = 0
    for (let at = 0; at < bytes.length; at += 5) {
      const changed = Buffer.from(bytes)
      changed[at] ^= 0x41
      const { json } = await post(url, JSON.stringify(
        { jsonrpc: '2.0', id: 1, method: 'eth_sendRawTransaction', params: [`0x${changed.toString('hex')}`] }))
      // A flipped signature is another sender, who has no money; nothing may fail inside the node.
      assert.ok(json.result || json.error, 'an answer')
      if (json.error) assert.notEqual(json.error.code, -32603, json.error.message)
      answered++
    }
    assert.ok(answered > 10)
  })

  test('params that are no bytes', async () => {
    for (const wrong of ['hello', '0x0', '0xzz', 7, null, {}]) {
      assert.equal((await errorOf(url, 'eth_sendRawTransaction', [wrong])).code, -32602)
    }
    assert.equal((await errorOf(url, 'eth_sendRawTransaction', [])).code, -32602)
  })

  test('a signature that is nobody\'s', async () => {
    const body = await signed()
    const bytes = Buffer.from(body.slice(2), 'hex')
    bytes.fill(0xff, bytes.length - 32) // s beyond the curve's order
    await refused(`0x${bytes.toString('hex')}`, /invalid sender|invalid transaction v, r, s values/)
  })

  test('another chain\'s transaction', async () => {
    await refused(await signed({ chainId: 1 }), /invalid chain id for signer|invalid sender/)
    await refused(await signed({ chainId: 1, type: 'legacy', gasPrice: parseGwei('100'), maxFeePerGas: undefined, maxPriorityFeePerGas: undefined }),
      /invalid chain id for signer|invalid sender/)
  })

  test('a nonce that is used', async () => {
    const raw = await signed()
    assert.equal((await receiptOf(url, await rpc('eth_sendRawTransaction', raw))).status, '0x1')
    const next = await nonceOf(sender)
    await refused(await signed({ nonce: next - 1, value: 2n }), new RegExp(`nonce too low: next nonce ${next}, tx nonce ${next - 1}`))
    // The very same transaction again.
    await refused(raw, /nonce too low|already known/)
  })

  test('a nonce far ahead waits and is not lost', async () => {
    const next = await nonceOf(sender)
    const hash = await rpc('eth_sendRawTransaction', await signed({ nonce: next + 2 }))
    assert.equal(await rpc('eth_getTransactionReceipt', hash), null)
    const { queued } = await rpc('txpool_content')
    const waiting = Object.entries(queued).find(([address]) => address.toLowerCase() === sender.address.toLowerCase())
    assert.equal(waiting[1][`${next + 2}`].hash, hash)
    await refused(await signed({ nonce: next + 2 }), /already known/)
    await refused(await signed({ nonce: next + 2, value: 9n }), /replacement transaction underpriced/)
    await rpc('eth_sendRawTransaction', await signed({ nonce: next }))
    await rpc('eth_sendRawTransaction', await signed({ nonce: next + 1 }))
    assert.equal((await receiptOf(url, hash)).status, '0x1')
  })

  test('too little money', async () => {
    const poor = privateKeyToAccount(keccak256(toHex('poor')))
    await refused(await signed({}, poor), /insufficient funds for gas \* price \+ value: balance 0, tx cost \d+, overshot \d+/)
    const balance = BigInt(await rpc('eth_getBalance', sender.address, 'latest'))
    await refused(await signed({ value: balance }), /insufficient funds for gas \* price \+ value/)
  })

  test('gas above the cap of a transaction and of the block', async () => {
    await refused(await signed({ gas: gasCap + 1n, maxFeePerGas: parseGwei('3') }), /transaction gas limit too high|exceeds block gas limit/)
    await refused(await signed({ gas: 2n ** 40n, maxFeePerGas: 1n, maxPriorityFeePerGas: 1n }),
      /transaction gas limit too high|exceeds block gas limit/)
  })

  test('gas below the intrinsic cost', async () => {
    await refused(await signed({ gas: 20_999n }), /intrinsic gas too low/)
    await refused(await signed({ data: concat(Array(100).fill('0xff')), gas: 21_000n }),
      /intrinsic gas too low|insufficient gas for floor data gas cost/)
  })

  test('oversized init code', async () => {
    const data = `0x${'00'.repeat(49_153)}`
    await refused(await signed({ to: undefined, data, gas: 5_000_000n }), /max initcode size exceeded/)
  })

  test('a fee below the base fee', async () => {
    const { error, result } = (await post(url, JSON.stringify({
      jsonrpc: '2.0', id: 1, method: 'eth_sendRawTransaction',
      params: [await signed({ maxFeePerGas: 1n, maxPriorityFeePerGas: 1n })]
    }))).json
    assert.equal(result, undefined)
    assert.equal(error.code, -32000)
    assert.match(error.message, /max fee per gas less than block base fee|underpriced|gas price below minimum/)
  })

  test('a tip above the fee', async () => {
    // The libraries refuse to encode this, so it is put together by hand.
    const { SigningKey } = await import('ethers')
    const [tip, fee] = [parseGwei('3'), parseGwei('2')].map((wei) => toHex(wei))
    const nonce = await nonceOf(sender)
    const fields = [toHex(chainId), nonce ? toHex(nonce) : '0x', tip, fee, toHex(21_000), recipient.address, '0x01', '0x', []]
    const { r, s, yParity } = new SigningKey(toHex(sender.getHdKey().privateKey))
      .sign(keccak256(concat(['0x02', toRlp(fields)])))
    const signature = [yParity ? '0x01' : '0x', trim(r), trim(s)]
    await refused(concat(['0x02', toRlp([...fields, ...signature])]), /max priority fee per gas higher than max fee per gas/)
  })

  test('a blob transaction without blobs', async () => {
    const hash = `0x01${'00'.repeat(31)}`
    const raw = await sender.signTransaction({
      type: 'eip4844', chainId, to: recipient.address, gas: 21_000n, nonce: await nonceOf(sender),
      maxFeePerGas: parseGwei('100'), maxPriorityFeePerGas: 1n, maxFeePerBlobGas: parseGwei('1'), blobVersionedHashes: [hash]
    })
    await refused(raw, /missing sidecar in blob transaction|rlp|decode|sidecar/i)
  })

  test('a set-code transaction without authorisations', async () => {
    const { Transaction, Wallet } = await import('ethers')
    const wallet = new Wallet(toHex(sender.getHdKey().privateKey))
    const transaction = Transaction.from({
      type: 4, chainId, to: recipient.address, gasLimit: 100_000n, nonce: await nonceOf(sender),
      maxFeePerGas: parseGwei('100'), maxPriorityFeePerGas: 1n, authorizationList: []
    })
    transaction.signature = wallet.signingKey.sign(transaction.unsignedHash)
    await refused(transaction.serialized, /set code tx must have at least one authorization tuple|EIP-7702 transaction with empty auth list/)
  })

  test('nothing of all this was included', async () => {
    assert.deepEqual(await rpc('txpool_status').then(({ pending }) => pending), '0x0')
  })
})

describe('JSON', () => {
  const parseError = async (body) => {
    const { json, status, text } = await post(url, body)
    assert.ok(json, `HTTP ${status}: ${text.slice(0, 200)}`)
    return json
  }

  test('what is no JSON', async () => {
    for (const body of ['', 'hello', '{', '{"jsonrpc":"2.0",', '\u0000\u0001', '[', '"x"']) {
      const { json, status } = await post(url, body)
      if (json) {
        assert.ok([-32700, -32600].includes(json.error.code), JSON.stringify(json))
      } else {
        assert.ok(status >= 400 && status < 500, `${body}: HTTP ${status}`)
      }
    }
  })

  test('JSON that is no request', async () => {
    for (const body of ['{}', '[]', '7', 'null', '{"jsonrpc":"2.0","id":1}', '{"method":7}']) {
      const json = await parseError(body)
      const { error } = Array.isArray(json) ? json[0] : json
      assert.ok([-32600, -32700].includes(error.code), `${body}: ${JSON.stringify(json)}`)
    }
  })

  test('deep JSON', async () => {
    for (const depth of [1000, 100_000, 2_000_000]) {
      const body = `{"jsonrpc":"2.0","id":1,"method":"eth_call","params":${'['.repeat(depth)}${']'.repeat(depth)}}`
      const json = await parseError(body)
      assert.ok(json.error.code <= -32600 && json.error.code >= -32700, JSON.stringify(json).slice(0, 200))
    }
  })

  test('deep parameters of a method that reads objects', async () => {
    const deep = `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`
    const body = `{"jsonrpc":"2.0","id":1,"method":"debug_traceCall","params":[${deep},"latest"]}`
    assert.ok((await parseError(body)).error.code <= -32000)
  })

  test('a huge batch', async () => {
    const request = (id) => ({ jsonrpc: '2.0', id, method: 'eth_chainId' })
    const json = await parseError(JSON.stringify(Array.from({ length: 5000 }, (_, id) => request(id))))
    const { error } = Array.isArray(json) ? json[0] : json
    assert.match(error.message, /batch.*--rpc\.max-batch/)
    assert.equal(error.code, -32005)
    const allowed = await parseError(JSON.stringify(Array.from({ length: 500 }, (_, id) => request(id))))
    assert.equal(allowed.length, 500)
    assert.deepEqual(allowed.map(({ id }) => id), Array.from({ length: 500 }, (_, id) => id))
  })

  test('a batch with good and bad requests answers each', async () => {
    const json = await parseError(JSON.stringify([
      { jsonrpc: '2.0', id: 1, method: 'eth_chainId' }, 7, { jsonrpc: '2.0', id: 2, method: 'eth_none' },
      { jsonrpc: '2.0', id: 3, method: 'eth_getBalance', params: ['0x12'] }]))
    assert.equal(json.length, 4)
    assert.equal(Number(json.find(({ id }) => id === 1).result), chainId)
    assert.equal(json.find(({ id }) => id === null).error.code, -32600)
    assert.equal(json.find(({ id }) => id === 2).error.code, -32601)
    assert.equal(json.find(({ id }) => id === 3).error.code, -32602)
  })

  test('an oversized body', async () => {
    const body = `{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x${'00'.repeat(12 << 20)}"]}`
    // The node may close the connection while the body is still on its way; then there is no answer to read.
    const answer = await post(url, body).catch((error) => ({ closed: error }))
    if (answer.closed) assert.match(`${answer.closed.cause ?? answer.closed}`, /closed|reset|EPIPE|ECONNRESET|socket/i)
    else {
      assert.ok(answer.status === 413 || answer.json.error, `HTTP ${answer.status}`)
      assert.match(answer.text, /--rpc\.max-request-size|too large/i)
    }
    assert.equal(Number(await rpc('eth_chainId')), chainId)
  })

  test('bytes that are not even HTTP', async () => {
    const { hostname, port } = new URL(url)
    const closed = await new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => socket.write('\u0000\u0001\u0002 nonsense\r\n\r\n'))
      socket.setTimeout(20_000, () => reject(new Error('the node keeps the connection')))
      socket.on('data', () => {})
      socket.on('error', resolve)
      socket.on('close', () => resolve(true))
    })
    assert.ok(closed)
    assert.equal(Number(await rpc('eth_chainId')), chainId)
  })

  test('other HTTP methods and paths do no harm', async () => {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const response = await fetch(url, { method })
      assert.ok(response.status >= 200 && response.status < 500, `${method}: ${response.status}`)
    }
  })
})

describe('methods and parameters', () => {
  test('unknown methods', async () => {
    for (const method of ['eth_doesNotExist', 'nonsense', '', 'eth_', 'engine_newPayloadV9']) {
      const error = await errorOf(url, method)
      assert.equal(error.code, -32601)
      assert.match(error.message, /does not exist\/is not available/)
      assert.ok(error.message.includes(method))
    }
  })

  test('unknown block tags', async () => {
    for (const tag of ['newest', '', '0x', '0xzz', '-1', '0x1ffffffffffffffff', {}, []]) {
      const error = await errorOf(url, 'eth_getBalance', [sender.address, tag])
      assert.equal(error.code, -32602, `${JSON.stringify(tag)}: ${error.message}`)
    }
  })

  test('blocks that do not exist yet', async () => {
    const future = '0xffffff'
    const error = await errorOf(url, 'eth_getBalance', [sender.address, future])
    assert.equal(error.code, -32000)
    assert.match(error.message, /header not found|unknown block/)
    assert.equal(await rpc('eth_getBlockByNumber', future, false), null)
    assert.equal(await rpc('eth_getBlockByHash', keccak256('0x01'), false), null)
    assert.equal(await rpc('eth_getTransactionByHash', keccak256('0x01')), null)
    assert.equal(await rpc('eth_getTransactionReceipt', keccak256('0x01')), null)
    const byHash = await errorOf(url, 'eth_getBalance', [sender.address, { blockHash: keccak256('0x01') }])
    assert.equal(byHash.code, -32000)
  })

  test('parameters that are missing, too many or of another kind', async () => {
    const missing = await errorOf(url, 'eth_getBalance', [])
    assert.equal(missing.code, -32602)
    assert.match(missing.message, /missing value for required argument 0/)
    for (const params of [['0x12', 'latest'], [7, 'latest'], [null], [`0x${'gg'.repeat(20)}`, 'latest']]) {
      const error = await errorOf(url, 'eth_getBalance', params)
      assert.equal(error.code, -32602)
      assert.match(error.message, /argument 0/)
    }
    assert.equal((await errorOf(url, 'eth_call', [{ to: 'nobody' }, 'latest'])).code, -32602)
    assert.equal((await errorOf(url, 'eth_getLogs', [{ fromBlock: '0x5', toBlock: '0x1' }])).code < 0, true)
  })

  test('a precompile that is none cannot be moved', async () => {
    const overrides = { [sender.address]: { movePrecompileToAddress: '0x00000000000000000000000000000000000000aa' } }
    for (const method of ['eth_call', 'eth_estimateGas', 'eth_createAccessList']) {
      const error = await errorOf(url, method, [{ to: sender.address }, 'latest', overrides])
      assert.equal(error.code, -32000)
      assert.match(error.message, /is not a precompile/)
    }
  })

  test('reverts carry code 3, the reason and the data', async () => {
    const { abi } = artifact('Store')
    const attempt = (functionName, args = []) => errorOf(url, 'eth_call',
      [{ to: store, data: encodeFunctionData({ abi, functionName, args }) }, 'latest'])
    const reason = await attempt('failWithReason')
    assert.deepEqual([reason.code, reason.message], [3, 'execution reverted: not today'])
    assert.equal(reason.data.slice(0, 10), '0x08c379a0')
    const custom = await attempt('failWithError', [11n])
    assert.deepEqual([custom.code, custom.message], [3, 'execution reverted'])
    assert.equal(custom.data, concat([keccak256(toHex('TooLarge(uint256,uint256)')).slice(0, 10),
      encodeAbiParameters([{ type: 'uint256' }, { type: 'uint256' }], [11n, 10n])]))
    const panic = await attempt('failWithPanic', [0n])
    assert.deepEqual([panic.code, panic.message], [3, 'execution reverted: division or modulo by zero'])
    const silent = await attempt('failWithoutReason')
    assert.deepEqual([silent.code, silent.message, silent.data], [3, 'execution reverted', '0x'])
  })

  test('a call that loops ends at the gas cap', async () => {
    const { abi } = artifact('Store')
    const data = encodeFunctionData({ abi, functionName: 'loop' })
    for (const method of ['eth_call', 'eth_estimateGas']) {
      const error = await errorOf(url, method, [{ to: store, data }, 'latest'])
      assert.equal(error.code, -32000)
      assert.match(error.message, /out of gas|gas required exceeds allowance/)
    }
  })

  test('a call with more value than there is', async () => {
    const poor = privateKeyToAccount(keccak256(toHex('poor'))).address
    const error = await errorOf(url, 'eth_call', [{ from: poor, to: recipient.address, value: '0x1' }, 'latest'])
    assert.equal(error.code, -32000)
    assert.match(error.message, /insufficient funds|insufficient balance/)
  })

  test('an invalid opcode is told', async () => {
    const error = await errorOf(url, 'eth_call', [{ data: '0xfe' }, 'latest'])
    assert.equal(error.code, -32000)
    assert.match(error.message, /invalid opcode: INVALID/)
  })

  test('unknown filters and subscriptions', async () => {
    const error = await errorOf(url, 'eth_getFilterChanges', ['0xdead'])
    assert.equal(error.code, -32000)
    assert.match(error.message, /filter not found/)
    assert.equal(await rpc('eth_uninstallFilter', '0xdead'), false)
    assert.ok((await errorOf(url, 'eth_subscribe', ['newHeads'])).code < 0)
  })

  test('accounts that the node does not hold cannot send', async () => {
    const stranger = privateKeyToAccount(keccak256(toHex('stranger'))).address
    const error = await errorOf(url, 'eth_sendTransaction', [{ from: stranger, to: recipient.address, value: '0x1' }])
    assert.match(error.message, /unknown account/)
    assert.equal(error.code, -32000)
  })
})

describe('the registry', () => {
  const { abi } = registry
  const attempt = (functionName, args, from = sender.address) => errorOf(url, 'eth_call',
    [{ from, to: REGISTRY, data: encodeFunctionData({ abi, functionName, args }) }, 'latest'])
  const selectorOf = (name) => keccak256(toHex(`${name}()`)).slice(0, 10)
  const register = (target, gas, admin, type, config) =>
    ['registerUpkeep', [target, gas, admin, type, '0x', config, '0x']]
  const interval = (blocks, ms) => encodeAbiParameters([{ type: 'uint64' }, { type: 'uint64' }], [blocks, ms])

  test('calls with bad arguments revert with the registry\'s own errors', async () => {
    const zero = `0x${'00'.repeat(20)}`
    const cases = [
      [register(sender.address, 500_000, sender.address, 0, '0x'), 'NotAContract'],
      [register(store, 500_000, zero, 0, '0x'), 'ZeroAddressNotAllowed'],
      [register(store, 1, sender.address, 0, '0x'), 'GasLimitOutsideRange'],
      [register(store, 4_000_000_000, sender.address, 0, '0x'), 'GasLimitOutsideRange'],
      [register(store, 500_000, sender.address, 9, '0x'), 'InvalidTriggerType'],
      [register(store, 500_000, sender.address, 2, '0x'), 'InvalidTrigger'],
      [register(store, 500_000, sender.address, 2, interval(0n, 0n)), 'InvalidTrigger'],
      [register(store, 500_000, sender.address, 2, interval(1n, 1n)), 'InvalidTrigger'],
      [['cancelUpkeep', [1n]], 'OnlyCallableByOwnerOrAdmin'],
      [['perform', [1n, '0x', '0x']], 'OnlyActiveTransmitters']
    ]
    for (const [[name, args], expected] of cases) {
      const error = await attempt(name, args)
      assert.equal(error.code, 3, `${name} ${args}: ${error.message}`)
      assert.equal(error.data.slice(0, 10), selectorOf(expected), `${name} ${args}: ${expected}`)
    }
  })

  test('rubbish call data reverts', async () => {
    for (const data of ['0xdeadbeef', '0x28f32f38', `0x28f32f38${'ff'.repeat(300)}`]) {
      const error = await errorOf(url, 'eth_call', [{ to: REGISTRY, data }, 'latest'])
      assert.equal(error.code, 3, error.message)
    }
  })

  test('keeper methods with bad arguments', async () => {
    assert.equal(await rpc('keeper_get', `0x${'11'.repeat(32)}`), null)
    assert.equal((await errorOf(url, 'keeper_get', [])).code, -32602)
    assert.equal((await errorOf(url, 'keeper_get', ['nonsense'])).code, -32602)
    assert.equal((await errorOf(url, 'keeper_history', [null, '0x9', '0x1'])).code, -32602)
  })
})
