import toolbox from '@nomicfoundation/hardhat-toolbox-viem'
import { defineConfig } from 'hardhat/config'

export default defineConfig({
  plugins: [toolbox],
  solidity: {
    version: '0.8.37',
    // The compiler of the npm package, so that nothing is downloaded.
    path: `${import.meta.dirname}/node_modules/solc/soljson.js`,
    settings: { optimizer: { enabled: true, runs: 200 }, evmVersion: 'prague' }
  },
  networks: {
    ext: { type: 'http', chainType: 'l1', url: process.env.RPC_URL ?? 'http://127.0.0.1:8545' }
  }
})
