// Selectors and topics by which tools know an automation registry, against those of the compiled contracts.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { toEventSelector, toEventSignature, toFunctionSelector, toFunctionSignature } from 'viem'

const abiOf = (name) => JSON.parse(readFileSync(new URL(`../artifacts/${name}.json`, import.meta.url), 'utf8')).abi

const registryFunctions = {
  'acceptOwnership()': '0x79ba5097',
  'acceptUpkeepAdmin(uint256)': '0xb148ab6b',
  'addFunds(uint256,uint96)': '0x948108f7',
  'cancelUpkeep(uint256)': '0xc8048022',
  'checkCallback(uint256,bytes[],bytes)': '0xce7dc5b4',
  'checkUpkeep(uint256)': '0xf7d334ba',
  'checkUpkeep(uint256,bytes)': '0x71791aa0',
  'executeCallback(uint256,bytes)': '0x29c5efad',
  'fallbackTo()': '0x349e8cca',
  'getActiveUpkeepIDs(uint256,uint256)': '0x06e3b632',
  'getAdminPrivilegeConfig(address)': '0x6209e1e9',
  'getAllowedReadOnlyAddress()': '0xa08714c0',
  'getAutomationForwarderLogic()': '0x5425d8ac',
  'getAvailableERC20ForPayment(address)': '0x6eec02a2',
  'getBalance(uint256)': '0x1e010439',
  'getBillingOverrides(uint256)': '0xf5a41846',
  'getBillingOverridesEnabled(uint256)': '0x1efcf646',
  'getBillingToken(uint256)': '0x93f6ebcf',
  'getBillingTokens()': '0xba876668',
  'getCancellationDelay()': '0xb6511a2a',
  'getChainModule()': '0x8ed02bab',
  'getConditionalGasOverhead()': '0x4ca16c52',
  'getFallbackNativePrice()': '0xd85aa07c',
  'getFastGasFeedAddress()': '0x6709d0e5',
  'getForwarder(uint256)': '0x79ea9943',
  'getLinkAddress()': '0xca30e603',
  'getLinkNativeFeedAddress()': '0xb10b673c',
  'getLinkUSDFeedAddress()': '0x226cf83c',
  'getLogGasOverhead()': '0x050ee65d',
  'getMaxPaymentForGas(uint8,uint32)': '0x5b6aa71c',
  'getMinBalance(uint256)': '0xd7632648',
  'getMinBalanceForUpkeep(uint256)': '0xb657bc9c',
  'getMode()': '0x4b4fd03b',
  'getNativeUSDFeedAddress()': '0x614486af',
  'getNumUpkeeps()': '0xffd242bd',
  'getPayoutMode()': '0xc5b964e0',
  'getPeerRegistryMigrationPermission(address)': '0xfaa3e996',
  'getPerPerformByteGasOverhead()': '0x232c1cc5',
  'getPerSignerGasOverhead()': '0xabc76ae0',
  'getReorgProtectionEnabled()': '0x43cc055c',
  'getReserveAmount(address)': '0xec4de4ba',
  'getSignerInfo(address)': '0xed56b3e1',
  'getState()': '0x1865c57d',
  'getTransmitCalldataFixedBytesOverhead()': '0x9e0a99ed',
  'getTransmitCalldataPerSignerBytesOverhead()': '0xf777ff06',
  'getTransmitterInfo(address)': '0x421d183b',
  'getTriggerType(uint256)': '0x5147cd59',
  'getUpkeep(uint256)': '0xc7c3a19a',
  'getUpkeepPrivilegeConfig(uint256)': '0x19d97a94',
  'getUpkeepTriggerConfig(uint256)': '0x207b6516',
  'getWrappedNativeTokenAddress()': '0xac4dc59a',
  'hasDedupKey(bytes32)': '0x44cb70b8',
  'latestConfigDetails()': '0x81ff7048',
  'latestConfigDigestAndEpoch()': '0xafcb95d7',
  'linkAvailableForPayment()': '0xd09dc339',
  'onTokenTransfer(address,uint256,bytes)': '0xa4c0ed36',
  'owner()': '0x8da5cb5b',
  'pause()': '0x8456cb59',
  'pauseUpkeep(uint256)': '0x8765ecbe',
  'registerUpkeep(address,uint32,address,bytes,bytes)': '0x6ded9eae',
  'registerUpkeep(address,uint32,address,uint8,address,bytes,bytes,bytes)': '0xc62cf684',
  'registerUpkeep(address,uint32,address,uint8,bytes,bytes,bytes)': '0x28f32f38',
  'setUpkeepCheckData(uint256,bytes)': '0xcd7f71b5',
  'setUpkeepGasLimit(uint256,uint32)': '0xa72aa27e',
  'setUpkeepOffchainConfig(uint256,bytes)': '0x8dcf0fe7',
  'setUpkeepTriggerConfig(uint256,bytes)': '0x4ee88d35',
  'simulatePerformUpkeep(uint256,bytes)': '0xaed2e929',
  'supportsBillingToken(address)': '0xa538b2eb',
  'transferOwnership(address)': '0xf2fde38b',
  'transferUpkeepAdmin(uint256,address)': '0x1a2af011',
  'typeAndVersion()': '0x181f5a77',
  'unpause()': '0x3f4ba83a',
  'unpauseUpkeep(uint256)': '0x5165f2f5',
  'upkeepTranscoderVersion()': '0x48013d7b',
  'upkeepVersion()': '0xaab9edd6',
  'withdrawFunds(uint256,address)': '0x744bfe61',
}

