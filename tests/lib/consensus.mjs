// The part of a consensus layer that drives a node by the Engine API.
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { startNode } from './node.mjs'
import { RpcError, post, until } from './rpc.mjs'

export const ZERO = `0x${'00'.repeat(32)}`

const encoded = (value) => Buffer.from(value).toString('base64url')

/** A JWT that is signed with a secret in hex (HS256). */
export function token(secret, iat = Math.floor(Date.now() / 1000)) {
  const text = `${encoded('{"typ":"JWT","alg":"HS256"}')}.${encoded(JSON.stringify({ iat }))}`
  const key = Buffer.from(secret.trim().replace(/^0x/, ''), 'hex')
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
}

/** Starts a node that waits for a consensus layer; `node.engine(method, ...params)` calls its authenticated port. */
export async function startDriven({ datadir, args = [], ...others } = {}) {
  const node = await startNode({ datadir, dev: false, args: ['--engine', '--authrpc.port', '0', ...args], ...others })
  const named = () => `${node.stdout}${node.stderr}`.match(/authrpc=(?:Some\()?(127\.0\.0\.1:\d+)/)
  const found = await until('the authenticated port in the log', named)
  node.authUrl = `http://${found[1]}`
  node.secret = readFileSync(path.join(node.datadir, 'jwt.hex'), 'utf8')
  node.engine = async (method, ...params) => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token(node.secret)}` }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const { json, text } = await post(node.authUrl, body, headers)
    assert.ok(json, `${method}: ${text.slice(0, 300)}`)
    if (json.error) throw new RpcError(method, json.error)
    return json.result
  }
  return node
}

/** `ForkchoiceStateV1`. */
export const forkchoice = (head, safe = ZERO, finalized = ZERO) =>
  ({ headBlockHash: head, safeBlockHash: safe, finalizedBlockHash: finalized })

/** Asks a node of Osaka for a block on `parent` (a block as eth_getBlockByNumber answers it). */
export async function build(node, parent, changes = {}) {
  const attributes = {
    timestamp: `0x${(Number(parent.timestamp) + 12).toString(16)}`,
    prevRandao: `0x${'07'.repeat(32)}`,
    suggestedFeeRecipient: '0xfefefefefefefefefefefefefefefefefefefefe',
    withdrawals: [],
    parentBeaconBlockRoot: ZERO,
    ...changes
  }
  const { payloadStatus, payloadId } =
    await node.engine('engine_forkchoiceUpdatedV3', forkchoice(parent.hash), attributes)
  assert.equal(payloadStatus.status, 'VALID', JSON.stringify(payloadStatus))
  return node.engine('engine_getPayloadV5', payloadId)
}

/** Brings a block that was built; answers its status. */
export const bring = (node, { executionPayload, executionRequests, blobsBundle }, versioned = []) => {
  assert.equal(blobsBundle.commitments.length, versioned.length)
  return node.engine('engine_newPayloadV4', executionPayload, versioned, ZERO, executionRequests)
}

/** Makes a block that was brought the head. */
export async function choose(node, hash) {
  const { payloadStatus } = await node.engine('engine_forkchoiceUpdatedV3', forkchoice(hash), null)
  return payloadStatus
}
