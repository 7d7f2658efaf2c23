"""The files of the sandbox through the unmodified `e2b` SDK for Python, sync and async; test/wire/files/e2b-files.test.ts
is the same for JavaScript. The cases are those of E2B's own suite."""

import asyncio
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from e2b import AsyncSandbox, FilesystemEventType, FileType, NotFoundException, Sandbox

ROOT = pathlib.Path(__file__).parents[2]
DEADLINE_S = 15


def start_agent(mode):
    env = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    command = ["node", str(ROOT / "dist/cli/main.cjs"), "serve", "--port", "0", "--file-access", mode]
    agent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
    line = agent.stdout.readline()
    url = line.removeprefix("holdfast listening on ").strip()
    if not url.startswith("http://"):
        raise RuntimeError(f"the agent said {line!r} and not where it listens")
    return agent, url


class FilesTest(unittest.TestCase):
    mode = "agent"

    @classmethod
    def setUpClass(cls):
        cls.agent, cls.url = start_agent(cls.mode)
        cls.addClassCleanup(cls.stop_agent)
        cls.sandbox = Sandbox.create(debug=True, sandbox_url=cls.url)
        cls.files = cls.sandbox.files

    @classmethod
    def stop_agent(cls):
        cls.agent.terminate()
        code = cls.agent.wait(DEADLINE_S)
        cls.agent.stdout.close()
        if code != 0:
            raise AssertionError(f"the agent exited with {code}")

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="holdfast-python-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def test_a_file_is_written_and_read_as_text_bytes_and_stream(self):
        path = f"{self.folder}/new/file.txt"
        info = self.files.write(path, "héllo")
        self.assertEqual((info.name, info.path), ("file.txt", path))
        self.assertEqual(self.files.read(path), "héllo")
        self.assertEqual(bytes(self.files.read(path, format="bytes")).decode(), "héllo")
        self.assertEqual(b"".join(self.files.read(path, format="stream")).decode(), "héllo")

    def test_a_missing_file_is_not_found(self):
        path = f"{self.folder}/missing"
        for call in (self.files.read, self.files.get_info, self.files.list):
            with self.assertRaises(NotFoundException):
                call(path)
        with self.assertRaises(NotFoundException):
            self.files.rename(path, f"{path}2")
        self.assertFalse(self.files.exists(path))
        self.files.remove(path)

    def test_directories_are_made_listed_renamed_and_removed(self):
        self.assertTrue(self.files.make_dir(f"{self.folder}/a/b"))
        self.assertFalse(self.files.make_dir(f"{self.folder}/a/b"))
        self.files.write(f"{self.folder}/a/file", "12345")
        entries = self.files.list(f"{self.folder}/a")
        self.assertEqual([(one.name, one.type) for one in entries], [("b", FileType.DIR), ("file", FileType.FILE)])
        self.assertEqual(self.files.rename(f"{self.folder}/a", f"{self.folder}/c").name, "c")
        self.files.remove(f"{self.folder}/c")
        self.assertEqual(self.files.list(self.folder), [])

    def test_a_poll_after_the_write_of_a_new_file_holds_exactly_three_events(self):
        handle = self.files.watch_dir(self.folder)
        self.files.write(f"{self.folder}/new.txt", "content")
        events = handle.get_new_events()
        self.assertEqual(len(events), 3, events)
        self.assertEqual((events[0].type, events[0].name), (FilesystemEventType.CREATE, "new.txt"))
        self.assertEqual(
            sorted(event.type.value for event in events[1:]),
            sorted([FilesystemEventType.CHMOD.value, FilesystemEventType.WRITE.value]),
        )
        self.assertEqual(handle.get_new_events(), [])
        handle.stop()

    def test_a_recursive_watch_tells_nested_files(self):
        handle = self.files.watch_dir(self.folder, recursive=True)
        self.files.write(f"{self.folder}/nested/deep/file", "x")
        names = {event.name for event in handle.get_new_events()}
        self.assertIn("nested/deep/file", names)
        handle.stop()

    def test_the_async_sandbox_writes_reads_lists_and_watches(self):
        async def use():
            sandbox = await AsyncSandbox.create(debug=True, sandbox_url=self.url)
            seen = asyncio.Event()

            def on_event(event):
                if event.name == "file" and event.type == FilesystemEventType.WRITE:
                    seen.set()

            handle = await sandbox.files.watch_dir(self.folder, on_event)
            await sandbox.files.write(f"{self.folder}/file", "async")
            await asyncio.wait_for(seen.wait(), DEADLINE_S)
            await handle.stop()
            self.assertEqual(await sandbox.files.read(f"{self.folder}/file"), "async")
            self.assertEqual([one.name for one in await sandbox.files.list(self.folder)], ["file"])

        asyncio.run(use())


class FilesWithRightsOfTheUserTest(FilesTest):
    mode = "user"


if __name__ == "__main__":
    unittest.main()