const registryEvents = {
  'CancelledUpkeepReport(uint256,bytes)': {
    topic: '0xc3237c8807c467c1b39b8d0395eff077313e691bf0a7388106792564ebfd5636',
    indexed: ['id'],
  },
  'DedupKeyAdded(bytes32)': {
    topic: '0xa4a4e334c0e330143f9437484fe516c13bc560b86b5b0daf58e7084aaac228f2',
    indexed: ['dedupKey'],
  },
  'FundsAdded(uint256,address,uint96)': {
    topic: '0xafd24114486da8ebfc32f3626dada8863652e187461aa74d4bfa734891506203',
    indexed: ['id', 'from'],
  },
  'FundsWithdrawn(uint256,uint256,address)': {
    topic: '0xf3b5906e5672f3e524854103bcafbbdba80dbdfeca2c35e116127b1060a68318',
    indexed: ['id'],
  },
  'InsufficientFundsUpkeepReport(uint256,bytes)': {
    topic: '0x377c8b0c126ae5248d27aca1c76fac4608aff85673ee3caf09747e1044549e02',
    indexed: ['id'],
  },
  'OwnershipTransferRequested(address,address)': {
    topic: '0xed8889f560326eb138920d842192f0eb3dd22b4f139c87a2c57538e05bae1278',
    indexed: ['from', 'to'],
  },
  'OwnershipTransferred(address,address)': {
    topic: '0x8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e0',
    indexed: ['from', 'to'],
  },
  'Paused(address)': {
    topic: '0x62e78cea01bee320cd4e420270b5ea74000d11b0c9f74754ebdbfc544b05a258',
    indexed: [],
  },
  'StaleUpkeepReport(uint256,bytes)': {
    topic: '0x405288ea7be309e16cfdf481367f90a413e1d4634fcdaf8966546db9b93012e8',
    indexed: ['id'],
  },
  'Unpaused(address)': {
    topic: '0x5db9ee0a495bf2e6ff9c91a7834c1ba4fdd244a5e8aa4e537bd38aeae4b073aa',
    indexed: [],
  },
  'UpkeepAdminTransferRequested(uint256,address,address)': {
    topic: '0xb1cbb2c4b8480034c27e06da5f096b8233a8fd4497028593a41ff6df79726b35',
    indexed: ['id', 'from', 'to'],
  },
  'UpkeepAdminTransferred(uint256,address,address)': {
    topic: '0x5cff4db96bef051785e999f44bfcd21c18823e034fb92dd376e3db4ce0feeb2c',
    indexed: ['id', 'from', 'to'],
  },
  'UpkeepCanceled(uint256,uint64)': {
    topic: '0x91cb3bb75cfbd718bbfccc56b7f53d92d7048ef4ca39a3b7b7c6d4af1f791181',
    indexed: ['id', 'atBlockHeight'],
  },
  'UpkeepCheckDataSet(uint256,bytes)': {
    topic: '0xcba2d5723b2ee59e53a8e8a82a4a7caf4fdfe70e9f7c582950bf7e7a5c24e83d',
    indexed: ['id'],
  },
  'UpkeepGasLimitSet(uint256,uint96)': {
    topic: '0xc24c07e655ce79fba8a589778987d3c015bc6af1632bb20cf9182e02a65d972c',
    indexed: ['id'],
  },
  'UpkeepOffchainConfigSet(uint256,bytes)': {
    topic: '0x3e8740446213c8a77d40e08f79136ce3f347d13ed270a6ebdf57159e0faf4850',
    indexed: ['id'],
  },
  'UpkeepPaused(uint256)': {
    topic: '0x8ab10247ce168c27748e656ecf852b951fcaac790c18106b19aa0ae57a8b741f',
    indexed: ['id'],
  },
  'UpkeepPerformed(uint256,bool,uint96,uint256,uint256,bytes)': {
    topic: '0xad8cc9579b21dfe2c2f6ea35ba15b656e46b4f5b0cb424f52739b8ce5cac9c5b',
    indexed: ['id', 'success'],
  },
  'UpkeepRegistered(uint256,uint32,address)': {
    topic: '0xbae366358c023f887e791d7a62f2e4316f1026bd77f6fb49501a917b3bc5d012',
    indexed: ['id'],
  },
  'UpkeepTriggerConfigSet(uint256,bytes)': {
    topic: '0x2b72ac786c97e68dbab71023ed6f2bdbfc80ad9bb7808941929229d71b7d5664',
    indexed: ['id'],
  },
  'UpkeepUnpaused(uint256)': {
    topic: '0x7bada562044eb163f6b4003c4553e4e62825344c0418eea087bed5ee05a47456',
    indexed: ['id'],
  },
}

