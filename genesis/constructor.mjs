// Runs a contract's creation code at a given address, as genesis would have it, and tells what it left behind.
import { createCustomCommon, Hardfork, Mainnet } from '@ethereumjs/common'
import { createEVM } from '@ethereumjs/evm'
import { Account, createAddressFromString } from '@ethereumjs/util'
import { bytesToHex, hexToBytes, pad, toHex } from 'viem'

const CREATION_GAS = 30_000_000n

/**
 * @param {{ address: string, creationCode: string, chainId: number }} contract
 * @returns {Promise<{ code: string, nonce: bigint, storage: Record<string, string>, accounts: Record<string, { code: string, nonce: bigint }> }>}
 *   Runtime code and storage at `address`, and the accounts that the constructor created.
 */
export async function runConstructor({ address, creationCode, chainId }) {
  const common = createCustomCommon({ chainId }, Mainnet, { hardfork: Hardfork.Prague })
  const evm = await createEVM({ common })
  const to = createAddressFromString(address.toLowerCase())
  // A contract's nonce is one while its constructor runs (EIP-161): contracts that it creates get their address from it.
  await evm.stateManager.putAccount(to, new Account(1n))

  const touchedSlots = new Set()
  evm.events.on('step', ({ opcode, stack, address: at }) => {
    if (opcode.name === 'SSTORE' && at.equals(to)) touchedSlots.add(pad(toHex(stack[stack.length - 1]), { size: 32 }))
  })
  const created = new Map()
  evm.events.on('newContract', ({ address: at }) => created.set(at.toString(), at))

  // Called like a contract instead of created: a creation would choose the address itself.
  await evm.stateManager.putCode(to, hexToBytes(creationCode))
  const { execResult } = await evm.runCall({ to, gasLimit: CREATION_GAS })
  const { exceptionError, returnValue } = execResult
  if (exceptionError) throw new Error(`The constructor for ${address} fails: ${exceptionError.error}`)

  const storage = {}
  for (const slot of [...touchedSlots].sort()) {
    const value = await evm.stateManager.getStorage(to, hexToBytes(slot))
    if (value.some((byte) => byte !== 0)) storage[slot] = pad(bytesToHex(value), { size: 32 })
  }
  const accounts = {}
  for (const [name, at] of created) {
    const account = await evm.stateManager.getAccount(at)
    accounts[name] = { code: bytesToHex(await evm.stateManager.getCode(at)), nonce: account.nonce }
  }
  const self = await evm.stateManager.getAccount(to)
  return { code: bytesToHex(returnValue), nonce: self.nonce, storage, accounts }
}
