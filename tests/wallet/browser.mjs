// A headless browser, and pages that are served to it from this machine alone.
import { createServer } from 'node:http'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import puppeteer from 'puppeteer-core'
import { temporaryFolder } from '../lib/node.mjs'

const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.svg': 'image/svg+xml' }

/** Starts the system's browser (`CHROMIUM` names another). Nothing that it asks for leaves the machine. */
export async function startBrowser() {
  const executablePath = process.env.CHROMIUM ?? PROGRAMS.find((program) => existsSync(program))
  if (!executablePath) throw new Error('no chromium: scripts/setup.sh browser installs it')
  return puppeteer.launch({
    executablePath,
    userDataDir: temporaryFolder('browser'),
    // As root the browser's own sandbox cannot be set up.
    args: [
      ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
      '--disable-dev-shm-usage', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'
    ]
  })
}

/** Serves the files of a folder on a free port of 127.0.0.1; answers its origin and `close`. */
export async function serveFolder(folder) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://127.0.0.1')
    const file = path.join(folder, path.normalize(pathname === '/' ? '/index.html' : pathname))
    try {
      response.setHeader('content-type', TYPES[path.extname(file)] ?? 'application/octet-stream')
      response.end(await readFile(file))
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections() })
  }
}
