// What a browser's wallet does: it holds the keys, knows chains, signs, fills transactions in and watches tokens. Everything
// else goes to the node of the chosen chain. The page sees an EIP-1193 provider that is announced as EIP-6963 says.
import { createPublicClient, createWalletClient, defineChain, hexToString, http, isHex, recoverMessageAddress, webSocket } from 'viem'
import { call } from '../lib/rpc.mjs'

const TOKEN_ABI = [
  { type: 'function', name: 'balanceOf', stateMutability: 'view', inputs: [{ name: 'owner', type: 'address' }], outputs: [{ type: 'uint256' }] },
  { type: 'event', name: 'Transfer', inputs: [
    { name: 'from', type: 'address', indexed: true }, { name: 'to', type: 'address', indexed: true }, { name: 'value', type: 'uint256' }] }
]

/** An error as EIP-1193 has it. */
class ProviderError extends Error {
  constructor(code, message, data) {
    super(message)
    Object.assign(this, { code, data })
  }
}

/** A wallet with one account. `nodes` says where the node of a chain is: `{ '0x539': { url, ws } }`. */
export class Wallet {
  /** Methods that the page called, in order. */
  calls = []
  /** Hashes of the transactions that were sent. */
  sent = []
  /** Tokens that are watched: `{ address, balances }`, all balances that were seen, in order. */
  watched = []
  /** Called with an event's name and content. */
  onEvent = () => {}
  #connected = false
  #known = []
  #chainId
  #sockets = []

  constructor(account, nodes, chainId) {
    Object.assign(this, { account, nodes })
    this.#known = [chainId]
    this.#chainId = chainId
  }

  get chainId() { return this.#chainId }
  get #node() { return this.nodes[this.#chainId] }

  #chain() {
    return defineChain({
      id: Number(this.#chainId), name: 'chain', nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
      rpcUrls: { default: { http: [this.#node.url] } }
    })
  }

  close() {
    for (const socket of this.#sockets) socket.close()
  }

  /** Answers a request of the page. */
  async request({ method, params = [] }) {
    this.calls.push(method)
    const own = this[method]
    if (typeof own === 'function' && /^(eth|wallet|personal)_/.test(method)) return own.call(this, ...(Array.isArray(params) ? params : [params]))
    return call(this.#node.url, method, params)
  }

  eth_accounts() { return this.#connected ? [this.account.address.toLowerCase()] : [] }

  eth_requestAccounts() {
    this.#connected = true
    this.onEvent('accountsChanged', this.eth_accounts())
    return this.eth_accounts()
  }

  wallet_getPermissions() { return this.#connected ? [{ parentCapability: 'eth_accounts' }] : [] }

  wallet_requestPermissions() {
    this.eth_requestAccounts()
    return this.wallet_getPermissions()
  }

  async wallet_addEthereumChain({ chainId }) {
    const node = this.nodes[chainId]
    if (!node || await call(node.url, 'eth_chainId') !== chainId) throw new ProviderError(-32602, `chain ${chainId} is not served`)
    this.#known.push(chainId)
    return null
  }

  wallet_switchEthereumChain({ chainId }) {
    if (!this.#known.includes(chainId)) throw new ProviderError(4902, `chain ${chainId} is not known`)
    this.#chainId = chainId
    this.onEvent('chainChanged', chainId)
    this.onEvent('networkChanged', `${Number(chainId)}`)
    return null
  }

  personal_sign(message) {
    return this.account.signMessage({ message: isHex(message) ? { raw: message } : message })
  }

  async personal_ecRecover(message, signature) {
    return (await recoverMessageAddress({ message: hexToString(message), signature })).toLowerCase()
  }

  eth_signTypedData_v4(_, text) { return this.account.signTypedData(JSON.parse(text)) }

  /** Fills in what the page left out, signs and sends. */
  async eth_sendTransaction({ from, to, data, value, gas, gasLimit, gasPrice, maxFeePerGas, maxPriorityFeePerGas }) {
    if (from.toLowerCase() !== this.account.address.toLowerCase()) throw new ProviderError(4100, `${from} is no account of the wallet`)
    const client = createWalletClient({ account: this.account, chain: this.#chain(), transport: http(this.#node.url) })
    const number = (hex) => hex === undefined ? undefined : BigInt(hex)
    const hash = await client.sendTransaction({
      to, data, value: number(value), gas: number(gas ?? gasLimit),
      ...(gasPrice ? { gasPrice: number(gasPrice) } : { maxFeePerGas: number(maxFeePerGas), maxPriorityFeePerGas: number(maxPriorityFeePerGas) })
    })
    this.sent.push(hash)
    return hash
  }

  /** Shows a token's balance from now on: read once, and again at every transfer that the node tells of. */
  async wallet_watchAsset({ options: { address } }) {
    const token = { address, balances: [] }
    const client = createPublicClient({ chain: this.#chain(), transport: http(this.#node.url) })
    const live = createPublicClient({ chain: this.#chain(), transport: webSocket(this.#node.ws) })
    const read = async () => token.balances.push(
      await client.readContract({ address, abi: TOKEN_ABI, functionName: 'balanceOf', args: [this.account.address] }))
    this.#sockets.push(await live.transport.getRpcClient())
    await new Promise((resolve, reject) => {
      live.transport.subscribe({ params: ['logs', { address }], onData: read, onError: reject }).then(resolve, reject)
    })
    await read()
    this.watched.push(token)
    return true
  }
}

/** Puts the wallet's provider into every document that `page` opens. */
export async function install(page, wallet) {
  await page.exposeFunction('walletRequest', async (request) => {
    try {
      return { result: await wallet.request(request) }
    } catch (error) {
      const cause = error.walk?.((it) => it.code !== undefined) ?? error
      return { error: { code: cause.code ?? -32603, message: cause.message, data: cause.data } }
    }
  })
  wallet.onEvent = (name, content) => void page.evaluate((event, payload) => window.ethereum.emit(event, payload), name, content)
  await page.evaluateOnNewDocument(() => {
    const listeners = {}
    const provider = {
      isMetaMask: true,
      isConnected: () => true,
      on(name, listener) { (listeners[name] ??= []).push(listener); return provider },
      removeListener(name, listener) { listeners[name] = (listeners[name] ?? []).filter((it) => it !== listener); return provider },
      emit(name, content) { for (const listener of listeners[name] ?? []) listener(content) },
      async request(request) {
        const { result, error } = await window.walletRequest(request)
        if (error) throw Object.assign(new Error(error.message), error)
        return result
      }
    }
    provider.addListener = provider.on
    provider.off = provider.removeListener
    window.ethereum = provider
    const detail = Object.freeze({
      info: { uuid: '350670db-19fa-4704-a166-e52e178b59d2', name: 'Test wallet', icon: 'data:image/svg+xml,<svg/>', rdns: 'test.wallet' },
      provider
    })
    const announce = () => window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail }))
    window.addEventListener('eip6963:requestProvider', announce)
    announce()
  })
}
