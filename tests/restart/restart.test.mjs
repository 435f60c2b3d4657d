// A node that is stopped, killed, started where it must not start, and whose blocks are moved elsewhere.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { before, describe, test } from 'node:test'
import { encodeAbiParameters, encodeFunctionData, parseEther, parseEventLogs, toHex } from 'viem'
import { accounts, REGISTRY } from '../lib/accounts.mjs'
import { artifact, runCommand, startNode, temporaryFolder } from '../lib/node.mjs'
import { client, receiptOf } from '../lib/rpc.mjs'

const [sender, recipient] = accounts
const registry = artifact('Registry')

/** Blocks with transfers, contracts, reverts and upkeeps. */
async function fill(url, rounds = 8) {
  const rpc = client(url)
  const send = async (transaction) => receiptOf(url, await rpc('eth_sendTransaction', { from: sender.address, ...transaction }))
  const deploy = async (name) => (await send({ data: artifact(name).bytecode })).contractAddress
  const [token, heartbeat, store] = [
    (await send({ data: artifact('Token').bytecode + toHex(parseEther('1000'), { size: 32 }).slice(2) })).contractAddress,
    await deploy('Heartbeat'), await deploy('Store')]
  const interval = encodeAbiParameters([{ type: 'uint64' }, { type: 'uint64' }], [1n, 0n])
  const registered = await send({ to: REGISTRY, data: encodeFunctionData({
    abi: registry.abi, functionName: 'registerUpkeep', args: [heartbeat, 200_000, sender.address, 2, '0x', interval, '0x'] }) })
  const { id } = parseEventLogs({ abi: registry.abi, logs: registered.logs, eventName: 'UpkeepRegistered' })[0].args
  await send({ to: REGISTRY, value: toHex(parseEther('1')), data: encodeFunctionData({
    abi: registry.abi, functionName: 'addFunds', args: [id, parseEther('1')] }) })
  for (let round = 0; round < rounds; round++) {
    await rpc('evm_setAutomine', false)
    for (const account of accounts.slice(0, 10)) {
      await rpc('eth_sendTransaction', { from: account.address, to: recipient.address, value: '0x1' })
    }
    await rpc('eth_sendTransaction', { from: sender.address, to: token, gas: '0x186a0', data: encodeFunctionData({
      abi: artifact('Token').abi, functionName: 'transfer', args: [recipient.address, 1n] }) })
    await rpc('eth_sendTransaction', { from: recipient.address, to: store, gas: '0x186a0', data: encodeFunctionData({
      abi: artifact('Store').abi, functionName: 'failWithReason' }) })
    await rpc('hardhat_mine', '0x1')
    await rpc('evm_setAutomine', true)
  }
  return { id }
}

/** Everything that must be the same after a restart: all blocks, receipts, and the last state. */
async function picture(url) {
  const rpc = client(url)
  const head = Number(await rpc('eth_blockNumber'))
  const blocks = []
  for (let number = 0; number <= head; number++) {
    const block = await rpc('eth_getBlockByNumber', toHex(number), true)
    blocks.push({ block, receipts: await rpc('eth_getBlockReceipts', toHex(number)) })
  }
  const balances = await Promise.all(accounts.map(({ address }) => rpc('eth_getBalance', address, 'latest')))
  return { head, blocks, balances, upkeeps: await rpc('keeper_list'), history: await rpc('keeper_history', null, '0x0', 'latest') }
}

/** The first `count` blocks of `after` are those of `before`. */
function assertContinues(before, after) {
  assert.ok(after.head >= before.head)
  assert.deepEqual(after.blocks.slice(0, before.blocks.length), before.blocks)
}

