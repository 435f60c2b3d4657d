// Verifies eth_getProof answers with a library of its own against nothing but a block's state root.
import { verifyMerkleProof } from '@ethereumjs/mpt'
import { fromRlp, hexToBytes, keccak256, toHex } from 'viem'

const nodes = (proof) => proof.map((node) => hexToBytes(node))
const value = async (root, key, proof) =>
  verifyMerkleProof(hexToBytes(key), nodes(proof), { root: hexToBytes(root), useKeyHashing: true })

const EMPTY_ROOT = '0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'

/**
 * What the proofs prove, read out of the trie nodes alone.
 * @returns {{account: null | {nonce: bigint, balance: bigint, storageHash: string, codeHash: string}, slots: bigint[]}}
 * @throws where a proof does not lead from the root to the key.
 */
export async function proven(stateRoot, answer) {
  if (keccak256(answer.accountProof[0]) !== stateRoot) throw new Error('the first node is not the state root\'s')
  const leaf = await value(stateRoot, answer.address, answer.accountProof)
  if (!leaf) return { account: null, slots: answer.storageProof.map(() => 0n) }
  const [nonce, balance, storageHash, codeHash] = fromRlp(toHex(leaf))
  const quantity = (hex) => hex === '0x' ? 0n : BigInt(hex)
  const slots = []
  for (const { key, proof } of answer.storageProof) {
    if (storageHash === EMPTY_ROOT) {
      slots.push(0n)
      continue
    }
    const slot = toHex(BigInt(key), { size: 32 })
    if (keccak256(proof[0]) !== storageHash) throw new Error('the first node is not the storage root\'s')
    const found = await value(storageHash, slot, proof)
    slots.push(found ? quantity(fromRlp(toHex(found))) : 0n)
  }
  return { account: { nonce: quantity(nonce), balance: quantity(balance), storageHash, codeHash }, slots }
}
