require('@nomicfoundation/hardhat-ethers')
require('@nomicfoundation/hardhat-chai-matchers')
require('@nomicfoundation/hardhat-ignition-ethers')
require('@nomicfoundation/hardhat-viem')
const path = require('node:path')
const { subtask } = require('hardhat/config')
const { TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD } = require('hardhat/builtin-tasks/task-names')

// The compiler of the npm package, so that nothing is downloaded.
subtask(TASK_COMPILE_SOLIDITY_GET_SOLC_BUILD, async ({ solcVersion }) => ({
  compilerPath: path.join(__dirname, 'node_modules/solc/soljson.js'),
  isSolcJs: true,
  version: solcVersion,
  longVersion: require('solc').version().replace('.Emscripten.clang', '')
}))

const url = process.env.RPC_URL ?? 'http://127.0.0.1:8545'
module.exports = {
  solidity: { version: '0.8.37', settings: { optimizer: { enabled: true, runs: 200 }, evmVersion: 'prague' } },
  networks: { ext: { url, timeout: 60_000 } },
  mocha: { timeout: 120_000 }
}
