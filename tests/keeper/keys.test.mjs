// Where `plasma-node keeper` takes the key from that signs: keystores of real wallets, the environment, the terminal.
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { before, describe, test } from 'node:test'
import { getAddress, parseEther, toHex } from 'viem'
import { accounts, keyOf, REGISTRY } from '../lib/accounts.mjs'
import { runCommand } from '../lib/node.mjs'
import { onTerminal } from '../lib/terminal.mjs'
import { cast } from '../lib/tools.mjs'
import { deploy, mine, read, registry, rpc, url } from '../lib/upkeeps.mjs'

const OWNER = 14
const PASSWORD = 'correct horse battery staple'
const KEY = keyOf(OWNER).slice(2)
const folder = path.join(process.env.E2E_TMP, 'keys')
const keystore = path.join(folder, 'imported')
const passwordFile = path.join(folder, 'password')
const QUESTION = `Password of ${keystore} (not shown): `

/** Runs a keeper command with just these secrets in its environment, and makes sure that it repeats none. */
async function run(args, env = {}) {
  const secrets = { PLASMA_PRIVATE_KEY: '', ...env }
  const result = await runCommand(['keeper', ...args], { env: { PLASMA_RPC_URL: url, ...secrets } })
  silent(result.stdout + result.stderr)
  return result
}

function silent(text) {
  assert.ok(!text.toLowerCase().includes(KEY), 'a key was shown')
  assert.ok(!text.includes(PASSWORD), 'a password was shown')
  assert.doesNotMatch(text, /panicked/)
}

async function succeed(args, env) {
  const { code, stdout, stderr } = await run(args, env)
  assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}

const adminOf = async (id) => getAddress((await rpc('keeper_get', id)).admin)
const nonceOf = async (address) => Number(await rpc('eth_getTransactionCount', address, 'latest'))

let target

before(async () => {
  mkdirSync(folder, { recursive: true })
  writeFileSync(passwordFile, `${PASSWORD}\n`, { mode: 0o600 })
  target = await deploy('Counter')
  await cast(['wallet', 'import', 'imported', '--keystore-dir', folder, '--private-key', keyOf(OWNER), '--unsafe-password', PASSWORD])
})

describe('a keystore', () => {
  test('that cast imported signs, with the password from a file or from the environment', async () => {
    const id = await succeed(['register', target, '--keystore', keystore, '--password-file', passwordFile, '--fund', '0.5'])
    assert.equal(await adminOf(id), accounts[OWNER].address)
    assert.equal(await read(REGISTRY, registry.abi, 'getBalance', [BigInt(id)]), parseEther('0.5'))
    const env = { PLASMA_KEYSTORE_PASSWORD: PASSWORD }
    await succeed(['fund', id, '0.25', '--keystore', keystore], env)
    assert.equal(await read(REGISTRY, registry.abi, 'getBalance', [BigInt(id)]), parseEther('0.75'))
    await succeed(['pause', id, '--keystore', keystore], env)
    assert.equal((await rpc('keeper_get', id)).paused, true)
    await succeed(['unpause', id, '--keystore', keystore], env)
    assert.equal((await rpc('keeper_get', id)).paused, false)
    await succeed(['cancel', id, '--keystore', keystore], env)
    await mine(51)
    const heir = getAddress(`0x${'7e'.repeat(20)}`)
    const earlier = BigInt(await rpc('eth_getBalance', heir, 'latest'))
    await succeed(['withdraw', id, '--to', heir, '--keystore', keystore], env)
    assert.equal(BigInt(await rpc('eth_getBalance', heir, 'latest')) - earlier, parseEther('0.75'))
  })

  test('that cast made anew signs for the address that cast names', async () => {
    const said = await cast(['wallet', 'new', folder, 'fresh', '--unsafe-password', PASSWORD])
    const address = getAddress(said.match(/0x[0-9a-fA-F]{40}/)[0])
    await cast(['send', address, '--value', '1ether', '--private-key', keyOf(OWNER)])
    const id = await succeed(['register', target, '--keystore', path.join(folder, 'fresh'), '--password-file', passwordFile])
    assert.equal(await adminOf(id), address)
    assert.equal(await nonceOf(address), 1)
  })

  test('is asked for its password on a terminal, which shows nothing of it', async () => {
    const { code, shown, restored } = await onTerminal(['keeper', 'register', target, '--keystore', keystore],
      [[QUESTION, `${PASSWORD}\n`]], { PLASMA_RPC_URL: url, PLASMA_PRIVATE_KEY: '' })
    silent(shown)
    assert.equal(code, 0, shown)
    assert.ok(restored)
    assert.equal(await adminOf(shown.match(/0x[0-9a-f]{64}/)[0]), accounts[OWNER].address)
  })

  test('with a wrong password ends with a sentence and a status', async () => {
    const nonce = await nonceOf(accounts[OWNER].address)
    const wrong = path.join(folder, 'wrong')
    writeFileSync(wrong, 'Correct Horse\n', { mode: 0o600 })
    const args = ['register', target, '--keystore', keystore]
    for (const { code, text } of [
      await run([...args, '--password-file', wrong]).then(({ code, stderr }) => ({ code, text: stderr })),
      // A password file goes before the environment, so that this one is wrong too.
      await run([...args, '--password-file', wrong], { PLASMA_KEYSTORE_PASSWORD: PASSWORD })
        .then(({ code, stderr }) => ({ code, text: stderr })),
      await run(args, { PLASMA_KEYSTORE_PASSWORD: 'Correct Horse' }).then(({ code, stderr }) => ({ code, text: stderr })),
      await onTerminal(['keeper', ...args], [[QUESTION, 'Correct Horse\n']], { PLASMA_RPC_URL: url, PLASMA_PRIVATE_KEY: '' })
        .then(({ code, shown }) => ({ code, text: shown }))
    ]) {
      assert.equal(code, 1)
      assert.ok(text.includes(`plasma-node: the password does not open the keystore ${keystore}`), text)
      assert.doesNotMatch(text, /Correct Horse/)
    }
    assert.equal(await nonceOf(accounts[OWNER].address), nonce, 'nothing was sent')
  })
})

