// What must hold for every answer, whatever was asked.
import { isDeepStrictEqual } from 'node:util'

/** What is wrong with the answer object to the call with this id, or null. */
export function faultOfAnswer(answer, id) {
  if (answer === null || typeof answer !== 'object' || Array.isArray(answer)) return 'the answer is no object'
  if (answer.jsonrpc !== '2.0') return 'the answer is not JSON-RPC 2.0'
  if (!isDeepStrictEqual(answer.id, id)) return `the answer's id is ${JSON.stringify(answer.id)}, not ${JSON.stringify(id)}`
  if (('result' in answer) === ('error' in answer)) return 'the answer has not exactly one of result and error'
  if ('error' in answer) {
    const { code, message } = answer.error ?? {}
    if (!Number.isInteger(code) || typeof message !== 'string' || message === '') return 'the error has no code or no message'
    if (code === -32603) return `an internal error: ${message}`
  }
  return null
}

/** What is wrong with an HTTP answer to a body that may be anything. */
export function faultOfNoise({ status, text }) {
  if (status >= 500) return `HTTP ${status}`
  // What has no usable id is a notification, to which the server's library says `null`.
  if (status !== 200 || text === '' || text === 'null') return null
  return withJson(text, (body) => Array.isArray(body)
    ? first(body, (each) => faultOfAnswer(each, each?.id))
    : faultOfAnswer(body, body?.id))
}

/** What is wrong with an HTTP answer to one well-formed call. */
export function faultOfCall({ status, text }, { id }) {
  if (status !== 200) return `HTTP ${status}: ${text.slice(0, 200)}`
  return withJson(text, (body) => faultOfAnswer(body, id))
}

/** What is wrong with an HTTP answer to a batch of well-formed calls, whose ids differ. */
export function faultOfBatch({ status, text }, calls) {
  if (status !== 200) return `HTTP ${status}: ${text.slice(0, 200)}`
  return withJson(text, (body) => {
    if (!Array.isArray(body)) return 'a batch was not answered with a batch'
    if (body.length !== calls.length) return `${calls.length} calls had ${body.length} answers`
    return first(calls, ({ id }) => {
      const answer = body.find((each) => isDeepStrictEqual(each?.id, id))
      return answer ? faultOfAnswer(answer, id) : `no answer to ${JSON.stringify(id)}`
    })
  })
}

function withJson(text, check) {
  let body
  try {
    body = JSON.parse(text)
  } catch {
    return `no JSON: ${text.slice(0, 200)}`
  }
  return check(body)
}

function first(list, check) {
  for (const each of list) {
    const fault = check(each)
    if (fault) return fault
  }
  return null
}
