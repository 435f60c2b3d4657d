// rpc.discover: the document is what it says it is, and real answers are what the document says.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import Ajv from 'ajv'
import { toHex } from 'viem'
import { WebSocket } from 'ws'
import { errorOf } from '../lib/rpc.mjs'
import { deploy, head, hex, interval, mine, register, registry, rpc, send, stop, url } from '../lib/upkeeps.mjs'
import { REGISTRY } from '../lib/accounts.mjs'

const document = await rpc('rpc.discover')
const ajv = new Ajv({ strict: false, allErrors: true, discriminator: true })
ajv.addSchema({ $id: 'plasma', components: document.components })
const methodOf = (name) => document.methods.find((method) => method.name === name)

/** Schemas point into the document. */
const located = (schema) => JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"plasma#/components'))
const compiled = new Map()
function fits(schema, value, what) {
  const key = JSON.stringify(schema)
  if (!compiled.has(key)) compiled.set(key, ajv.compile(located(schema)))
  const validate = compiled.get(key)
  assert.ok(validate(value), `${what}: ${JSON.stringify(value).slice(0, 1500)}\n${ajv.errorsText(validate.errors)}`)
}
const answers = new Map()
async function checked(name, ...params) {
  const method = methodOf(name)
  params.forEach((value, at) => fits(method.params[at].schema, value, `${name} parameter ${at}`))
  const result = await rpc(name, ...params)
  fits(method.result.schema, result, name)
  answers.set(name, (answers.get(name) ?? 0) + 1)
  return result
}

describe('the document', () => {
  test('has every namespace that the node serves, and each method once', async () => {
    const names = document.methods.map(({ name }) => name)
    assert.equal(new Set(names).size, names.length)
    assert.deepEqual(names, names.toSorted())
    const modules = Object.keys(await rpc('rpc_modules')).toSorted()
    const namespaces = [...new Set(names.map((name) => name.split(/[_.]/)[0]))].toSorted()
    assert.deepEqual(namespaces, modules)
    assert.match(document.openrpc, /^1\./)
  })

  test('has examples that fit its schemas, and references that lead somewhere', () => {
    let examples = 0
    for (const method of document.methods.filter(({ examples }) => examples)) {
      for (const example of method.examples) {
        assert.ok(example.params.length <= method.params.length)
        example.params.forEach(({ name, value }, at) => {
          assert.equal(name, method.params[at].name)
          fits(method.params[at].schema, value, `${method.name}, ${example.name}`)
        })
        fits(method.result.schema, example.result.value, `${method.name}, ${example.name}`)
        examples++
      }
      for (const { topic, result, example } of method['x-notifications'] ?? []) fits(result, example, topic)
      for (const error of method.errors) {
        const { code, message } = error.$ref ? document.components.errors[error.$ref.split('/').at(-1)] : error
        assert.ok(Number.isInteger(code) && message)
      }
    }
    assert.ok(examples >= 10)
  })
})

