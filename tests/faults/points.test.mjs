// One fault at one call that changes a file: the node goes on correctly, or stops with a sentence that says what to do.
// Started again without the fault it has all that it told before.
//
// FAULTS says how many points are tried (24), `all` tries every call of every phase with every fault; SEED which.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { panics, startNode, temporaryFolder } from '../lib/node.mjs'
import { accounts } from '../lib/accounts.mjs'
import { call, receiptOf } from '../lib/rpc.mjs'
import { callsIn, faultEnvironment, ENDED_STATUS } from './shim.mjs'
import { check, furnish, load, verify, Witness } from './witness.mjs'

const FAULTS = process.env.FAULTS ?? '24'
const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31))
/** Rounds of the load; with four senders that is enough for several commits of the state. */
const ROUNDS = 8

/** mulberry32: the same points again for the same seed. */
function generator(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const FAULT_KINDS = [
  { name: 'short write', kind: 'short', class: 'write' },
  { name: 'EIO', kind: 'eio', class: 'all' },
  { name: 'ENOSPC', kind: 'enospc', class: 'all' },
  { name: 'failed sync', kind: 'eio', class: 'sync' },
  { name: 'torn write', kind: 'torn', class: 'write' },
  { name: 'power cut', kind: 'power', class: 'all' }
]
/** Whether the fault itself ends the process. */
const ends = ({ kind }) => kind === 'power' || kind === 'torn'
const PHASES = [
  { name: 'fresh directory', fresh: true, args: [] },
  { name: 'mining on demand', args: [] },
  { name: 'blocks by time', args: ['--block-time', '300ms', '--tick', '50ms'] }
]

const folder = temporaryFolder('faults')
/** A chain whose directory is copied for every point. */
const base = path.join(folder, 'base')
let things
let points = []

/** Runs a node with a fault until it stops or the load is through; answers what became of it. */
async function runFaulty(datadir, log, phase, fault, seen) {
  // The fault's calls are counted from the beginning of its stretch.
  const reached = path.join(folder, 'reached')
  rmSync(reached, { force: true })
  const env = faultEnvironment(datadir, log, { ...fault, after: fault.stretch && fault.stretch !== 'opening' ? reached : undefined })
  let node
  try {
    node = await startNode({ datadir, args: phase.args, env })
  } catch (error) {
    if (!error.node) throw error
    return { exit: error.node.exit, stderr: error.node.stderr, opened: callsIn(log).length }
  }
  const opened = callsIn(log).length
  let worked = opened
  if (fault.stretch === 'working') writeFileSync(reached, '')
  if (!phase.fresh) {
    await load(node, things, seen, ROUNDS)
    worked = callsIn(log).length
  }
  if (fault.stretch === 'stopping') writeFileSync(reached, '')
  const exit = await node.stop()
  return { exit, stderr: node.stderr, opened, worked }
}

/** Its last words name the trouble and say what to do. */
function assertSaysWhatToDo(stderr, fault) {
  const last = stderr.trim().split('\n').filter((line) => line.startsWith('plasma-node: ')).join('\n')
  assert.match(last, /disk is full|no space left|input\/output error/i, `last words: ${stderr.slice(-1500)}`)
  assert.match(last, /free disk space|check the disk|start (it )?again/i, `last words: ${stderr.slice(-1500)}`)
  if (fault.kind === 'enospc') assert.match(last, /disk is full|no space left/i, `last words: ${stderr.slice(-1500)}`)
}

async function tryPoint({ phase, fault }) {
  const datadir = path.join(folder, 'data')
  const log = path.join(folder, 'calls.log')
  rmSync(datadir, { recursive: true, force: true })
  rmSync(log, { force: true })
  if (phase.fresh) mkdirSync(datadir)
  else cpSync(base, datadir, { recursive: true })
  const seen = new Witness()
  const { exit, stderr } = await runFaulty(datadir, log, phase, fault, seen)
  const struck = callsIn(log).filter(({ struck }) => struck)
  assert.deepEqual(panics(stderr), [])
  assert.equal(exit.signal, null, `ended by ${exit.signal}: ${stderr.slice(-1500)}`)
  if (exit.code === ENDED_STATUS) assert.ok(ends(fault))
  else if (exit.code !== 0) assertSaysWhatToDo(stderr, fault)

  const again = await startNode({ datadir, args: phase.args })
  if (!phase.fresh) await check(again.url, seen, things)
  // The chain goes on.
  const hash = await call(again.url, 'eth_sendTransaction', [{ from: accounts[7].address, to: accounts[0].address, value: '0x1' }])
  assert.equal((await receiptOf(again.url, hash)).status, '0x1')
  assert.deepEqual(panics(again.stderr), [])
  assert.deepEqual(await again.stop(), { code: 0, signal: null }, again.stderr.slice(-1500))
  const last = await startNode({ datadir, args: ['--no-keeper'] })
  if (!phase.fresh) await check(last.url, seen, things)
  const head = Number(await call(last.url, 'eth_blockNumber'))
  await last.stop()
  await verify(datadir, head)
  return { struck: struck[0], exit, told: seen.receipts.size }
}

/** Counts the calls of a phase without faults, so that every point is one that is reached. */
async function callsOf(phase) {
  const datadir = path.join(folder, 'count')
  const log = path.join(folder, 'count.log')
  if (phase.fresh) mkdirSync(datadir)
  else cpSync(base, datadir, { recursive: true })
  const { exit, opened, worked } = await runFaulty(datadir, log, phase, {}, new Witness())
  assert.deepEqual(exit, { code: 0, signal: null })
  const calls = callsIn(log)
  rmSync(datadir, { recursive: true })
  rmSync(log)
  return { calls, opened, worked }
}

/** How many calls a fault counts, in each of three stretches. */
function stretches({ calls, opened, worked }, fault) {
  const counts = (one) => (fault.class === 'all' || fault.class === one.class) && (!['short', 'torn'].includes(fault.kind) || one.bytes > 1)
  const before = (index) => calls.slice(0, index).filter(counts).length
  const [first, second, third] = [before(opened), before(worked), before(calls.length)]
  return [['opening', first], ['working', second - first], ['stopping', third - second]].filter(([, calls]) => calls > 0)
}

before(async () => {
  const node = await startNode({ datadir: base })
  things = await furnish(node.url)
  await load(node, things, new Witness(), 2)
  assert.deepEqual(await node.stop(), { code: 0, signal: null })

  const random = generator(SEED)
  const cells = []
  for (const phase of PHASES) {
    const counted = await callsOf(phase)
    for (const fault of FAULT_KINDS) {
      for (const [stretch, calls] of stretches(counted, fault)) cells.push({ phase, fault: { ...fault, stretch }, calls })
    }
  }
  const point = ({ phase, fault }, at) => ({ phase, fault: {
    ...fault, at, last: !ends(fault) && random() < 0.5 ? 0 : at, seed: 1 + Math.floor(random() * 2 ** 31) } })
  if (FAULTS === 'all') {
    for (const cell of cells) for (let at = 1; at <= cell.calls; at++) points.push(point(cell, at))
  } else {
    // One point of every cell, in random order, and again until there are enough.
    while (points.length < Number(FAULTS)) {
      const order = cells.map((cell) => [random(), cell]).sort(([one], [other]) => one - other)
      points.push(...order.map(([, cell]) => point(cell, 1 + Math.floor(random() * cell.calls))))
    }
    points = points.slice(0, Number(FAULTS))
  }
})

describe('a fault at one call', () => {
  let ended = 0, survived = 0, missed = 0
  test(`${FAULTS} points, seed ${SEED}`, async (t) => {
    for (const [index, one] of points.entries()) {
      const { phase, fault } = one
      const name = `${index + 1}: ${phase.name}, ${fault.stretch}: ${fault.name} at call ${fault.at}${fault.last === 0 ? ' and ever after' : ''}`
      await t.test(name, async (point) => {
        const { struck, exit, told } = await tryPoint(one)
        if (!struck) missed++
        else if (exit.code === 0) survived++
        else ended++
        point.diagnostic(`${struck ? `${struck.name} of ${struck.bytes} bytes, ${path.basename(path.dirname(struck.file))}/${path.basename(struck.file)}`
          : 'not reached'}: ended with ${exit.code}, ${told} receipts seen before`)
      })
    }
  })
  after(() => {
    console.log(`seed ${SEED}: ${points.length} faults, ${ended} stopped the node, ${survived} did not, ${missed} were not reached`)
    assert.ok(missed * 4 <= points.length, 'too many points were not reached')
  })
})
