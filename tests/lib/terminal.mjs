// Runs the program on a terminal of its own, as a person would who types.
import { spawn } from 'node:child_process'

// Node.js cannot make terminals, Python can. Types each answer once its question stands on the terminal; prints what stood
// there in the end, whether typing is shown as before, and the status.
const TYPIST = `
import fcntl, json, os, pty, signal, sys, termios
arguments, dialogue = json.loads(sys.argv[1])
terminal, side = pty.openpty()
before = termios.tcgetattr(side)
signal.alarm(60)
child = os.fork()
if child == 0:
    os.setsid()
    fcntl.ioctl(side, termios.TIOCSCTTY, 0)
    for stream in range(3):
        os.dup2(side, stream)
    os.execv(arguments[0], arguments)
shown, looked = b'', 0
for question, answer in dialogue:
    while question.encode() not in shown[looked:]:
        shown += os.read(terminal, 4096)
    looked = len(shown)
    os.write(terminal, answer.encode())
status = None
os.set_blocking(terminal, False)
while status is None:
    ended, code = os.waitpid(child, os.WNOHANG)
    if ended:
        status = os.waitstatus_to_exitcode(code)
    try:
        while True:
            shown += os.read(terminal, 4096)
    except BlockingIOError:
        pass
    signal.sigtimedwait([signal.SIGCHLD], 0.02)
restored = termios.tcgetattr(side) == before
print(json.dumps({'code': status, 'shown': shown.decode(), 'restored': restored}))
`

/**
 * Runs the program on a terminal and answers questions: `dialogue` has pairs of a part of the question and what is typed.
 * Answers `{ code, shown, restored }`: its status, all that stood on the terminal, and whether that is as it was before.
 */
export function onTerminal(args, dialogue, env = {}) {
  return new Promise((resolve, reject) => {
    const input = JSON.stringify([[process.env.PLASMA_BINARY, ...args], dialogue])
    const child = spawn('python3', ['-c', TYPIST, input], {
      env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe']
    })
    let stdout = '', stderr = ''
    child.stdout.on('data', (chunk) => { stdout += chunk })
    child.stderr.on('data', (chunk) => { stderr += chunk })
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(JSON.parse(stdout))
      else reject(new Error(`no conversation on a terminal (${code ?? signal}): ${stderr}`))
    })
  })
}
