// Builds the library that makes calls on files fail, and tells what it did.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../lib/node.mjs'

/** With this status a process ends that lost power, or was ended within a write. */
export const ENDED_STATUS = 99

let library

/** The library's path; it is compiled once. */
function shim() {
  if (!library) {
    library = path.join(temporaryFolder('shim'), 'shim.so')
    const source = fileURLToPath(new URL('shim.c', import.meta.url))
    execFileSync(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-O1', '-Wall', '-Wextra', '-Werror', '-o', library, source, '-lpthread'])
  }
  return library
}

/**
 * The environment of a node whose data directory has faults, as shim.c explains.
 * @param {string} datadir Absolute path.
 * @param {string} log Gets a line per call that changes a file.
 * @param {object} [fault] `kind`, `class`, `match`, `after`, `at`, `last`, `seed`, `syncDelayMs`.
 */
export function faultEnvironment(datadir, log, fault = {}) {
  const { kind, match, after, at, last, seed, syncDelayMs } = fault
  const given = {
    FAULT_KIND: kind, FAULT_CLASS: fault.class, FAULT_MATCH: match, FAULT_AFTER: after, FAULT_AT: at, FAULT_LAST: last, FAULT_SEED: seed,
    FAULT_SYNC_DELAY_MS: syncDelayMs
  }
  const env = { LD_PRELOAD: shim(), FAULT_DIR: datadir, FAULT_LOG: log }
  for (const [name, value] of Object.entries(given)) if (value !== undefined) env[name] = `${value}`
  return env
}

/** The calls in a log: `number` (0: not among those that are counted), `class`, `name`, `bytes`, `file`, `struck`. */
export function callsIn(log) {
  if (!existsSync(log)) return []
  return readFileSync(log, 'utf8').split('\n').flatMap((line) => {
    const found = line.match(/^(\d+) (write|sync|other) (\w+) (\d+) (.*?)( STRUCK \w+)?$/)
    if (!found) return []
    const [, number, kind, name, bytes, file, struck] = found
    return [{ number: Number(number), class: kind, name, bytes: Number(bytes), file, struck: Boolean(struck) }]
  })
}
