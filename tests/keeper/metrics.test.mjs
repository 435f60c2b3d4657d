// What a node measures, and that documentation, dashboard and alert rules speak of nothing else.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { encodeAbiParameters, encodeFunctionData, parseEther, parseEventLogs, toHex } from 'viem'
import { parse } from 'yaml'
import { accounts, REGISTRY } from '../lib/accounts.mjs'
import { artifact, metricsPage, startNode } from '../lib/node.mjs'
import { client, errorOf, receiptOf, until } from '../lib/rpc.mjs'

const registry = artifact('Registry')
const admin = accounts[3].address
const documentation = (name) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')

/** Types by name, and all samples, of a page in Prometheus' format. */
function readPage(text) {
  const types = Object.fromEntries([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]))
  const help = new Set([...text.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name))
  const samples = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels = '', value]) => ({ name, labels, value: Number(value) }))
  return { types, help, samples }
}

/** Names of metrics in an expression, as the node exposes them or with the endings of a histogram's series. */
const namesIn = (expression) => expression.match(/\b(?:keeper|plasma|rpc)_[a-z0-9_]+/g) ?? []

let node, page, scrape

before(async () => {
  node = await startNode({ args: ['--metrics', '127.0.0.1:0', '--block-time', '300ms', '--tick', '50ms'] })
  scrape = async () => readPage(await metricsPage(node))
  const rpc = client(node.url)
  const send = async (to, data, value = 0n) => {
    const receipt = await receiptOf(node.url, await rpc('eth_sendTransaction', { from: admin, to, data, value: toHex(value) }))
    assert.equal(receipt.status, '0x1')
    return receipt
  }
  const call = (functionName, args) => encodeFunctionData({ abi: registry.abi, functionName, args })
  const { contractAddress } = await send(undefined, artifact('Heartbeat').bytecode)
  const everyBlock = encodeAbiParameters([{ type: 'uint64' }, { type: 'uint64' }], [1n, 0n])
  const { logs } = await send(REGISTRY, call('registerUpkeep', [contractAddress, 200_000, admin, 2, '0x', everyBlock, '0x']))
  const { id } = parseEventLogs({ abi: registry.abi, logs, eventName: 'UpkeepRegistered' })[0].args
  await send(REGISTRY, call('addFunds', [id, parseEther('1')]), parseEther('1'))
  await errorOf(node.url, 'eth_getBalance', [])
  await until('a perform and the state of a block on disk', async () => {
    page = await scrape()
    return page.samples.some(({ name, value }) => name === 'keeper_due_to_performed_blocks_count' && value > 0)
      && 'plasma_state_commit_seconds' in page.types && 'plasma_mapped_resident_bytes' in page.types
  })
})
after(async () => {
  assert.equal((await node.stop()).code, 0)
})

/** The value of a sample; fails where it is not there. */
function sample(wanted, labels = '') {
  const found = page.samples.find(({ name, labels: has }) => name === wanted && has.includes(labels))
  assert.ok(found, `no ${wanted}{${labels}}`)
  return found.value
}

test('what is exposed is what the documentation lists, with type and description', () => {
  const listed = Object.fromEntries([...documentation('metrics.md').matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].map(([, name, type]) => [name, type]))
  assert.deepEqual(page.types, listed)
  for (const name of Object.keys(listed)) assert.ok(page.help.has(name), `${name} has no description`)
})

test('the keeper\'s figures say what happened', async () => {
  assert.equal(sample('keeper_missed_total'), 0)
  assert.equal(sample('keeper_upkeeps'), 1)
  const performs = sample('keeper_due_to_performed_blocks_count')
  assert.equal(sample('keeper_due_to_performed_seconds_count'), performs)
  assert.equal(sample('keeper_due_to_performed_blocks_bucket', 'le="0"'), performs, 'each in the block in which it was due')
  assert.ok(sample('keeper_due_to_performed_seconds_sum') > 0)
  assert.ok(sample('keeper_performs_total', 'outcome="performed"') > 0)
  assert.equal(sample('keeper_outcomes_total', 'outcome="checkReverted"'), 0)
  assert.equal(sample('keeper_performs_total', 'outcome="performedReverted"'), 0)
  const share = sample('keeper_gas_share_used')
  assert.ok(share > 0 && share < 1, `${share} of the share is used`)
  assert.deepEqual([sample('keeper_lanes_active'), sample('keeper_lanes_low')], [sample('keeper_lanes'), 0])
  assert.deepEqual([sample('keeper_due'), sample('keeper_deferred'), sample('keeper_underfunded')], [0, 0, 0])
})

/** Fails where an expression speaks of something that is not exposed, or of nothing that is. */
function checkExpression(expression) {
  const exposed = new Set(page.samples.map(({ name }) => name))
  const names = namesIn(expression)
  assert.ok(names.length > 0, `no metric in ${expression}`)
  for (const name of names) assert.ok(exposed.has(name), `${name} is not exposed: ${expression}`)
  const depth = [...expression].reduce((open, letter) => {
    assert.ok(open >= 0, expression)
    return open + ('([{'.includes(letter) ? 1 : ')]}'.includes(letter) ? -1 : 0)
  }, 0)
  assert.equal(depth, 0, `brackets of ${expression}`)
}

describe('the dashboard', () => {
  const dashboard = JSON.parse(documentation('grafana/keeper.json'))

  test('asks for what is exposed, from one data source', () => {
    assert.equal(dashboard.schemaVersion, 42)
    assert.deepEqual(dashboard.templating.list.map(({ name, type, query }) => [name, type, query]), [['datasource', 'datasource', 'prometheus']])
    const ids = dashboard.panels.map(({ id }) => id)
    assert.equal(new Set(ids).size, ids.length)
    for (const { title, targets, datasource } of dashboard.panels) {
      assert.ok(title && targets.length > 0, title)
      for (const source of [datasource, ...targets.map((target) => target.datasource)]) {
        assert.deepEqual(source, { type: 'prometheus', uid: '${datasource}' })
      }
      for (const { expr } of targets) checkExpression(expr)
    }
  })

  test('has no panel over another', () => {
    const places = new Set()
    for (const { gridPos: { x, y, w, h } } of dashboard.panels) {
      assert.ok(x + w <= 24)
      for (let column = x; column < x + w; column++) {
        for (let row = y; row < y + h; row++) {
          assert.ok(!places.has(`${column},${row}`), `two panels at ${column}, ${row}`)
          places.add(`${column},${row}`)
        }
      }
    }
  })
})

test('the alert rules ask for what is exposed', () => {
  const { groups } = parse(documentation('alerts/keeper.yml'), { strict: true })
  const rules = groups.flatMap((group) => group.rules)
  assert.ok(rules.length >= 6)
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length)
  for (const { alert, expr, labels, annotations, ...rest } of rules) {
    assert.match(alert, /^(Keeper|Plasma)[A-Za-z]+$/)
    assert.ok(['warning', 'critical'].includes(labels.severity), alert)
    assert.ok(annotations.summary && annotations.description, alert)
    assert.deepEqual(Object.keys(rest).filter((key) => key !== 'for'), [], alert)
    if (rest.for) assert.match(rest.for, /^\d+[sm]$/)
    checkExpression(expr)
  }
})
