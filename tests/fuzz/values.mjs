// Values as the methods' parameters have them: mostly well formed, at times at an edge, at times something else.

const TAGS = ['latest', 'pending', 'earliest', 'safe', 'finalized']
const EDGES = [
  '0x0', '0x1', '0x7f', '0x80', '0xff', '0xffff', '0x7fffffff', '0xffffffff', '0x7fffffffffffffff', '0x8000000000000000',
  '0xffffffffffffffff', '0x10000000000000000', `0x${'f'.repeat(64)}`, `0x1${'0'.repeat(64)}`
]
/** Init codes and codes: an endless loop, much memory, a large answer, a revert, log, SELFDESTRUCT, calls of precompiles. */
const CODES = [
  '0x', '0x00', '0x5b600056', '0x5b5a600056', '0x60016000f3', '0x6000600a63ffffffff60003960006000f3', '0x627fffff6000f3',
  '0x60006000fd', '0x7f08c379a0000000000000000000000000000000000000000000000000000000006000526004601cfd', '0x60006000a0',
  '0x60ff600055600160015560005460005500', '0x33ff', '0xfe', '0xef', '0xef0001', `0xef0100${'11'.repeat(20)}`,
  '0x60006000600060006000600a5af160005260206000f3', '0x6000600060006000600060015af1600060006000600060006002620fffff5af100',
  '0x36600060003760003660006000f0600052602060' + '00f3', '0x3d60005260206000f3', '0x430340600052602060' + '00f3'
]
const TRACERS = ['callTracer', 'prestateTracer', '4byteTracer', 'noopTracer', 'flatCallTracer', 'muxTracer', 'noSuchTracer', '{step:function(){}}', '']

/** Makes values. `known` has what really is on the chain: `addresses`, `hashes`, `blocks`, `raws`. */
export class Values {
  constructor(random, known) {
    Object.assign(this, { random, known })
  }

  /** The value of `make`, at times something that does not fit. */
  loose(make) {
    const { random } = this
    if (random.chance(9, 10)) return make()
    return random.weighted([
      [3, () => random.json()], [1, () => null], [1, () => random.pick(EDGES)], [1, () => [make()]], [1, () => `${make()}0`],
      [1, () => ({ value: make() })]
    ])()
  }

  quantity = (limit = 64) => this.loose(() => this.random.chance(4, 5)
    ? `0x${this.random.below(limit).toString(16)}` : this.random.pick(EDGES))

  /** A number of blocks or seconds: few, or more than a node can carry out. Thousands of blocks would take minutes. */
  amount = () => this.random.weighted([
    [30, () => this.random.pick([1, 2, '0x3', '0x10', '1', 0])],
    [2, () => this.random.pick(EDGES.filter((edge) => BigInt(edge) < 256n || BigInt(edge) > 0xffffffffn))],
    [2, () => this.random.pick([null, -1, 1.5, '', '0x', [], {}, true, 'latest'])]
  ])()

  address = () => this.loose(() => this.random.chance(4, 5) ? this.random.pick(this.known.addresses) : this.random.hex(20))


  hash = () => this.loose(() => this.random.chance(4, 5) ? this.random.pick(this.known.hashes) : this.random.hex(32))

  word = () => this.loose(() => this.random.hex(32))

  slot = () => this.loose(() => this.random.pick(['0x0', '0x1', `0x${'0'.repeat(64)}`, this.random.hex(32)]))

  bytes = (most = 100) => this.loose(() => this.random.hex(this.random.below(most)))

  code = () => this.loose(() => this.random.chance(3, 4) ? this.random.pick(CODES) : this.random.hex(this.random.below(200)))

  flag = () => this.loose(() => this.random.chance(1, 2))

  text = () => this.loose(() => this.random.text(20))

  number = () => this.loose(() => this.random.chance(3, 4) ? `0x${this.random.below(40).toString(16)}` : this.random.pick([...TAGS, ...EDGES]))

  block = () => this.loose(() => this.random.weighted([
    [4, () => this.random.pick(TAGS)],
    [4, () => this.number()],
    [1, () => ({ blockNumber: this.number() })],
    [2, () => ({ blockHash: this.random.pick(this.known.blocks), ...(this.random.chance(1, 2) && { requireCanonical: this.flag() }) })],
    [1, () => this.random.pick(this.known.blocks)]
  ])())

  /** A raw transaction: one that is there, one that is changed, or noise. */
  raw = () => this.loose(() => {
    const bytes = Buffer.from(this.random.pick(this.known.raws).slice(2), 'hex')
    if (this.random.chance(1, 4)) return `0x${bytes.toString('hex')}`
    if (this.random.chance(1, 4)) return this.random.hex(this.random.below(200))
    for (let flips = this.random.below(3) + 1; flips > 0; flips--) bytes[this.random.below(bytes.length)] = this.random.below(256)
    return `0x${bytes.subarray(0, this.random.chance(1, 3) ? this.random.below(bytes.length) : bytes.length).toString('hex')}`
  })

  accessList = () => this.loose(() => this.random.list(3, () => ({ address: this.address(), storageKeys: this.random.list(3, this.slot) })))

