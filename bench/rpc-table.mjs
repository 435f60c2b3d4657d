// Puts the reports NODE-PHASE.json of a folder side by side: node rpc-table.mjs FOLDER NODE OTHER...
// The ratio is the first node's figure against the best of the others; above 1 is better.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'

const [folder, ...nodes] = process.argv.slice(2)
// A later report takes the place of an earlier one's rows.
const PHASES = ['queries', 'traces', 'subscribers', 'sync']
/** Figures that are shown, by the end of their names, and which way they are better. */
const SHOWN = [
  [/^calls_per_s$/, 'higher'], [/^calls_per_node_cpu_s$/, 'higher'], [/^call_p99_ms$/, 'lower'], [/^(heads|logs)_.*_ms$/, 'lower'], [/^missed$/], [/^receipt_p(50|99)_ms$/, 'lower'],
  [/^accept_p99_ms$/, 'lower'], [/^node_cpu_s$/], [/^generator_cpu_s$/], [/^answer_bytes$/]
]

/** Figures by row and name: `{ 'eth_call': { calls_per_s: [plasma, anvil, hardhat] } }`. */
const rows = new Map()
nodes.forEach((node, at) => {
  for (const phase of PHASES) {
    const file = path.join(folder, `${node}-${phase}.json`)
    if (!existsSync(file)) continue
    for (const { name, threads, ratio, ...figures } of JSON.parse(readFileSync(file, 'utf8')).rows) {
      if (name === 'memory') continue
      // What others do on the machine changes this less than the rate.
      if (figures.calls && figures.node_cpu_s) figures.calls_per_node_cpu_s = figures.calls / figures.node_cpu_s
      if (!rows.has(name)) rows.set(name, new Map())
      for (const [figure, value] of Object.entries(figures)) {
        if (!SHOWN.some(([pattern]) => pattern.test(figure))) continue
        if (!rows.get(name).has(figure)) rows.get(name).set(figure, [])
        rows.get(name).get(figure)[at] = value
      }
    }
  }
})

const text = (value) => typeof value !== 'number' ? '–' : Math.abs(value) >= 1000 ? value.toFixed(0) : Number(value.toFixed(2)).toString()
console.log(`| row | figure | ${nodes.join(' | ')} | ratio |\n|---|---|${'--:|'.repeat(nodes.length + 1)}`)
for (const [row, figures] of rows) {
  for (const [figure, values] of figures) {
    const better = SHOWN.find(([pattern]) => pattern.test(figure))[1]
    const [own, ...others] = nodes.map((_, at) => values[at])
    const known = others.filter((value) => typeof value === 'number' && value > 0)
    let ratio = ''
    if (better && known.length > 0 && own > 0) {
      const best = better === 'higher' ? Math.max(...known) : Math.min(...known)
      ratio = `**${(better === 'higher' ? own / best : best / own).toFixed(2)}**`
    }
    console.log(`| ${row} | ${figure} | ${nodes.map((_, at) => text(values[at])).join(' | ')} | ${ratio} |`)
  }
}
