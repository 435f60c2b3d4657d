/** The compiler of the npm package, so that nothing is downloaded. */
export const solidity = {
  version: '0.8.37',
  path: `${import.meta.dirname}/node_modules/solc/soljson.js`,
  settings: { optimizer: { enabled: true, runs: 200 }, evmVersion: 'prague' }
}

/** The node under test. */
export const networks = {
  ext: { type: 'http', chainType: 'l1', url: process.env.RPC_URL ?? 'http://127.0.0.1:8545' }
} as const