  /** An object with some of the fields that `fields` makes. */
  some(fields) {
    return this.loose(() => Object.fromEntries(Object.entries(fields)
      .filter(() => this.random.chance(1, 2)).map(([name, make]) => [name, make()])))
  }

  call = () => this.some({
    from: this.address, to: this.address, data: this.code, input: this.code, value: this.quantity, gas: () => this.quantity(10_000_000),
    nonce: this.quantity, ...(this.random.chance(1, 3) && {
      gasPrice: () => this.quantity(1e9), maxFeePerGas: () => this.quantity(1e9), maxPriorityFeePerGas: () => this.quantity(1e9),
      accessList: this.accessList, chainId: () => this.random.pick(['0x539', '0x1']), type: () => this.random.pick(['0x0', '0x2', '0x3', '0x4', '0x7e']),
      blobVersionedHashes: () => this.random.list(8, this.word), maxFeePerBlobGas: this.quantity, blobs: () => this.random.list(2, this.bytes),
      authorizationList: () => this.random.list(2, () => this.some({
        chainId: this.quantity, address: this.address, nonce: this.quantity, yParity: this.quantity, r: this.word, s: this.word }))
    })
  })

  stateOverride = () => this.loose(() => Object.fromEntries(this.random.list(3, () => [
    this.random.chance(9, 10) ? this.random.pick(this.known.addresses) : this.random.text(5),
    this.some({
      balance: this.quantity, nonce: this.quantity, code: this.code,
      [this.random.pick(['state', 'stateDiff'])]: () => Object.fromEntries(this.random.list(3, () => [this.random.hex(32), this.word()])),
      movePrecompileToAddress: this.address
    })
  ])))

  blockOverride = () => this.some({
    number: this.quantity, time: this.quantity, timestamp: this.quantity, gasLimit: () => this.quantity(1e9), feeRecipient: this.address,
    coinbase: this.address, random: this.word, prevRandao: this.word, baseFee: this.quantity, baseFeePerGas: this.quantity,
    blobBaseFee: this.quantity, difficulty: this.quantity, blockHash: () => ({ 1: this.word() }), beaconRoot: this.word,
    withdrawals: () => this.random.list(2, () => this.random.json())
  })

  topics = () => this.loose(() => this.random.list(5, () => this.random.weighted([
    [2, () => null], [2, this.hash], [2, () => this.random.list(4, this.word)], [1, () => this.random.json()]])()))

  filter = () => this.some({
    fromBlock: this.block, toBlock: this.block, topics: this.topics,
    address: () => this.random.chance(1, 2) ? this.address() : this.random.list(4, this.address),
    ...(this.random.chance(1, 5) && { blockHash: () => this.random.pick(this.known.blocks) })
  })

  tracing = () => this.some({
    tracer: () => this.random.pick(TRACERS), timeout: () => this.random.pick(['1s', '10ms', '0s', '-1s', '5', 'x']), reexec: this.quantity,
    tracerConfig: () => this.some({
      onlyTopCall: this.flag, withLog: this.flag, diffMode: this.flag, disableCode: this.flag, disableStorage: this.flag,
      convertParityErrors: this.flag, includePrecompiles: this.flag, callTracer: () => this.random.json(1), prestateTracer: () => this.random.json(1)
    }),
    disableStack: this.flag, disableStorage: this.flag, enableMemory: this.flag, enableReturnData: this.flag, limit: this.quantity,
    stateOverrides: this.stateOverride, blockOverrides: this.blockOverride, txIndex: this.quantity
  })

  traceKinds = () => this.loose(() => this.random.list(4, () => this.random.pick(['trace', 'vmTrace', 'stateDiff', 'other'])))

  bundles = () => this.loose(() => this.random.list(3, () => this.some({
    transactions: () => this.random.list(3, this.call), blockOverride: this.blockOverride })))

  context = () => this.some({ blockNumber: this.block, transactionIndex: () => this.random.pick([-1, 0, 1, 99, '0x1']) })

  simulation = () => this.some({
    blockStateCalls: () => this.random.list(3, () => this.some({
      calls: () => this.random.list(3, this.call), stateOverrides: this.stateOverride, blockOverrides: this.blockOverride })),
    traceTransfers: this.flag, validation: this.flag, returnFullTransactions: this.flag
  })

  typedData = () => this.loose(() => {
    const data = this.some({
      types: () => ({ EIP712Domain: [{ name: 'name', type: 'string' }], Mail: this.random.list(4, () => ({
        name: this.random.pick(['to', 'text', 'other']), type: this.random.pick(['address', 'string', 'Mail', 'Mail[]', 'uint256', 'bytes32[2]', 'int7', '']) })) }),
      primaryType: () => this.random.pick(['Mail', 'EIP712Domain', 'None']), domain: () => ({ name: this.text() }),
      message: () => ({ to: this.address(), text: this.text(), other: this.random.json(1) })
    })
    return this.random.chance(1, 2) ? JSON.stringify(data) : data
  })

  /** Numbers of filters and subscriptions: small ones are likely to exist. */
  id = () => this.loose(() => this.random.chance(1, 2) ? `0x${this.random.below(50).toString(16)}` : this.random.hex(16))
}