const registryErrors = {
  'CannotCancel()': '0xfbc03578',
  'CheckDataExceedsLimit()': '0xae7235df',
  'GasLimitOutsideRange()': '0x14c237fb',
  'IndexOutOfRange()': '0x1390f2a1',
  'InvalidDataLength()': '0xdfe93090',
  'InvalidRecipient()': '0x9c8d2cd2',
  'InvalidReport()': '0xb55ac754',
  'InvalidToken()': '0xc1ab6dc1',
  'InvalidTrigger()': '0xa768d7fd',
  'InvalidTriggerType()': '0xf2b2d412',
  'NotAContract()': '0x09ee12d5',
  'OnlyActiveTransmitters()': '0x1099ed75',
  'OnlyCallableByAdmin()': '0xa47c1706',
  'OnlyCallableByLINKToken()': '0xc8bad78d',
  'OnlyCallableByOwnerOrAdmin()': '0xfbdb8e56',
  'OnlyCallableByProposedAdmin()': '0x6352a853',
  'OnlyPausedUpkeep()': '0x1b88a784',
  'OnlyUnpausedUpkeep()': '0x514b6c24',
  'ReentrantCall()': '0x37ed32e8',
  'RegistryPaused()': '0x24522f34',
  'TransferFailed()': '0x90b8ec18',
  'UpkeepAlreadyExists()': '0x6e3b930b',
  'UpkeepCancelled()': '0x9c0083a2',
  'UpkeepNotCanceled()': '0xff84e5dd',
  'ValueNotChanged()': '0x8c8728c7',
  'ZeroAddressNotAllowed()': '0x8579befe',
}

