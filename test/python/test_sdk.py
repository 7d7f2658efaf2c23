"""The unmodified `e2b` SDK for Python against a real agent, in debug mode; test/wire/e2b.test.ts is the same for JavaScript.

.ci/run runs it. By hand, after `npm run build`, with a Python that has e2b:
    python -m unittest discover -s test/python -v
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import threading
import unittest
import urllib.request

from e2b import (
    CommandExitException,
    NotFoundException,
    PtySize,
    Sandbox,
    TimeoutException,
)

ROOT = pathlib.Path(__file__).parents[2]
DEADLINE_S = 15


class Text:
    """Collects the text that a callback receives, from any thread, and waits for parts of it."""

    def __init__(self):
        self._text = ""
        self._changed = threading.Condition()

    def add(self, data):
        with self._changed:
            self._text += data if isinstance(data, str) else data.decode()
            self._changed.notify_all()

    def until(self, pattern):
        with self._changed:
            found = self._changed.wait_for(lambda: re.search(pattern, self._text), DEADLINE_S)
            if not found:
                raise AssertionError(f"no {pattern} in {self._text[-1000:]!r}")


class SdkTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # The SDK needs the agent's port only.
        env = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        cls.agent = subprocess.Popen(
            ["node", str(ROOT / "dist/cli/main.cjs"), "serve", "--port", "0", "--shutdown-grace", "500ms"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=env,
        )
        cls.addClassCleanup(cls.stop_agent)
        line = cls.agent.stdout.readline()
        url = line.removeprefix("holdfast listening on ").strip()
        if not url.startswith("http://"):
            raise RuntimeError(f"the agent printed {line!r} and not its address")
        cls.use_empty_home(url)
        cls.sandbox = Sandbox.create(debug=True, sandbox_url=url)

    @classmethod
    def use_empty_home(cls, url):
        """The SDK runs login shells. A file that they read at home may take locks, which a killed shell leaves behind."""
        home = tempfile.TemporaryDirectory(prefix="holdfast-home-")
        cls.addClassCleanup(home.cleanup)
        body = json.dumps({"envVars": {"HOME": home.name}}).encode()
        headers = {"Content-Type": "application/json"}
        urllib.request.urlopen(urllib.request.Request(f"{url}/init", body, headers), timeout=DEADLINE_S).close()

    @classmethod
    def stop_agent(cls):
        cls.agent.terminate()
        code = cls.agent.wait(DEADLINE_S)
        cls.agent.stdout.close()
        if code != 0:
            raise AssertionError(f"the agent exited with {code}")

    def tearDown(self):
        for process in self.sandbox.commands.list():
            self.sandbox.commands.kill(process.pid)

    def test_a_repository_is_cloned_changed_committed_and_pushed(self):
        git, files = self.sandbox.git, self.sandbox.files
        folder = tempfile.TemporaryDirectory(prefix="holdfast-python-")
        self.addCleanup(folder.cleanup)
        origin, first, second = (f"{folder.name}/{name}" for name in ("origin.git", "first", "second"))
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", origin], check=True)
        git.init(first, initial_branch="main")
        git.remote_add(first, "origin", f"file://{origin}")
        files.write(f"{first}/größe.txt", "eins")
        self.assertEqual([each.status for each in git.status(first).file_status], ["untracked"])
        git.add(first)
        git.commit(first, "Begin", author_name="A Person", author_email="person@example.org")
        git.push(first, remote="origin", branch="main")
        git.clone(f"file://{origin}", path=second)
        self.assertEqual(files.read(f"{second}/größe.txt"), "eins")
        self.assertEqual(git.branches(second).current_branch, "main")

    def test_run_gives_back_output_and_exit_code_0(self):
        seen = Text()
        result = self.sandbox.commands.run("echo out; echo é >&2", on_stdout=seen.add)
        self.assertEqual((result.stdout, result.stderr, result.exit_code), ("out\n", "é\n", 0))
        seen.until("out\n")

    def test_a_command_that_fails_raises_with_its_exit_code_and_output(self):
        with self.assertRaises(CommandExitException) as raised:
            self.sandbox.commands.run("echo out; exit 42")
        self.assertEqual((raised.exception.exit_code, raised.exception.stdout), (42, "out\n"))

    def test_envs_and_cwd_reach_the_command(self):
        result = self.sandbox.commands.run('echo "$NAME,$PWD"', envs={"NAME": "välue"}, cwd="/usr/lib")
        self.assertEqual(result.stdout, "välue,/usr/lib\n")

    def test_a_background_command_is_listed_and_killed_once(self):
        command = self.sandbox.commands.run("exec sleep 1000", background=True)
        self.assertEqual([process.pid for process in self.sandbox.commands.list()], [command.pid])
        self.assertTrue(command.kill())
        with self.assertRaises(CommandExitException) as raised:
            command.wait()
        self.assertEqual((raised.exception.exit_code, raised.exception.error), (-1, "signal: killed"))
        self.assertFalse(self.sandbox.commands.kill(command.pid))

    def test_stdin_goes_in_and_a_second_client_connects_by_pid(self):
        first = self.sandbox.commands.run("read line; echo got $line", background=True, stdin=True)
        second = self.sandbox.commands.connect(first.pid)
        self.sandbox.commands.send_stdin(first.pid, "hello\n")
        self.assertEqual(second.wait().stdout, "got hello\n")
        self.assertEqual(first.wait().stdout, "got hello\n")

    def test_a_command_outlives_a_client_that_disconnects(self):
        first = self.sandbox.commands.run("read line; echo got $line", background=True, stdin=True)
        first.disconnect()
        second = self.sandbox.commands.connect(first.pid)
        self.sandbox.commands.send_stdin(first.pid, "later\n")
        self.assertEqual(second.wait().stdout, "got later\n")

    def test_connecting_to_an_unknown_pid_raises_not_found(self):
        with self.assertRaises(NotFoundException):
            self.sandbox.commands.connect(999_999_999)

    def test_a_terminal_takes_input_is_resized_and_ends_with_its_shell(self):
        output = Text()
        # A prompt that is the same on every machine: input before the prompt can be lost.
        envs = {"HOME": "/", "PROMPT_COMMAND": "PS1='ready$((6*7))> '"}
        terminal = self.sandbox.pty.create(PtySize(rows=24, cols=80), envs=envs)
        reader = threading.Thread(target=lambda: exits.append(ended_with(terminal, output.add)))
        exits = []
        reader.start()
        output.until(r"ready42> $")
        self.sandbox.pty.send_stdin(terminal.pid, b"stty size\n")
        output.until(r"24 80\r\n.*ready42> $")
        self.sandbox.pty.resize(terminal.pid, PtySize(rows=43, cols=132))
        self.sandbox.pty.send_stdin(terminal.pid, b"stty size\n")
        output.until(r"43 132\r\n.*ready42> $")
        self.sandbox.pty.send_stdin(terminal.pid, b"exit 3\n")
        reader.join(DEADLINE_S)
        self.assertEqual(exits, [3])

    def test_a_terminal_is_killed_once(self):
        terminal = self.sandbox.pty.create(PtySize(rows=24, cols=80))
        self.assertTrue(self.sandbox.pty.kill(terminal.pid))
        self.assertEqual(ended_with(terminal, lambda _: None), -1)
        self.assertFalse(self.sandbox.pty.kill(terminal.pid))

    def test_a_command_that_takes_longer_than_its_timeout_is_killed(self):
        with self.assertRaises(TimeoutException):
            self.sandbox.commands.run("exec sleep 1000", timeout=0.3)
        gone = threading.Event()
        for _ in range(DEADLINE_S * 50):
            if not self.sandbox.commands.list():
                return
            gone.wait(0.02)
        self.fail(f"still there: {self.sandbox.commands.list()}")


def ended_with(handle, on_pty):
    """Reads the output of a terminal to its end and returns the exit code."""
    try:
        return handle.wait(on_pty=on_pty).exit_code
    except CommandExitException as error:
        return error.exit_code


if __name__ == "__main__":
    unittest.main()
