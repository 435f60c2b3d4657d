// The accounts of the test mnemonic that development nodes hold.
import { mnemonicToAccount } from 'viem/accounts'
import { toHex } from 'viem'

export const MNEMONIC = 'test test test test test test test test test test test junk'

/** viem accounts 0 to 19. Suites use different ones where they may run on one node. */
export const accounts = Array.from({ length: 20 }, (_, addressIndex) =>
  mnemonicToAccount(MNEMONIC, { addressIndex }))

/** The private key of an account, as the tools take it. */
export const keyOf = (index) => toHex(accounts[index].getHdKey().privateKey)

/** The registry of development chains. */
export const REGISTRY = '0x506C61736d610000000000000000000000000001'
export const TOKEN = '0x506c61736D610000000000000000000000000002'
export const REGISTRAR = '0x506c61736d610000000000000000000000000003'
