// Whoever sends random requests: over HTTP, over WebSocket, and bytes that need not be HTTP at all.
import { once } from 'node:events'
import { connect } from 'node:net'
import { WebSocket } from 'ws'
import { METHODS } from './methods.mjs'
import { faultOfAnswer, faultOfBatch, faultOfCall, faultOfNoise } from './answers.mjs'
import { Values } from './values.mjs'

/** The longest that one answer may take; a node waits for a block for 60 seconds where a request asks it to. */
export const PATIENCE_MS = 75_000

/** Makes calls: `{ jsonrpc, id, method, params }`, and bodies that are none. */
export class Requests {
  #sequence = 0

  constructor(random, known, names = Object.keys(METHODS)) {
    Object.assign(this, { random, names, values: new Values(random, known) })
  }

  /** A call of some method. Its id is like no other of this maker's. */
  call() {
    const { random } = this
    const method = random.chance(1, 50) ? `eth_${random.text(6)}` : random.pick(this.names)
    const sequence = ++this.#sequence
    const id = random.weighted([[6, sequence], [2, `${sequence} ${random.hex(4)}`], [1, sequence * 1000]])
    const call = { jsonrpc: '2.0', id, method }
    const params = this.params(method)
    return params === undefined ? call : { ...call, params }
  }

  params(method) {
    const { random, values } = this
    const make = METHODS[method] ?? (() => random.list(4, () => random.json()))
    let params = make(values)
    if (random.chance(1, 4)) params = params.slice(0, random.below(params.length + 1))
    if (random.chance(1, 30)) params.push(random.json())
    if (params.length === 0 && random.chance(1, 2)) return undefined
    return random.chance(1, 60) ? random.json() : params
  }

  /** A body that is probably not JSON-RPC. */
  noise() {
    const { random } = this
    const text = JSON.stringify(this.call())
    return random.weighted([
      [2, () => random.bytes(random.below(300))],
      [2, () => JSON.stringify(random.json(5))],
      [2, () => text.slice(0, random.below(text.length))],
      [3, () => {
        const bytes = Buffer.from(text)
        for (let flips = random.below(4) + 1; flips > 0; flips--) bytes[random.below(bytes.length)] = random.below(256)
        return bytes
      }],
      [1, () => '['.repeat(random.below(100_000))],
      [1, () => `${'['.repeat(5000)}${']'.repeat(5000)}`],
      [1, () => text.replace('"params"', '"params":[],"params"')],
      [1, () => JSON.stringify({ ...this.call(), id: random.json(), jsonrpc: random.pick(['1.0', '2.0', 2, null]), extra: random.json() })],
      [1, () => `{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":[${'9'.repeat(random.below(2000) + 1)}e${random.below(999)},false]}`],
      [1, () => JSON.stringify(random.list(20, () => random.chance(1, 2) ? this.call() : random.json()))],
      [1, () => '[]'], [1, () => ''], [1, () => `\ufeff${text}`]
    ])()
  }
}

async function post(node, body) {
  note(node, body)
  const response = await fetch(node.url, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body, signal: AbortSignal.timeout(PATIENCE_MS)
  })
  return { status: response.status, text: await response.text() }
}

/** Requests that are kept to tell what came before a node ended. */
const KEPT = 200

/** Keeps a request in `node.asked`, the newest last. */
function note(node, body) {
  node.asked ??= []
  node.asked.push(`${Date.now()} ${body}`.slice(0, 2000))
  if (node.asked.length > KEPT) node.asked.shift()
}

/** Asks over HTTP until `over`. `report(fault, body)` is told of what is wrong. */
export async function overHttp({ node, requests, over, report, count }) {
  const { random } = requests
  while (!over()) {
    const [body, check] = random.weighted([
      [7, () => {
        const call = requests.call()
        return [JSON.stringify(call), (answer) => faultOfCall(answer, call)]
      }],
      [1, () => {
        const calls = Array.from({ length: random.below(8) + 1 }, () => requests.call())
        return [JSON.stringify(calls), (answer) => faultOfBatch(answer, calls)]
      }],
      [2, () => [requests.noise(), faultOfNoise]]
    ])()
    try {
      const fault = check(await post(node, body))
      if (fault) report(fault, body)
    } catch (error) {
      if (!over()) report(`no answer: ${error.cause?.message ?? error.message}`, body)
    }
    count()
  }
}

