// A blob whose KZG proofs are known without a trusted setup: the zero polynomial, whose commitment and proofs are
// all the point at infinity. The node verifies them like any others.
import { concat } from 'viem'

const INFINITY = `0xc0${'00'.repeat(47)}`
const bytes = (hex) => Uint8Array.from(Buffer.from(hex.slice(2), 'hex'))

/** 4096 field elements, all zero. */
export const zeroBlob = `0x${'00'.repeat(131_072)}`

/** viem's interface to KZG libraries, good for this blob only. */
export const viemKzg = {
  blobToKzgCommitment: () => bytes(INFINITY),
  computeBlobKzgProof: () => bytes(INFINITY)
}

/** ethers' interface to KZG libraries with the cell proofs of EIP-7594, good for this blob only. */
export const ethersKzg = {
  blobToKzgCommitment: () => INFINITY,
  computeBlobProof: () => concat(Array(128).fill(INFINITY))
}
