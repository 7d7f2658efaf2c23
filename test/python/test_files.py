"""The files of the sandbox through the unmodified `e2b` SDK for Python, sync and async; test/wire/files/e2b-files.test.ts
is the same for JavaScript. The cases are those of E2B's own suite."""

import asyncio
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest
import urllib.error
import urllib.request

from e2b import (
    AsyncSandbox,
    AuthenticationException,
    FilesystemEventType,
    FileType,
    InvalidArgumentException,
    NotFoundException,
    Sandbox,
    SandboxException,
)

ROOT = pathlib.Path(__file__).parents[2]
DEADLINE_S = 15


def start_agent(mode, more_env=None):
    env = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    env.update(more_env or {})
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

    def test_several_files_are_written_at_once(self):
        paths = [f"{self.folder}/{name}" for name in ("a", "b/c", "d")]
        infos = self.files.write_files([{"path": path, "data": path} for path in paths])
        self.assertEqual([info.path for info in infos], paths)
        self.assertEqual([self.files.read(path) for path in paths], paths)

    def test_an_empty_file_and_one_that_is_overwritten_are_read(self):
        path = f"{self.folder}/file"
        self.files.write(path, "")
        self.assertEqual((self.files.read(path), bytes(self.files.read(path, format="bytes"))), ("", b""))
        self.files.write(path, "longer than before")
        self.files.write(path, b"\x00\xff")
        self.assertEqual(bytes(self.files.read(path, format="bytes")), b"\x00\xff")

    def test_a_large_file_is_compressed_on_request_and_streamed(self):
        path = f"{self.folder}/large"
        content = b"some content " * 300_000
        self.files.write(path, content, gzip=True)
        self.assertEqual(bytes(self.files.read(path, format="bytes", gzip=True)), content)
        self.assertEqual(b"".join(self.files.read(path, format="stream")), content)

    def test_info_shows_type_size_mode_owner_and_links(self):
        path = f"{self.folder}/file"
        self.files.write(path, "12345")
        os.symlink("file", f"{self.folder}/link")
        info = self.files.get_info(path)
        self.assertEqual((info.type, info.size, info.mode, info.permissions), (FileType.FILE, 5, 0o644, "-rw-r--r--"))
        self.assertEqual((info.owner, info.group), ("root", "root"))
        self.assertIsNotNone(info.modified_time.tzinfo)
        self.assertEqual(self.files.get_info(f"{self.folder}/link").symlink_target, path)
        self.assertEqual(self.files.get_info(self.folder).type, FileType.DIR)

    def test_metadata_is_written_listed_renamed_and_cleared(self):
        path = f"{self.folder}/file"
        self.assertEqual(self.files.write(path, "x", metadata={"purpose": "test"}).metadata, {"purpose": "test"})
        self.assertEqual(self.files.get_info(path).metadata, {"purpose": "test"})
        self.assertEqual(self.files.list(self.folder)[0].metadata, {"purpose": "test"})
        self.assertEqual(self.files.rename(path, f"{path}2").metadata, {"purpose": "test"})
        self.files.write(f"{path}2", "y")
        self.assertFalse(self.files.get_info(f"{path}2").metadata)

    def test_lists_have_a_depth_and_an_order(self):
        for name in ("b/c/d", "a", "B"):
            self.files.write(f"{self.folder}/{name}", "")
        names = lambda depth: [one.path[len(self.folder) + 1 :] for one in self.files.list(self.folder, depth=depth)]
        self.assertEqual(names(1), ["B", "a", "b"])
        self.assertEqual(names(3), ["B", "a", "b", "b/c", "b/c/d"])
        with self.assertRaises(InvalidArgumentException):
            self.files.list(self.folder, depth=0)

    def test_wrong_watches_are_errors(self):
        with self.assertRaises(NotFoundException):
            self.files.watch_dir(f"{self.folder}/missing")
        self.files.write(f"{self.folder}/file", "")
        with self.assertRaises(SandboxException):
            self.files.watch_dir(f"{self.folder}/file")
        handle = self.files.watch_dir(self.folder)
        handle.stop()
        with self.assertRaises(SandboxException):
            handle.get_new_events()

    def test_files_of_a_user_belong_to_the_user_and_an_unknown_user_is_refused(self):
        os.chmod(self.folder, 0o777)
        path = f"{self.folder}/file"
        self.files.write(path, "x", user="nobody")
        self.assertEqual(self.files.get_info(path).owner, "nobody")
        with self.assertRaises(AuthenticationException):
            self.files.write(path, "x", user="no-such-user")

    def test_the_first_python_sdk_gets_only_the_fields_that_it_knows(self):
        """It names itself `connect-python`, and fails on others."""
        pathlib.Path(f"{self.folder}/file").write_text("x")
        os.symlink("missing", f"{self.folder}/dangling")
        request = urllib.request.Request(
            f"{self.url}/filesystem.Filesystem/ListDir",
            json.dumps({"path": self.folder}).encode(),
            {"Content-Type": "application/json", "User-Agent": "connect-python"},
        )
        with urllib.request.urlopen(request) as answer:
            entries = json.load(answer)["entries"]
            self.assertEqual(answer.headers["X-E2B-Legacy-SDK"], "true")
        self.assertEqual(
            entries,
            [
                {"name": "dangling", "path": f"{self.folder}/dangling"},
                {"name": "file", "type": "FILE_TYPE_FILE", "path": f"{self.folder}/file"},
            ],
        )

    def test_the_async_sandbox_has_the_same_errors_metadata_and_batches(self):
        async def use():
            files = (await AsyncSandbox.create(debug=True, sandbox_url=self.url)).files
            missing = f"{self.folder}/missing"
            for call in (files.read, files.get_info, files.list):
                with self.assertRaises(NotFoundException):
                    await call(missing)
            self.assertFalse(await files.exists(missing))
            self.assertTrue(await files.make_dir(f"{self.folder}/a"))
            self.assertFalse(await files.make_dir(f"{self.folder}/a"))
            paths = [f"{self.folder}/a/{index}" for index in range(20)]
            await files.write_files([{"path": path, "data": path} for path in paths])
            self.assertEqual(await asyncio.gather(*(files.read(path) for path in paths)), paths)
            await files.write(paths[0], "x", metadata={"purpose": "test"})
            self.assertEqual((await files.get_info(paths[0])).metadata, {"purpose": "test"})
            await files.rename(f"{self.folder}/a", f"{self.folder}/b")
            self.assertEqual(len(await files.list(f"{self.folder}/b")), 20)
            chunks = [chunk async for chunk in await files.read(f"{self.folder}/b/1", format="stream")]
            self.assertEqual(b"".join(chunks).decode(), paths[1])
            await files.remove(f"{self.folder}/b")
            self.assertEqual(await files.list(self.folder), [])

        asyncio.run(use())

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


