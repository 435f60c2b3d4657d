// A chain with internal transfers and creations, and what an explorer sees of it.
import { accounts } from '../lib/accounts.mjs'
import { client, receiptOf } from '../lib/rpc.mjs'

export const senders = accounts.slice(0, 4).map(({ address }) => address.toLowerCase())
/** Accounts that get money from contracts only. */
export const payees = ['0x00000000000000000000000000000000000a11ce', '0x0000000000000000000000000000000000000b0b']

const hex = (number) => `0x${number.toString(16)}`
const bare = (address) => address.slice(2).toLowerCase()

/** Creation code of a contract with this code, which has less than 256 bytes. */
const deploying = (code) => `0x60${(code.length / 2).toString(16).padStart(2, '0')}8060095f395ff3${code}`
const transfer = (to, wei) => `5f5f5f5f60${wei.toString(16).padStart(2, '0')}73${bare(to)}5af150`

/** Sends 1 wei to the first payee and 2 to the second. */
const SPLITTER = transfer(payees[0], 1) + transfer(payees[1], 2) + '00'
/** Creates a contract of one byte by CREATE2, with its input as salt. */
const FACTORY = '69600060005360016000f3600052' + '5f35600a60165ff5' + '5000'
/** Sends 1 wei to the first payee, then undoes it. */
const REGRETTING = transfer(payees[0], 1) + '602a5f5260205ffd'

const word = (number) => `0x${number.toString(16).padStart(64, '0')}`

/** Deploys the contracts, one transaction in each block. */
export async function deploy(url) {
  const rpc = client(url)
  const at = async (code) => {
    const hash = await rpc('eth_sendTransaction', { from: senders[0], data: deploying(code) })
    return (await receiptOf(url, hash)).contractAddress
  }
  return { splitter: await at(SPLITTER), factory: await at(FACTORY), regretting: await at(REGRETTING) }
}

/** Adds `rounds` blocks of four transactions each; salts count from `salt`. */
export async function fill(url, { splitter, factory, regretting }, rounds, salt) {
  const rpc = client(url)
  const hashes = []
  const send = async (transaction) =>
    hashes.push(await rpc('eth_sendTransaction', { gas: hex(300_000), ...transaction }))
  await rpc('evm_setAutomine', false)
  for (let round = 0; round < rounds; round++) {
    await send({ from: senders[0], to: splitter, value: '0x3' })
    await send({ from: senders[1], to: splitter, value: '0x3' })
    if (round % 3 === 0) await send({ from: senders[2], to: factory, data: word(salt + round) })
    await send({ from: senders[1], to: round % 2 ? senders[3] : regretting, value: '0x1' })
    await rpc('evm_mine')
    if (round % 4 === 0) await rpc('evm_mine')
  }
  await rpc('evm_setAutomine', true)
  return hashes
}

/** All pages of an address in one direction, newest transaction first; checks that pages fit together. */
export async function walk(rpc, address, size, method = 'ots_searchTransactionsBefore') {
  const back = method.endsWith('Before')
  const hashes = []
  let cursor = 0
  for (;;) {
    const page = await rpc(method, address, cursor, size)
    const found = page.txs.map(({ hash }) => hash)
    if (page.receipts.some(({ transactionHash }, index) => transactionHash !== found[index])) {
      throw new Error('receipts are not those of the transactions')
    }
    if (page[back ? 'firstPage' : 'lastPage'] !== (cursor === 0)) throw new Error('wrong beginning')
    hashes[back ? 'push' : 'unshift'](...found)
    if (page[back ? 'lastPage' : 'firstPage']) return hashes
    if (found.length < size) throw new Error('a page in the middle is not full')
    cursor = Number(page.txs.at(back ? -1 : 0).blockNumber)
  }
}

/** The addresses in a frame of geth's call tracer and below it, as far as it was not undone. */
function* mentioned(frame, creations, hash) {
  if (frame.error) return
  if (frame.type !== 'DELEGATECALL' && frame.type !== 'CALLCODE') yield frame.to.toLowerCase()
  if (frame.type.startsWith('CREATE')) creations[frame.to.toLowerCase()] = { hash, creator: frame.from.toLowerCase() }
  for (const inner of frame.calls ?? []) yield* mentioned(inner, creations, hash)
}

/** What reading and tracing every block finds: hashes by address, newest first, creators, and all transactions. */
export async function scan(rpc) {
  const byAddress = {}, creations = {}, all = []
  for (let number = Number(await rpc('eth_blockNumber')); number > 0; number--) {
    const block = await rpc('eth_getBlockByNumber', hex(number), true)
    const traces = await rpc('debug_traceBlockByNumber', hex(number), { tracer: 'callTracer' })
    const receipts = await rpc('eth_getBlockReceipts', hex(number))
    for (let index = block.transactions.length - 1; index >= 0; index--) {
      const transaction = block.transactions[index]
      const { hash, from, nonce } = transaction
      const found = new Set([from, transaction.to, receipts[index].contractAddress]
        .filter((address) => address).map((address) => address.toLowerCase()))
      const made = {}
      for (const address of mentioned(traces[index].result, made, hash)) found.add(address)
      for (const address of found) (byAddress[address] ??= []).push(hash)
      for (const [contract, creation] of Object.entries(made)) creations[contract] ??= creation
      all.push({ hash, from, nonce })
    }
  }
  return { byAddress, creations, all }
}

/** Everything that an explorer asks, of everything that there is. */
export async function answers(rpc, addresses) {
  const asked = {}
  const head = Number(await rpc('eth_blockNumber'))
  for (const address of addresses) {
    asked[address] = {
      back: await walk(rpc, address, 3),
      on: await walk(rpc, address, 3, 'ots_searchTransactionsAfter'),
      creator: await rpc('ots_getContractCreator', address),
      hasCode: await rpc('ots_hasCode', address, 'latest'),
      page: await rpc('ots_searchTransactionsBefore', address, head - 2, 4)
    }
  }
  const blocks = []
  for (let number = 0; number <= head; number++) {
    const details = await rpc('ots_getBlockDetails', number)
    const page = await rpc('ots_getBlockTransactions', number, 0, 2)
    const frames = await rpc('trace_block', hex(number))
    const inside = await Promise.all(page.receipts.map(async ({ transactionHash: hash }) => ({
      trace: await rpc('ots_traceTransaction', hash),
      operations: await rpc('ots_getInternalOperations', hash),
      error: await rpc('ots_getTransactionError', hash)
    })))
    blocks.push({ details, page, frames, inside })
  }
  return { asked, blocks }
}
