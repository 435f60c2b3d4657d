// Draws the samples of a soak as an SVG: node bench/soak/plot.mjs docs/soak.csv > docs/soak.svg
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Columns of the file of samples; sums count from the beginning of the load. */
export const COLUMNS = ['seconds', 'head', 'transactions', 'performs', 'rss_mib', 'anon_mib', 'open_files', 'threads', 'journal_used',
  'state_used', 'disk', 'live_entries', 'live_bytes', 'unpersisted_blocks', 'commit_p50_ms', 'commit_p99_ms']

const WIDTH = 840, PANEL = 120, LEFT = 70, RIGHT = 20, TOP = 34, GAP = 34

/** What a sample says, and per interval since the one before. */
const PANELS = [
  ['Transactions per second, performs among them', (row, before) => before && (row.transactions - before.transactions) / (row.seconds - before.seconds)],
  ['Performs per block', (row, before) => before && row.head > before.head ? (row.performs - before.performs) / (row.head - before.head) : undefined],
  ['Memory of its own (resident, without mapped files), MiB', (row) => row.anon_mib],
  ['Resident memory with mapped pages of the database, MiB', (row) => row.rss_mib],
  ['Open files', (row) => row.open_files],
  ['Bytes of live state and trie per account or slot', (row) => row.live_bytes / row.live_entries],
  ['State on disk with indexes and kept history, MiB', (row) => row.state_used / 2 ** 20],
  ['Journal on disk, bytes per transaction', (row) => row.transactions > 0 ? row.journal_used / row.transactions : undefined],
  ['Durable commit of a tick, p99, ms', (row) => row.commit_p99_ms]
]

function parse(text) {
  const [head, ...lines] = text.trim().split('\n').map((line) => line.split(','))
  return lines.map((line) => Object.fromEntries(head.map((name, index) => [name, Number(line[index])])))
}

/** A number that is a little more than `value` and easy to read. */
function ceiling(value) {
  if (!(value > 0)) return 1
  const unit = 10 ** Math.floor(Math.log10(value))
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * unit).find((candidate) => candidate >= value)
}

const short = (value) => value >= 1000 ? value.toFixed(0) : Number(value.toPrecision(3)).toString()

/** The SVG of a file of samples. */
export function plot(csv) {
  const rows = parse(csv)
  const seconds = Math.max(...rows.map((row) => row.seconds))
  const x = (row) => LEFT + (row.seconds / seconds) * (WIDTH - LEFT - RIGHT)
  const panels = PANELS.map(([title, value], index) => {
    const top = TOP + index * (PANEL + GAP), bottom = top + PANEL
    const points = rows.map((row, at) => [row, value(row, rows[at - 1])]).filter(([, one]) => Number.isFinite(one))
    const most = ceiling(Math.max(0, ...points.map(([, one]) => one)))
    const line = points.map(([row, one]) => `${x(row).toFixed(1)},${(bottom - (one / most) * PANEL).toFixed(1)}`).join(' ')
    return `<text x="${LEFT}" y="${top - 8}" class="title">${title}</text>
<path d="M${LEFT} ${top}V${bottom}H${WIDTH - RIGHT}" class="axis"/>
<text x="${LEFT - 6}" y="${top + 5}" text-anchor="end">${short(most)}</text>
<text x="${LEFT - 6}" y="${bottom + 4}" text-anchor="end">0</text>
<polyline points="${line}"/>`
  })
  const height = TOP + PANELS.length * (PANEL + GAP) + 6
  const minutes = (seconds / 60).toFixed(seconds < 600 ? 1 : 0)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}">
<style>text{font:12px sans-serif;fill:#444}.title{font-weight:bold;fill:#222}.axis{fill:none;stroke:#999}polyline{fill:none;stroke:#2166ac;stroke-width:1.5}</style>
<rect width="100%" height="100%" fill="#fff"/>
${panels.join('\n')}
<text x="${LEFT}" y="${height - 16}">0</text>
<text x="${WIDTH - RIGHT}" y="${height - 16}" text-anchor="end">${minutes} minutes</text>
</svg>
`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(plot(readFileSync(process.argv[2], 'utf8')))