describe('the same data directory again', () => {
  let datadir
  before(() => { datadir = temporaryFolder('restart') })

  test('after Ctrl-C: every block, receipt and upkeep is there, and the chain goes on', async () => {
    const first = await startNode({ datadir })
    await fill(first.url)
    const before = await picture(first.url)
    assert.ok(before.head > 10)
    assert.ok(before.history.length > 0)
    assert.deepEqual(await first.stop(), { code: 0, signal: null })

    const second = await startNode({ datadir })
    // A heartbeat is due in every block, so more blocks may have come by the time that one asks.
    const after = await picture(second.url)
    assertContinues(before, after)
    assert.equal(after.upkeeps.length, before.upkeeps.length)
    const rpc = client(second.url)
    const hash = await rpc('eth_sendTransaction', { from: sender.address, to: recipient.address, value: '0x1' })
    assert.equal((await receiptOf(second.url, hash)).status, '0x1')
    assert.equal((await second.stop()).code, 0)
  })

  test('after kill -9, three times', async () => {
    let before
    for (let round = 0; round < 3; round++) {
      const node = await startNode({ datadir })
      const found = await picture(node.url)
      if (before) assertContinues(before, found)
      await fill(node.url, 2)
      before = await picture(node.url)
      assert.deepEqual(await node.kill(), { code: null, signal: 'SIGKILL' })
    }
    const node = await startNode({ datadir })
    assertContinues(before, await picture(node.url))
    assert.equal((await node.stop()).code, 0)
  })

  test('replay finds every receipt and root again, sequentially and in parallel', async () => {
    const { stdout: stats, code } = await runCommand(['db', 'stats', '--datadir', datadir])
    assert.equal(code, 0)
    assert.ok(stats.length > 100)
    const node = await startNode({ datadir, args: ['--no-keeper'] })
    const head = Number(await client(node.url)('eth_blockNumber'))
    await node.stop()
    for (const executor of ['sequential', 'parallel']) {
      const { code, stdout, stderr } = await runCommand(
        ['replay', '--datadir', datadir, '--from', '1', '--to', `${head}`, '--executor', executor, '--json'])
      assert.equal(code, 0, `${executor}: ${stdout.slice(0, 2000)}${stderr}`)
      const blocks = stdout.trim().split('\n').map((line) => JSON.parse(line))
      assert.equal(blocks.length, head)
      assert.ok(blocks.every(({ differences }) => differences.length === 0))
      assert.ok(blocks.reduce((sum, { transactions }) => sum + transactions, 0) > 100)
    }
  })

  test('export and import into a fresh directory give the same chain', async () => {
    const file = path.join(temporaryFolder('export'), 'chain.rlp')
    const exported = await runCommand(['export', '--datadir', datadir, file])
    assert.equal(exported.code, 0, exported.stderr)

    // An export that was cut short goes on; the file of another chain, or a finished one without being asked, stays as it is.
    const whole = readFileSync(file)
    const cut = path.join(path.dirname(file), 'cut.rlp')
    writeFileSync(cut, whole.subarray(0, Math.floor(whole.length * 0.6)))
    const denied = await runCommand(['export', '--datadir', datadir, cut])
    assert.notEqual(denied.code, 0)
    const resumed = await runCommand(['export', '--datadir', datadir, '--resume', cut])
    assert.equal(resumed.code, 0, resumed.stderr)
    assert.match(resumed.stdout, /of them there already/)
    assert.ok(readFileSync(cut).equals(whole))
    const shifted = await runCommand(['export', '--datadir', datadir, '--resume', '--from', '2', cut])
    assert.notEqual(shifted.code, 0)
    assert.match(shifted.stderr, /holds block 1 .* where block 2 of this chain belongs/)
    assert.ok(readFileSync(cut).equals(whole))

    const copy = temporaryFolder('import')
    const genesis = path.join(datadir, 'genesis.json')
    const made = await runCommand(['init', '--datadir', copy, genesis])
    assert.equal(made.code, 0, made.stderr)
    const imported = await runCommand(['import', '--datadir', copy, file])
    assert.equal(imported.code, 0, imported.stderr)

    const node = await startNode({ datadir, args: ['--no-keeper'] })
    const original = await client(node.url)('eth_getBlockByNumber', 'latest', true)
    await node.stop()
    const other = await startNode({ datadir: copy, args: ['--no-keeper'] })
    assert.deepEqual(await client(other.url)('eth_getBlockByNumber', 'latest', true), original)
    await other.stop()
    assert.ok(Number(original.number) > 10)

    // The same file again is no error; a broken one is.
    const again = await runCommand(['import', '--datadir', copy, file])
    assert.equal(again.code, 0, again.stderr)
    assert.ok(again.stdout.includes(original.hash), again.stdout)
    const broken = path.join(path.dirname(file), 'broken.rlp')
    const bytes = readFileSync(file)
    bytes[bytes.length - 40] ^= 0xff
    writeFileSync(broken, bytes)
    const third = temporaryFolder('import')
    assert.equal((await runCommand(['init', '--datadir', third, genesis])).code, 0)
    const refused = await runCommand(['import', '--datadir', third, broken])
    assert.notEqual(refused.code, 0)
    assert.match(refused.stderr, /broken\.rlp/)
    assert.doesNotMatch(refused.stderr, /panicked/)
    assert.notEqual((await runCommand(['import', '--datadir', third, path.join(third, 'no-such-file')])).code, 0)
  })
})

