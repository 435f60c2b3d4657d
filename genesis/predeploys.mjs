// Reads predeploys/ and works out, and proves, what stands at each fixed address.
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { getAddress, getContractAddress, keccak256, parseTransaction, recoverTransactionAddress } from 'viem'
import { runConstructor } from './constructor.mjs'

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), 'predeploys')

/** Creation code of a contract, after a check that it is the one that gives the contract its address. */
async function provenCreationCode(contract) {
  let derived
  let { creationCode } = contract
  if (contract.kind === 'create2') {
    // The address is a hash of the creation code: other bytes would not fit it.
    derived = getContractAddress({ opcode: 'CREATE2', from: contract.deployer, salt: contract.salt, bytecode: creationCode })
  } else if (contract.kind === 'transaction') {
    // The deployer's signature covers the creation code, and its first transaction gives the address.
    const { nonce = 0, data } = parseTransaction(contract.transaction)
    const signer = await recoverTransactionAddress({ serializedTransaction: contract.transaction })
    if (signer !== getAddress(contract.deployer)) throw new Error(`It is signed by ${signer}, not by its deployer ${contract.deployer}.`)
    derived = getContractAddress({ from: signer, nonce: BigInt(nonce) })
    creationCode = data
  } else {
    throw new Error(`Its kind "${contract.kind}" is none of "code", "create2" and "transaction".`)
  }
  if (derived !== getAddress(contract.address)) throw new Error(`Its creation code belongs at ${derived}.`)
  return creationCode
}

async function resolve(contract, chainId) {
  if (contract.kind === 'code') return { code: contract.code, nonce: 1n, storage: {}, accounts: {} }
  const creationCode = await provenCreationCode(contract)
  return runConstructor({ address: contract.address, creationCode, chainId })
}

/**
 * All predeployed contracts, as their constructors leave them on the chain `chainId`.
 * @returns {Promise<{ contract: object, codeHash: string, code: string, nonce: bigint, storage: object, accounts: object }[]>}
 */
export async function predeploys(chainId) {
  const resolved = []
  for (const file of readdirSync(folder).sort()) {
    const contract = JSON.parse(readFileSync(path.join(folder, file), 'utf8'))
    try {
      const state = await resolve(contract, chainId)
      const codeHash = keccak256(state.code)
      if (contract.codeHash && contract.codeHash !== codeHash) throw new Error(`Its code hashes to ${codeHash}, not to the published ${contract.codeHash}.`)
      resolved.push({ contract, codeHash, ...state })
    } catch (error) {
      throw new Error(`predeploys/${file}: ${error.message}`, { cause: error })
    }
  }
  return resolved
}
