// What is chosen about the development chain; everything else in genesis/dev.json follows from it.

/** Well-known mnemonic of Ethereum's development tools. Its keys are public: never send them real funds. */
export const DEV_MNEMONIC = 'test test test test test test test test test test test junk'
export const DEV_ACCOUNTS = 20
export const ETHER = 10n ** 18n
export const DEV_ACCOUNT_BALANCE = 10_000n * ETHER

export const CHAIN_ID = 1337
export const GAS_LIMIT = 250_000_000n
/** Wei. */
export const BASE_FEE = 1_000_000_000n

/** "Plasma" in ASCII, then a one; in the mixed case of its checksum, without which tools refuse it. */
export const REGISTRY_ADDRESS = '0x506C61736d610000000000000000000000000001'
/** The same with a two and a three: the wrapped native token, and the registrar. */
export const TOKEN_ADDRESS = '0x506c61736D610000000000000000000000000002'
export const REGISTRAR_ADDRESS = '0x506c61736d610000000000000000000000000003'
/** Share of a block's gas that performs may take, in percent. */
export const KEEPER_GAS_SHARE_PERCENT = 50
/** Settings of the registry, in the order of the contract's struct. */
export const REGISTRY_SETTINGS = {
  paused: false,
  premiumPPB: 200_000_000,
  flatGasOverhead: 28_681,
  maxPerformGas: 5_000_000,
  maxCheckDataSize: 5_000,
  maxPerformDataSize: 5_000,
  fallbackGasPrice: 1_000_000_000n,
}

/** Lane i of a development node has the key keccak256(keccak256(this) || i as four bytes, big-endian). */
export const DEV_KEEPER_SECRET_PHRASE = 'plasma dev keeper'
export const LANES = 16
export const LANE_BALANCE = 1_000n * ETHER

/** Blob parameters of the forks as on mainnet: EIP-7840, EIP-7691, and EIP-7892 with its two first steps. */
export const BLOB_SCHEDULE = {
  cancun: { target: 3, max: 6, baseFeeUpdateFraction: 3338477 },
  prague: { target: 6, max: 9, baseFeeUpdateFraction: 5007716 },
  osaka: { target: 6, max: 9, baseFeeUpdateFraction: 5007716 },
  bpo1: { target: 10, max: 15, baseFeeUpdateFraction: 8346193 },
  bpo2: { target: 14, max: 21, baseFeeUpdateFraction: 11684671 },
}