describe('real answers fit', () => {
  let beat, broke, log, first

  before(async () => {
    const heartbeat = await deploy('Heartbeat')
    first = await head() + 1
    beat = await register(heartbeat, { type: 2, config: interval(1n) })
    broke = await register(heartbeat, { type: 2, config: interval(1n), fund: 0n })
    log = await register(await deploy('Counter'), { type: 0 })
    await mine(4)
    await stop(log)
    await mine(1)
  })

  test('keeper_*', async () => {
    const all = await checked('keeper_list')
    assert.ok(all.length >= 3)
    const page = await checked('keeper_list', { limit: 1, after: hex(beat), paused: false })
    assert.equal(page.length, 1)
    await checked('keeper_list', { limit: '0x2', trigger: 'interval', outcome: 'underfunded' })
    assert.equal((await checked('keeper_get', hex(beat))).id, hex(beat))
    assert.equal(await checked('keeper_get', 1), null)
    assert.ok((await checked('keeper_stats')).performs > 0)
    assert.ok((await checked('keeper_lanes')).length > 0)
    const history = await checked('keeper_history', null, toHex(first), 'latest')
    const outcomes = new Set(history.map(({ outcome }) => outcome))
    assert.ok(['performed', 'underfunded'].every((name) => outcomes.has(name)), [...outcomes].join())
    await checked('keeper_history', `${beat}`)
    const decided = await checked('keeper_decisions', 'latest')
    assert.ok(decided.decisions.length > 0)
    assert.equal(await checked('keeper_decisions', toHex(10 ** 9)), null)
    const due = await checked('keeper_simulate', hex(beat))
    assert.equal(typeof due.upkeepNeeded, 'boolean')
    await checked('keeper_simulate', hex(broke), 'latest')
    const forced = await checked('keeper_simulate', hex(beat), null, '0x')
    assert.equal(forced.upkeepNeeded, null)
  })

  test('plasma_getBlockConflicts', async () => {
    const report = await checked('plasma_getBlockConflicts', 'latest')
    assert.ok(report.transactions.length > 0)
    await checked('plasma_getBlockConflicts', report.blockHash, { address: REGISTRY })
    assert.equal(await checked('plasma_getBlockConflicts', toHex(10 ** 9)), null)
  })

  test('plasma_subscribe and its notifications', async () => {
    const method = methodOf('plasma_subscribe')
    const topics = [['upkeeps'], ['ticks'], ['ticks', { stateChanges: true }]]
    const socket = new WebSocket(process.env.WS_URL)
    await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject))
    const told = new Map(), ids = new Map()
    const subscribed = new Promise((resolve) => socket.on('message', (data) => {
      const message = JSON.parse(data)
      if (message.id !== undefined) {
        fits(method.result.schema, message.result, 'plasma_subscribe')
        ids.set(message.result, topics[message.id])
        if (ids.size === topics.length) resolve()
      } else {
        const { subscription, result } = message.params
        told.set(subscription, [...(told.get(subscription) ?? []), result])
      }
    }))
    topics.forEach((params, id) => socket.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'plasma_subscribe', params })))
    await subscribed
    await send(REGISTRY, registry.abi, 'unpauseUpkeep', [log])
    await mine(2)
    const deadline = Date.now() + 20_000
    while (told.size < topics.length && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
    for (const [id, [topic, wanted]] of ids) {
      const { result: schema } = method['x-notifications'].find((one) => one.topic === topic)
      assert.ok(told.get(id)?.length > 0, `nothing was told of ${topic}`)
      for (const event of told.get(id)) {
        fits(schema, event, topic)
        if (topic === 'ticks') assert.equal('stateChanges' in event, wanted !== undefined)
      }
    }
    const full = told.get([...ids].find(([, params]) => params[1])[0])
    // What the ticks told, one after the other, is the state of the chain.
    const storage = new Map()
    for (const { stateChanges } of full) {
      for (const change of stateChanges) {
        for (const [slot, value] of Object.entries(change.storage)) storage.set(`${change.address} ${slot}`, value)
      }
    }
    assert.ok(storage.size > 0)
    for (const [place, value] of storage) {
      assert.equal(await rpc('eth_getStorageAt', ...place.split(' '), 'latest'), value, place)
    }
    socket.close()
    answers.set('plasma_subscribe', 1).set('plasma_unsubscribe', 1)
  })

  test('errors are those that are documented', async () => {
    for (const [name, params, code] of [
      ['keeper_list', [{ limit: 0 }], -32602],
      ['keeper_get', [], -32602],
      ['keeper_history', [null, '0x0', toHex(10 ** 9)], undefined],
      ['keeper_decisions', ['soon'], -32602],
      ['keeper_simulate', [hex(beat), toHex(10 ** 9)], -32000],
      ['plasma_getBlockConflicts', ['pending'], -32000],
      ['plasma_subscribe', ['ticks'], -32601]
    ]) {
      if (code === undefined) continue
      const error = await errorOf(url, name, params)
      assert.equal(error.code, code, `${name}: ${error.message}`)
      const codes = methodOf(name).errors.map((one) =>
        (one.$ref ? document.components.errors[one.$ref.split('/').at(-1)] : one).code)
      assert.ok(codes.includes(code), `${name} has no ${code} in its document`)
    }
  })

  test('of every method of Plasma\'s own', () => {
    const own = document.methods.map(({ name }) => name).filter((name) => /^(keeper|plasma)_/.test(name))
    assert.deepEqual(own.filter((name) => !answers.has(name)), [])
  })
})