const forwarderFunctions = {
  'forward(uint256,bytes)': '0x79188d16',
  'getRegistry()': '0x5ab1bd53',
  'getTarget()': '0xf00e6a2a',
  'typeAndVersion()': '0x181f5a77',
  'updateRegistry(address)': '0x1a5da6c8',
}

const targetFunctions = {
  'checkUpkeep(bytes)': '0x6e04ff0d',
  'performUpkeep(bytes)': '0x4585e33b',
}

/** Selector by signature of one kind of ABI entries. */
function selectors(abi, type) {
  return new Map(abi.filter((entry) => entry.type === type).map((entry) => [toFunctionSignature({ ...entry, type: 'function' }), toFunctionSelector({ ...entry, type: 'function' })]))
}

function assertHolds(actual, expected) {
  for (const [signature, selector] of Object.entries(expected)) assert.equal(actual.get(signature), selector, signature)
}

test('the registry answers to the published selectors', () => assertHolds(selectors(abiOf('Registry'), 'function'), registryFunctions))

test('the registry reverts with the published errors', () => assertHolds(selectors(abiOf('Registry'), 'error'), registryErrors))

test('the registry emits the published events', () => {
  const events = abiOf('Registry').filter(({ type }) => type === 'event')
  const known = new Map(events.map((event) => [toEventSignature(event), event]))
  for (const [signature, { topic, indexed }] of Object.entries(registryEvents)) {
    const event = known.get(signature)
    assert.ok(event, signature)
    assert.equal(toEventSelector(event), topic, signature)
    assert.deepEqual(event.inputs.filter((input) => input.indexed).map(({ name }) => name), indexed, signature)
  }
})

test('the registrar answers to the published selectors and emits the published events', () => {
  const abi = abiOf('Registrar')
  const forms = abi.filter(({ name }) => name === 'registerUpkeep').map((item) => toFunctionSelector(item)).sort()
  assert.deepEqual(forms, ['0x2ce3a14a', '0x3f678e11'])
  assert.equal(toFunctionSelector(abi.find(({ name }) => name === 'register')), '0x856853e6')
  const topics = Object.fromEntries(abi.filter(({ type }) => type === 'event').map((item) => [item.name, toEventSelector(item)]))
  assert.match(topics.RegistrationRequested, /^0x7684390e.*c1b7$/)
  assert.match(topics.RegistrationApproved, /^0xb9a292fb.*7d4b$/)
})

test('the token is LINK-shaped', () => {
  const functions = abiOf('WrappedNative').filter(({ type }) => type === 'function').map((item) => toFunctionSignature(item))
  for (const known of ['transferAndCall(address,uint256,bytes)', 'increaseApproval(address,uint256)', 'decreaseApproval(address,uint256)',
    'transfer(address,uint256)', 'transferFrom(address,address,uint256)', 'approve(address,uint256)', 'allowance(address,address)',
    'balanceOf(address)', 'totalSupply()', 'name()', 'symbol()', 'decimals()', 'deposit()', 'withdraw(uint256)']) assert.ok(functions.includes(known), known)
})

test('a forwarder answers to the published selectors', () => assertHolds(selectors(abiOf('Forwarder'), 'function'), forwarderFunctions))

test('a sample is called by the published selectors', () => assertHolds(selectors(abiOf('Counter'), 'function'), targetFunctions))

test('getUpkeep answers one tuple in the order that tools decode', () => {
  const { outputs } = abiOf('Registry').find(({ name }) => name === 'getUpkeep')
  assert.equal(outputs.length, 1)
  assert.deepEqual(outputs[0].components.map(({ type }) => type), [
    'address', 'uint32', 'bytes', 'uint96', 'address', 'uint64', 'uint32', 'uint96', 'bool', 'bytes',
  ])
})