describe('what must not start', () => {
  const refuses = async (args, words, options) => {
    const { code, stdout, stderr } = await runCommand(args, options)
    assert.notEqual(code, 0, `${args.join(' ')} should have failed: ${stdout}`)
    assert.notEqual(code, null, `${args.join(' ')} did not end`)
    assert.match(stderr, words)
    assert.doesNotMatch(stderr, /panicked/)
  }
  const node = (datadir, ...args) =>
    ['node', '--dev', '--datadir', datadir, ...(args.includes('--http.port') ? [] : ['--http.port', '0']), ...args]

  test('a port that is in use', async () => {
    const first = await startNode()
    await refuses(node(temporaryFolder(), '--http.port', `${first.port}`),
      new RegExp(`${first.port}.*in use`, 'i'))
    assert.equal(Number(await client(first.url)('eth_chainId')), 1337)
    await first.stop()
  })

  test('a data directory that another node uses', async () => {
    const first = await startNode()
    await refuses(node(first.datadir), /lock|in use|another/i)
    assert.equal(Number(await client(first.url)('eth_chainId')), 1337)
    await first.stop()
  })

  test('another chain\'s data directory', async () => {
    const datadir = temporaryFolder()
    await (await startNode({ datadir })).stop()
    const genesis = JSON.parse(readFileSync(path.join(datadir, 'genesis.json'), 'utf8'))
    genesis.config.chainId = 4242
    genesis.extraData = '0x0badcafe'
    const file = path.join(temporaryFolder(), 'other.json')
    writeFileSync(file, JSON.stringify(genesis))
    await refuses(node(datadir, '--genesis', file), /another chain.*0x[0-9a-f]{64}.*0x[0-9a-f]{64}/)
    // The genesis file of the directory itself was exchanged.
    writeFileSync(path.join(datadir, 'genesis.json'), JSON.stringify(genesis))
    await refuses(node(datadir), /0x[0-9a-f]{64}/)
  })

  test('a data directory that cannot be read', async () => {
    const file = path.join(temporaryFolder(), 'a-file')
    writeFileSync(file, 'not a folder')
    await refuses(node(file), /a-file/)
    await refuses(node('/proc/no-such-folder'), /no-such-folder/)
    assert.equal(readFileSync(file, 'utf8'), 'not a folder')
  })

  test('a database that is rubbish', async () => {
    const datadir = temporaryFolder()
    const first = await startNode({ datadir })
    await first.stop()
    const files = readdirSync(datadir, { recursive: true }).filter((name) => name.endsWith('.dat'))
      .map((name) => path.join(datadir, name))
    assert.ok(files.length > 0)
    for (const file of files) writeFileSync(file, Buffer.alloc(65536, 0xa5))
    await refuses(node(datadir), /database|not a|corrupt|invalid/i)
  })

  test('a malformed genesis names the field', async () => {
    const folder = temporaryFolder()
    const good = JSON.parse(readFileSync(new URL('../../genesis/dev.json', import.meta.url), 'utf8'))
    const cases = [
      ['{', /genesis|JSON|EOF/i],
      ['[]', /genesis|object|expected/i],
      [JSON.stringify({ ...good, gasLimit: 'much' }), /gasLimit/],
      [JSON.stringify({ ...good, config: { ...good.config, chainId: 'one' } }), /chainId/],
      [JSON.stringify({ ...good, config: { ...good.config, osakaTime: -1 } }), /osakaTime/],
      [JSON.stringify({ ...good, alloc: { nobody: { balance: '0x1' } } }), /nobody|alloc/],
      [JSON.stringify({ ...good, alloc: { [`0x${'11'.repeat(20)}`]: { balance: 'rich' } } }), /balance|rich/],
      [JSON.stringify({ ...good, config: { ...good.config, plasma: { registry: '0x12' } } }), /registry/]
    ]
    for (const [index, [text, words]] of cases.entries()) {
      const file = path.join(folder, `genesis-${index}.json`)
      writeFileSync(file, text)
      const datadir = path.join(folder, `data-${index}`)
      await refuses(['init', '--datadir', datadir, file], words)
      assert.equal(existsSync(path.join(datadir, 'genesis.json')), false, 'nothing is left behind')
    }
    await refuses(['init', '--datadir', folder, path.join(folder, 'absent.json')], /absent\.json/)
  })

  test('no chain without --dev', async () => {
    await refuses(['node', '--datadir', temporaryFolder(), '--http.port', '0'], /init.*genesis|--dev/)
  })

  test('flags that make no sense', async () => {
    for (const args of [['--block-time', '0s'], ['--block-time', 'soon'], ['--http.port', '70000'], ['--nonsense']]) {
      await refuses(node(temporaryFolder(), ...args), /error: /)
    }
  })
})

test('--help is for people', async () => {
  const { code, stdout } = await runCommand(['node', '--help'])
  assert.equal(code, 0)
  for (const flag of ['--dev', '--datadir', '--http.addr', '--http.port', '--block-time', '--tick', '--keeper.key', '--metrics']) {
    assert.ok(stdout.includes(flag), flag)
  }
})
