// Random values from a seed, so that a run can be repeated.
import { createHash } from 'node:crypto'

/** A source of random values; the same `name` (a seed and what it is for) gives the same ones. */
export class Random {
  #state

  constructor(name) {
    const digest = createHash('sha256').update(name).digest()
    this.#state = [0, 4, 8, 12].map((at) => digest.readUInt32LE(at))
  }

  /** 32 random bits (the generator sfc32). */
  bits() {
    const s = this.#state
    const out = (s[0] + s[1] + s[3]) >>> 0
    s[3] = (s[3] + 1) >>> 0
    s[0] = s[1] ^ (s[1] >>> 9)
    s[1] = (s[2] + (s[2] << 3)) >>> 0
    s[2] = (((s[2] << 21) | (s[2] >>> 11)) + out) >>> 0
    return out
  }

  /** An integer from 0 to `limit - 1`. */
  below(limit) { return this.bits() % limit }

  /** True with a chance of `part` in `whole`. */
  chance(part, whole) { return this.below(whole) < part }

  pick(list) { return list[this.below(list.length)] }

  /** Picks among `[weight, value]` pairs. */
  weighted(pairs) {
    let left = this.below(pairs.reduce((sum, [weight]) => sum + weight, 0))
    return pairs.find(([weight]) => (left -= weight) < 0)[1]
  }

  /** A list of up to `most` values. */
  list(most, make) { return Array.from({ length: this.below(most + 1) }, make) }

  bytes(length) { return Buffer.from(Array.from({ length }, () => this.below(256))) }

  hex(length) { return `0x${this.bytes(length).toString('hex')}` }

  text(most) {
    const alphabet = ['a', 'Z', '0', ' ', '"', '\\', '\n', '\u0000', 'é', '漢', '🙂', '\ud800', '{', '[', ',', ':', 'x', '%', '/']
    return this.list(most, () => this.pick(alphabet)).join('')
  }

  /** Any JSON value. */
  json(depth = 3) {
    return this.weighted([
      [3, () => this.pick([null, true, false, 0, -1, 1, 1.5, 1e21, 2 ** 53, -(2 ** 31), '', '0x', '0x0', '0x00', 'latest'])],
      [2, () => this.hex(this.below(40))],
      [2, () => this.text(12)],
      [depth > 0 ? 2 : 0, () => this.list(4, () => this.json(depth - 1))],
      [depth > 0 ? 2 : 0, () => Object.fromEntries(this.list(4, () => [this.text(6), this.json(depth - 1)]))]
    ])()
  }
}
