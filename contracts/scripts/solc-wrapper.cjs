#!/usr/bin/env node
// Lets forge use the `solc` package of npm, which has no native compiler: it answers the two calls that forge makes.
// forge passes all sources in its input, so that no import has to be resolved here.
const { readFileSync } = require('node:fs')
const solc = require('solc')

const options = process.argv.slice(2)
if (options.includes('--version')) {
  const version = solc.version().replace('Emscripten.clang', 'Linux.g++')
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`)
} else if (options.includes('--standard-json')) {
  process.stdout.write(solc.compile(readFileSync(0, 'utf8')))
} else {
  process.stderr.write(`Only --version and --standard-json are understood, not: ${options.join(' ')}\n`)
  process.exitCode = 1
}
