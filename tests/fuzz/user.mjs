// The client that must not notice: it sends transactions and reads while others send noise.
import { encodeFunctionData, keccak256 } from 'viem'
import { call, until } from '../lib/rpc.mjs'

const FEES = { maxFeePerGas: 100_000_000_000n, maxPriorityFeePerGas: 1_000_000_000n }

/** Signs, sends and waits for the receipt. */
export async function transact(url, account, nonce, fields) {
  const raw = await account.signTransaction({ chainId: 1337, type: 'eip1559', nonce, gas: 500_000n, ...FEES, ...fields })
  const hash = await call(url, 'eth_sendRawTransaction', [raw])
  if (hash !== keccak256(raw)) throw new Error(`the node answers ${hash} to a transaction with the hash ${keccak256(raw)}`)
  const receipt = await until(`the receipt of ${hash}`, () => call(url, 'eth_getTransactionReceipt', [hash]), { timeout: 60_000 })
  if (receipt.status !== '0x1') throw new Error(`${hash} failed`)
  return { raw, receipt }
}

/** Writes and reads until `over`; answers how often. Throws where a call fails or an answer is wrong. */
export async function use({ url, account, store, abi, friend, over }) {
  let nonce = Number(await call(url, 'eth_getTransactionCount', [account.address, 'latest']))
  let balance = BigInt(await call(url, 'eth_getBalance', [friend, 'latest'])), rounds = 0
  while (!over()) {
    const value = BigInt(++rounds)
    const { receipt } = await transact(url, account, nonce++, { to: store, data: encodeFunctionData({ abi, functionName: 'store', args: [value] }) })
    await transact(url, account, nonce++, { to: friend, value: 1n })
    balance += 1n
    const expect = (what, found, wanted) => {
      if (found !== wanted) throw new Error(`round ${rounds}: ${what} is ${found}, not ${wanted}`)
    }
    expect('the balance', BigInt(await call(url, 'eth_getBalance', [friend, 'latest'])), balance)
    const data = encodeFunctionData({ abi, functionName: 'value' })
    expect('the value', BigInt(await call(url, 'eth_call', [{ to: store, data }, 'latest'])), value)
    const logs = await call(url, 'eth_getLogs', [{ address: store, fromBlock: receipt.blockNumber, toBlock: receipt.blockNumber }])
    expect('the number of logs', logs.length, 1)
    const block = await call(url, 'eth_getBlockByHash', [receipt.blockHash, true])
    expect('the block has the transaction', block.transactions.some(({ hash }) => hash === receipt.transactionHash), true)
    const trace = await call(url, 'debug_traceTransaction', [receipt.transactionHash, { tracer: 'callTracer' }])
    expect('the traced gas', trace.gasUsed, receipt.gasUsed)
  }
  return rounds
}