class ControlPlane(http.server.BaseHTTPRequestHandler):
    """A small stand-in for E2B's API, from which the SDK learns a token and a version."""

    token = "a-token-of-more-than-enough-letters"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        facts = {"sandboxID": "isandbox", "templateID": "template", "clientID": "client", "alias": "base"}
        body = json.dumps({**facts, "envdVersion": "0.6.4", "envdAccessToken": self.token}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_DELETE(self):
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class SecureFilesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.agent, cls.url = start_agent("agent", {"HOLDFAST_ACCESS_TOKEN": ControlPlane.token})
        cls.addClassCleanup(cls.stop_agent)
        api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), ControlPlane)
        threading.Thread(target=api.serve_forever, daemon=True).start()
        cls.addClassCleanup(api.server_close)
        cls.addClassCleanup(api.shutdown)
        cls.options = {
            "api_url": f"http://127.0.0.1:{api.server_port}",
            "sandbox_url": cls.url,
            "api_key": f"e2b_{'0' * 40}",
            "secure": True,
        }
        cls.sandbox = Sandbox.create(**cls.options)

    @classmethod
    def stop_agent(cls):
        cls.agent.terminate()
        cls.agent.wait(DEADLINE_S)
        cls.agent.stdout.close()

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="holdfast-python-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def fetch(self, url, data=None):
        headers = {} if data is None else {"Content-Type": "application/octet-stream"}
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)["message"]

    def test_the_token_of_the_control_plane_opens_the_files(self):
        path = f"{self.folder}/file"
        self.sandbox.files.write(path, "secret")
        self.assertEqual(self.sandbox.files.read(path), "secret")
        self.assertEqual(self.sandbox.files.list(self.folder)[0].name, "file")
        self.assertEqual(self.fetch(f"{self.url}/files?path={path}")[0], 401)

    def test_signed_urls_read_and_write_and_expire(self):
        path = f"{self.folder}/file"
        upload = self.sandbox.upload_url(path, use_signature_expiration=60)
        self.assertEqual(self.fetch(upload, b"signed")[0], 200)
        for url in (
            self.sandbox.download_url(path),
            self.sandbox.download_url(path, use_signature_expiration=60),
            self.sandbox.download_url(path, user="root", use_signature_expiration=60),
        ):
            self.assertEqual(self.fetch(url), (200, "signed"))
        expired = self.sandbox.download_url(path, use_signature_expiration=-60)
        self.assertEqual(self.fetch(expired), (401, "signature is already expired"))
        self.assertEqual(self.fetch(upload)[0], 401)

    def test_the_async_sandbox_does_the_same(self):
        async def use():
            sandbox = await AsyncSandbox.create(**self.options)
            path = f"{self.folder}/async"
            await sandbox.files.write(path, "secret")
            self.assertEqual(await sandbox.files.read(path), "secret")
            self.assertEqual(self.fetch(sandbox.download_url(path)), (200, "secret"))

        asyncio.run(use())


if __name__ == "__main__":
    unittest.main()
