// Runs forge in this folder: `node scripts/forge.mjs test -vv`.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const require = createRequire(import.meta.url)
// The package of one platform holds the program itself; package.json names the one for Linux on x86-64.
const arch = process.arch === 'x64' ? 'amd64' : process.arch
const forge = require.resolve(`@foundry-rs/forge-${process.platform}-${arch}/bin/forge`)
const run = spawnSync(forge, process.argv.slice(2), { cwd: root, stdio: 'inherit' })
if (run.error) throw run.error
process.exitCode = run.status ?? 1
