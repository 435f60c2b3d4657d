// Every method that a development node serves, with what its parameters are made of.

/** Parameters by method, as functions of `Values`. */
export const METHODS = {
  ...named('eth', ['accounts', 'baseFee', 'blobBaseFee', 'blockNumber', 'capabilities', 'chainId', 'coinbase', 'config', 'gasPrice', 'hashrate',
    'maxPriorityFeePerGas', 'mining', 'newBlockFilter', 'newPendingTransactionFilter', 'pendingTransactions', 'protocolVersion',
    'requestAccounts', 'syncing'], () => []),
  ...named('eth', ['getBalance', 'getTransactionCount', 'getCode', 'getAccountInfo'], (v) => [v.address(), v.block()]),
  ...named('eth', ['getBlockByHash', 'getBlockTransactionCountByHash', 'getHeaderByHash', 'getUncleCountByBlockHash'], (v) => [v.hash(), v.flag()]),
  ...named('eth', ['getBlockByNumber', 'getBlockTransactionCountByNumber', 'getHeaderByNumber', 'getUncleCountByBlockNumber'], (v) => [v.block(), v.flag()]),
  ...named('eth', ['getRawTransactionByBlockHashAndIndex', 'getTransactionByBlockHashAndIndex', 'getUncleByBlockHashAndIndex'], (v) => [v.hash(), v.quantity(4)]),
  ...named('eth', ['getRawTransactionByBlockNumberAndIndex', 'getTransactionByBlockNumberAndIndex', 'getUncleByBlockNumberAndIndex'], (v) => [v.block(), v.quantity(4)]),
  ...named('eth', ['getRawTransactionByHash', 'getTransactionByHash', 'getTransactionReceipt'], (v) => [v.hash()]),
  eth_getTransactionBySenderAndNonce: (v) => [v.address(), v.quantity()],
  eth_getBlockReceipts: (v) => [v.block()],
  ...named('eth', ['call', 'estimateGas', 'createAccessList'], (v) => [v.call(), v.block(), v.stateOverride(), v.blockOverride()]),
  eth_callMany: (v) => [v.bundles(), v.context(), v.stateOverride(), v.quantity(5000)],
  eth_simulateV1: (v) => [v.simulation(), v.block()],
  eth_feeHistory: (v) => [v.quantity(20), v.block(), v.loose(() => v.random.list(5, () => v.random.below(101)))],
  eth_fillTransaction: (v) => [v.call()],
  eth_getProof: (v) => [v.address(), v.loose(() => v.random.list(4, v.slot)), v.block()],
  eth_getStorageAt: (v) => [v.address(), v.slot(), v.block()],
  eth_getStorageValues: (v) => [v.loose(() => Object.fromEntries(v.random.list(3, () => [v.random.pick(v.known.addresses), v.random.list(4, v.slot)]))), v.block()],
  eth_getLogs: (v) => [v.filter()],
  eth_newFilter: (v) => [v.filter()],
  ...named('eth', ['getFilterChanges', 'getFilterLogs', 'uninstallFilter', 'unsubscribe'], (v) => [v.id()]),
  eth_subscribe: (v) => [v.loose(() => v.random.pick(['newHeads', 'logs', 'newPendingTransactions', 'syncing', 'other'])), v.random.chance(1, 2) ? v.filter() : v.flag()],
  eth_sendRawTransaction: (v) => [v.raw()],
  eth_sendRawTransactionSync: (v) => [v.raw(), v.quantity(500)],
  ...named('eth', ['sendTransaction', 'sendUnsignedTransaction', 'signTransaction'], (v) => [v.call()]),
  eth_sendTransactionSync: (v) => [v.call(), v.quantity(500)],
  eth_resend: (v) => [v.call(), v.quantity(), v.quantity()],
  eth_sign: (v) => [v.address(), v.bytes()],
  ...named('eth', ['signTypedData', 'signTypedData_v3', 'signTypedData_v4'], (v) => [v.address(), v.typedData()]),
  eth_networkId: () => [],
  personal_sign: (v) => [v.bytes(), v.address(), v.text()],
  ...named('net', ['listening', 'peerCount', 'version'], () => []),
  web3_clientVersion: () => [],
  web3_sha3: (v) => [v.bytes()],
  ...named('txpool', ['content', 'inspect', 'status'], () => []),
  txpool_contentFrom: (v) => [v.address()],
  rpc_modules: () => [],
  testing_buildBlockV1: (v) => [
    v.hash(),
    v.some({
      timestamp: () => v.quantity(2 ** 31), prevRandao: v.word, suggestedFeeRecipient: v.address, parentBeaconBlockRoot: v.word,
      withdrawals: () => v.random.list(3, () => v.some({ index: v.quantity, validatorIndex: v.quantity, address: v.address, amount: v.quantity }))
    }),
    v.loose(() => v.random.chance(1, 3) ? null : v.random.list(3, v.raw)), v.bytes(40)
  ],
  ...named('debug', ['getRawBlock', 'getRawBlockAccessList', 'getRawHeader', 'getRawReceipts'], (v) => [v.block()]),
  debug_getRawTransaction: (v) => [v.hash()],
  debug_intermediateRoots: (v) => [v.hash(), v.tracing()],
  debug_storageRangeAt: (v) => [v.hash(), v.quantity(4), v.address(), v.slot(), v.quantity(20)],
  debug_traceBlock: (v) => [v.raw(), v.tracing()],
  debug_traceBlockByHash: (v) => [v.hash(), v.tracing()],
  debug_traceBlockByNumber: (v) => [v.block(), v.tracing()],
  debug_traceCall: (v) => [v.call(), v.block(), v.tracing()],
  debug_traceCallMany: (v) => [v.bundles(), v.context(), v.tracing()],
  debug_traceTransaction: (v) => [v.hash(), v.tracing()],
  trace_block: (v) => [v.block()],
  trace_filter: (v) => [v.some({
    fromBlock: v.block, toBlock: v.block, fromAddress: () => v.random.list(3, v.address), toAddress: () => v.random.list(3, v.address),
    after: v.quantity, count: v.quantity })],
  trace_get: (v) => [v.hash(), v.loose(() => v.random.list(3, v.quantity))],
  trace_replayBlockTransactions: (v) => [v.block(), v.traceKinds()],
  trace_replayTransaction: (v) => [v.hash(), v.traceKinds()],
  trace_transaction: (v) => [v.hash()],
  keeper_decisions: (v) => [v.block(), v.some({ id: v.word, outcome: v.text, after: v.word, limit: v.quantity })],
  keeper_get: (v) => [v.word(), v.block()],
  keeper_history: (v) => [v.word(), v.block(), v.block()],
  keeper_lanes: () => [],
  keeper_list: (v) => [v.some({
    limit: v.quantity, after: v.number, admin: v.address, target: v.address, paused: v.flag,
    trigger: () => v.random.pick(['condition', 'log', 'interval', 'cron', 'other']), outcome: () => v.random.pick(['performed', 'failed', 'other']) })],
  keeper_simulate: (v) => [v.word(), v.block()],
  keeper_stats: (v) => [v.block()],
  plasma_getBlockConflicts: (v) => [v.block()],
  plasma_subscribe: (v) => [v.loose(() => v.random.pick(['upkeeps', 'ticks', 'other'])), v.random.json()],
  plasma_unsubscribe: (v) => [v.id()],
  ...developers(['addBalance', 'setBalance', 'setNonce'], (v) => [v.address(), v.quantity()]),
  ...developers(['setCode'], (v) => [v.own(), v.code()]),
  ...developers(['setStorageAt'], (v) => [v.own(), v.slot(), v.word()]),
  ...developers(['setCoinbase', 'impersonateAccount', 'stopImpersonatingAccount', 'removePoolTransactions'], (v) => [v.address()]),
  ...developers(['autoImpersonateAccount', 'setLoggingEnabled'], (v) => [v.flag()]),
  ...developers(['dropAllTransactions', 'getAutomine', 'getIntervalMining', 'metadata', 'dumpState'], () => []),
  ...developers(['dropTransaction'], (v) => [v.hash()]),
  ...developers(['loadState'], (v) => [v.bytes()]),
  ...developers(['mine'], (v) => [v.amount(), v.amount()]),
  ...developers(['reset'], (v) => [v.some({ forking: () => v.random.json(1) })]),
  ...developers(['setMinGasPrice', 'setNextBlockBaseFeePerGas'], (v) => [v.quantity()]),
  ...developers(['setPrevRandao'], (v) => [v.word()]),
  ...developers(['nodeInfo', 'snapshot', 'removeBlockTimestampInterval', 'getGenesisTime', 'getLastBlockWallTime'], () => []),
  ...developers(['reorg', 'rollback', 'setChainId', 'setRpcUrl', 'impersonateSignature', 'classifyTransaction'], (v) => [v.random.json()]),
  ...developers(['dealERC20', 'setERC20Balance'], (v) => [v.address(), v.address(), v.quantity()]),
  ...developers(['setERC20Allowance'], (v) => [v.address(), v.address(), v.address(), v.quantity()]),
  ...developers(['getBlobByHash', 'getBlobsByTransactionHash'], (v) => [v.hash()]),
  anvil_setNextBlockPrevRandao: (v) => [v.word()],
  ...named('tenderly', ['addBalance', 'setBalance'], (v) => [v.address(), v.quantity()]),
  evm_setAccountBalance: (v) => [v.address(), v.quantity()],
  evm_setAccountCode: (v) => [v.own(), v.code()],
  evm_setAccountStorageAt: (v) => [v.own(), v.slot(), v.word()],
  ...developers(['mine_detailed'], (v) => [v.some({ blocks: v.amount, timestamp: v.amount })]),
  evm_mine_detailed: (v) => [v.some({ blocks: v.amount, timestamp: v.amount })],
  ...clocks(['increaseTime', 'setTime', 'setNextBlockTimestamp'], (v) => [v.amount()]),
  ...clocks(['setIntervalMining'], (v) => [v.interval()]),
  ...developers(['setBlockTimestampInterval'], (v) => [v.amount()]),
  ...clocks(['setAutomine'], (v) => [v.flag()]),
  ...clocks(['setBlockGasLimit'], (v) => [v.quantity(1e9)]),
  ...clocks(['revert'], (v) => [v.quantity()]),
  evm_snapshot: () => [],
  evm_mine: (v) => [v.random.chance(1, 2) ? v.amount() : v.some({ blocks: v.amount, timestamp: v.amount })],
  evm_setAccountNonce: (v) => [v.address(), v.quantity()]
}

function named(namespace, names, make) {
  return Object.fromEntries(names.map((name) => [`${namespace}_${name}`, make]))
}

/** Methods that both families of development nodes have. */
function developers(names, make) {
  return { ...named('anvil', names, make), ...named('hardhat', names, make) }
}

function clocks(names, make) {
  return { ...named('anvil', names, make), ...named('evm', names, make), ...named('hardhat', names, make) }
}
