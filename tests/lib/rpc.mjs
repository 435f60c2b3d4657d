// JSON-RPC without a library, so that what is sent and what comes back is exactly what is tested.

/** An error answer. */
export class RpcError extends Error {
  constructor(method, { code, message, data }) {
    super(message)
    Object.assign(this, { name: 'RpcError', method, code, data })
  }
}

let id = 0

/** Posts a body as it is; answers status, text and, where it is JSON, the parsed body. */
export async function post(url, body, headers = { 'content-type': 'application/json' }) {
  const response = await fetch(url, { method: 'POST', headers, body })
  const text = await response.text()
  let json
  try {
    json = JSON.parse(text)
  } catch {
    json = undefined
  }
  return { status: response.status, text, json }
}

/** Calls a method; throws `RpcError` for an error answer. */
export async function call(url, method, params = []) {
  const { json, text, status } = await post(url, JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params }))
  if (!json) throw new Error(`${method}: HTTP ${status}, no JSON: ${text.slice(0, 300)}`)
  if (json.error) throw new RpcError(method, json.error)
  if (!('result' in json)) throw new Error(`${method}: neither result nor error: ${text.slice(0, 300)}`)
  return json.result
}

/** A caller that is bound to one node. */
export const client = (url) => (method, ...params) => call(url, method, params)

/** The error that a call answers; throws where it succeeds. */
export async function errorOf(url, method, params = []) {
  try {
    const result = await call(url, method, params)
    throw new Error(`${method} should have failed, but answered ${JSON.stringify(result).slice(0, 300)}`)
  } catch (error) {
    if (error instanceof RpcError) return error
    throw error
  }
}

/** Asks again until the answer is truthy; throws with `what` when it takes too long. */
export async function until(what, ask, { timeout = 30_000, every = 50 } = {}) {
  const deadline = Date.now() + timeout
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (Date.now() > deadline) throw new Error(`timed out waiting for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, every))
  }
}

/** Waits for a receipt. */
export const receiptOf = (url, hash) =>
  until(`receipt of ${hash}`, () => call(url, 'eth_getTransactionReceipt', [hash]))