describe('a private key', () => {
  test('in the environment signs', async () => {
    for (const key of [keyOf(OWNER), KEY]) {
      const id = await succeed(['register', target], { PLASMA_PRIVATE_KEY: key })
      assert.equal(await adminOf(id), accounts[OWNER].address)
      await succeed(['cancel', id], { PLASMA_PRIVATE_KEY: key })
    }
  })

  test('is asked for on a terminal, which shows nothing of it', async () => {
    for (const options of [[], ['--interactive']]) {
      const { code, shown, restored } = await onTerminal(['keeper', 'register', target, ...options],
        [['Private key (not shown): ', `${keyOf(OWNER)}\n`]], { PLASMA_RPC_URL: url, PLASMA_PRIVATE_KEY: '' })
      silent(shown)
      assert.equal(code, 0, shown)
      assert.ok(restored)
      assert.equal(await adminOf(shown.match(/0x[0-9a-f]{64}/)[0]), accounts[OWNER].address)
    }
  })

  test('is not asked for any longer after Ctrl-C, and the terminal is as before', async () => {
    const { code, shown, restored } = await onTerminal(['keeper', 'register', target, '--interactive'],
      [['Private key (not shown): ', `${KEY.slice(0, 9)}\x03`]], { PLASMA_RPC_URL: url, PLASMA_PRIVATE_KEY: '' })
    assert.equal(code, 1, shown)
    assert.match(shown, /it was interrupted/)
    assert.ok(!shown.includes(KEY.slice(0, 9)))
    assert.ok(restored)
  })
})

test('mistakes end with a sentence and a status, and nothing is sent', async () => {
  const nonce = await nonceOf(accounts[OWNER].address)
  const file = (name, content, mode = 0o600) => {
    const place = path.join(folder, name)
    writeFileSync(place, content)
    chmodSync(place, mode)
    return place
  }
  const text = readFileSync(keystore, 'utf8')
  const variable = { PLASMA_PRIVATE_KEY: keyOf(OWNER) }
  const password = ['--password-file', passwordFile]
  for (const [options, words, env] of [
    [['--keystore', keystore, '--password-file', file('open', PASSWORD, 0o644)], /open is open to other users \(mode 0644\)/],
    [['--keystore', keystore], /standard input is no terminal; give --password-file FILE or set PLASMA_KEYSTORE_PASSWORD/],
    [['--keystore', path.join(folder, 'absent'), ...password], /absent cannot be opened/],
    [['--keystore', file('half', text.slice(0, text.length / 2)), ...password], /half is no keystore: it ends too early/],
    [['--keystore', file('plain', keyOf(OWNER)), ...password], /plain is no keystore/],
    [['--keystore', file('argon', text.replace('"scrypt"', '"argon2"')), ...password], /"argon2", only "scrypt" and "pbkdf2"/],
    [['--keystore', keystore, '--dev-account', '1'], /--keystore and --dev-account both say which key signs/],
    [['--keystore', keystore, ...password], /--keystore and the environment variable PLASMA_PRIVATE_KEY both/, variable],
    [['--dev-account', `${OWNER}`], /--dev-account and the environment variable PLASMA_PRIVATE_KEY both/, variable],
    [['--interactive'], /the private key cannot be asked for: standard input is no terminal/],
    [['--password-file', passwordFile], /--keystore <FILE>/],
    [['--private-key', keyOf(OWNER)], /--private-key is refused.*--keystore FILE/],
    [[`--private-key=${keyOf(OWNER)}`], /--private-key is refused/],
    [[], /no key to sign with: give --keystore FILE/],
    [[], /PLASMA_PRIVATE_KEY is no private key: that is 64 hexadecimal digits/, { PLASMA_PRIVATE_KEY: KEY.slice(1) }],
    [[], /the number is zero or above the order/, { PLASMA_PRIVATE_KEY: toHex(0, { size: 32 }) }]
  ]) {
    const { code, stderr } = await run(['register', target, ...options], env)
    assert.notEqual(code, 0, options.join(' '))
    assert.match(stderr, words)
    assert.ok(!stderr.includes(KEY.slice(1)), 'a part of a key was shown')
  }
  assert.equal(await nonceOf(accounts[OWNER].address), nonce)
})