/** Asks over WebSocket, several calls at once, until `over`. */
export async function overWebSocket({ node, requests, over, report, count }) {
  const { random } = requests
  while (!over()) {
    const socket = new WebSocket(node.ws, { maxPayload: 512 << 20 })
    // Told of by the event that follows.
    socket.on('error', () => {})
    const waiting = new Map()
    let noise = false
    socket.on('message', (data) => {
      let message
      try {
        message = JSON.parse(data)
      } catch {
        return report('a message that is not JSON', `${data}`.slice(0, 500))
      }
      if (/_subscription$/.test(message.method)) return
      const key = JSON.stringify(message.id)
      const call = waiting.get(key)
      // Noise may have an id of its own.
      if (!call) return noise || report('an answer to nothing that was asked', `${data}`.slice(0, 500))
      waiting.delete(key)
      call.answered(faultOfAnswer(message, call.id))
    })
    try {
      await once(socket, 'open')
    } catch (error) {
      if (!over()) report(`no WebSocket: ${error.message}`, '')
      continue
    }
    const closed = once(socket, 'close').then(([code, reason]) => `the connection was closed with ${code} ${reason}`, ({ message }) => message)
    for (let rounds = 0; rounds < 40 && !over() && socket.readyState === WebSocket.OPEN; rounds++) {
      if (random.chance(1, 10)) {
        noise = true
        socket.send(requests.noise(), { binary: random.chance(1, 3) })
        count()
      }
      const answers = Array.from({ length: random.below(6) + 1 }, () => {
        const call = requests.call()
        const body = JSON.stringify(call)
        return new Promise((resolve) => {
          const late = setTimeout(() => answered('no answer'), PATIENCE_MS)
          let done = false
          function answered(fault) {
            if (done) return
            done = true
            clearTimeout(late)
            if (fault && !over()) report(fault, body)
            count()
            resolve()
          }
          waiting.set(JSON.stringify(call.id), { id: call.id, answered })
          // A server may close a connection over noise, not over calls.
          closed.then((fault) => answered(noise ? null : fault))
          note(node, body)
          socket.send(body)
        })
      })
      await Promise.all(answers)
    }
    socket.terminate()
    await closed
  }
}

/** Sends bytes that are only near to HTTP, until `over`. */
export async function overTcp({ node, requests, over, report, count }) {
  const { random } = requests
  while (!over()) {
    const body = JSON.stringify(requests.call())
    const bytes = random.weighted([
      [1, () => random.bytes(random.below(500))],
      [1, () => `POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ${random.pick(EDGES)}\r\n\r\n${body}`],
      [1, () => `POST / HTTP/1.1\r\nhost: ${random.text(5)}\r\ncontent-type: ${random.text(9)}\r\ncontent-length: ${body.length}\r\n\r\n${body}`],
      [1, () => `${random.pick(['GET', 'PUT', 'OPTIONS', 'TRACE', 'X'])} /${random.text(9)} HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: http://${random.text(4)}\r\n\r\n`],
      [1, () => `POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n${random.pick(['ffffffffff', '5', '-1', 'x'])}\r\n${body}`],
      [1, () => `GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${random.bytes(16).toString('base64')}\r\n\r\n${random.bytes(random.below(100)).toString('latin1')}`],
      [1, () => `POST / HTTP/1.1\r\n${Array.from({ length: random.below(300) }, (_, at) => `h${at}: ${random.hex(20)}\r\n`).join('')}\r\n`]
    ])()
    const socket = connect(node.port, '127.0.0.1')
    let answer = ''
    socket.on('data', (data) => { answer = (answer + data.toString('latin1')).slice(0, 100) })
    socket.on('error', () => {})
    const closed = new Promise((resolve) => socket.on('close', resolve))
    socket.write(bytes, 'latin1')
    // Some of it looks like the beginning of more, so that the server waits.
    const timer = setTimeout(() => socket.destroy(), 50 + random.below(150))
    await closed
    clearTimeout(timer)
    if (/^HTTP\/1\.1 5/.test(answer)) report(`${answer.split('\r')[0]}`, Buffer.from(bytes, 'latin1').toString('latin1'))
    count()
  }
}

const EDGES = ['0', '-1', '1', '99999999999', '18446744073709551616', 'x', '']
