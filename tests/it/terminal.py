"""Runs a command on a terminal of its own and copies what it shows to stdout: terminal.py COLUMNS ROWS TEXT COMMAND...

Types Ctrl-C once as soon as TEXT has been shown; never, where TEXT is empty. Ends as the command does.
"""

import fcntl
import os
import pty
import struct
import sys
import termios

columns, rows, text, *command = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(columns), 0, 0))
    os.execv(command[0], command)
shown = b""
while True:
    try:
        part = os.read(terminal, 65536)
    except OSError:  # Linux, when the other side is closed.
        break
    if not part:
        break
    sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()
    shown += part
    if text and text.encode() in shown:
        os.write(terminal, b"\x03")
        text = ""
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
