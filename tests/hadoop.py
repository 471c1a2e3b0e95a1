"""A real HDFS of one name node and one data node, with WebHDFS, on free loopback ports.

Spark's wheel of old carries the whole of Hadoop 2.7; what it leaves out for WebHDFS (Jersey 1) is in Debian.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from .compat.environments import ROOT, program
from .servers import START_TIMEOUT, ServerDiedError, free_port, log_tail

JERSEY = ("libjersey1-core-java", "libjersey1-server-java", "libjersey1-servlet-java", "libjsr311-api-java")
SETTINGS = """<configuration>{}</configuration>"""
LOGGING = """
log4j.rootLogger=INFO,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d %p %c{1}: %m%n
"""


class Hdfs:
    """The two nodes.

    Attributes:
        rpc: host and port of the name node's own protocol.
        http: host and port of WebHDFS.
    """

    def __init__(self, folder: Path) -> None:
        self.rpc, self.http = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self._folder = folder
        self._nodes: dict[str, subprocess.Popen[bytes]] = {}
        configuration, pages = folder / "configuration", folder / "pages" / "webapps"
        for page in ("hdfs", "datanode", "static"):
            (pages / page / "WEB-INF").mkdir(parents=True)
        configuration.mkdir()
        data = [f"127.0.0.1:{free_port()}" for _ in range(3)]
        settings = {
            "core-site.xml": {"fs.defaultFS": f"hdfs://{self.rpc}", "hadoop.tmp.dir": str(folder / "data")},
            "hdfs-site.xml": {
                "dfs.namenode.http-address": self.http,
                "dfs.datanode.address": data[0],
                "dfs.datanode.ipc.address": data[1],
                "dfs.datanode.http.address": data[2],
                "dfs.datanode.hostname": "127.0.0.1",
                "dfs.replication": "1",
                "dfs.permissions.enabled": "false",
                "dfs.webhdfs.enabled": "true",
                # A test needs no safety from a loss of power.
                "dfs.namenode.edits.noeditlogchannelflush": "true",
            },
        }
        for name, values in settings.items():
            lines = (
                f"<property><name>{key}</name><value>{value}</value></property>"
                for key, value in values.items()
            )
            (configuration / name).write_text(SETTINGS.format("".join(lines)), encoding="utf-8")
        (configuration / "log4j.properties").write_text(LOGGING, encoding="utf-8")
        spark = program("hadoop", "python").parents[1].glob("lib/python*/site-packages/pyspark/jars")
        jars = [configuration, pages.parent, *_jersey(), *(jars / "*" for jars in spark)]
        self._classpath = ":".join(str(jar) for jar in jars)

    def start(self) -> None:
        """Make the file system, start both nodes, and wait until files can be written."""
        subprocess.run(
            [*self._java("namenode.NameNode"), "-format", "-force"], check=True, capture_output=True
        )
        self.start_node("namenode.NameNode")
        self.start_node("datanode.DataNode")
        self._wait_for(
            lambda: _status("PUT", f"http://{self.http}/webhdfs/v1/ready?op=CREATE&user.name=t") == 307
        )

    def start_node(self, node: str) -> None:
        """Start ``namenode.NameNode`` or ``datanode.DataNode``."""
        with (self._folder / f"{node}.log").open("ab") as output:
            self._nodes[node] = subprocess.Popen(
                self._java(node), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    def stop_node(self, node: str) -> None:
        """End a node at once."""
        process = self._nodes.pop(node)
        process.kill()
        process.wait()

    def stop(self) -> None:
        """End both nodes."""
        for node in list(self._nodes):
            self.stop_node(node)

    def _java(self, node: str) -> list[str]:
        java = shutil.which("java")
        if java is None:
            raise ServerDiedError("the tests of HDFS need 'java' on PATH (Debian: default-jre-headless)")
        return [java, "-Xmx256m", "-cp", self._classpath, f"org.apache.hadoop.hdfs.server.{node}"]

    def _wait_for(self, condition: object) -> None:
        assert callable(condition)
        deadline = time.monotonic() + START_TIMEOUT
        while not condition():
            for node, process in self._nodes.items():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise ServerDiedError(log_tail(self._folder / f"{node}.log"))
            time.sleep(0.1)


@contextlib.contextmanager
def hdfs(folder: Path) -> Iterator[Hdfs]:
    """A file system for the length of a ``with`` block."""
    cluster = Hdfs(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def _jersey() -> list[Path]:
    """The jars of Jersey 1, unpacked from Debian's packages without installing them."""
    folder = ROOT / ".cache" / "jersey"
    if not folder.exists():
        making = folder.with_name("jersey.making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        subprocess.run(["apt-get", "download", "-qq", *JERSEY], cwd=making, check=True)
        for package in making.glob("*.deb"):
            subprocess.run(["dpkg", "-x", package.name, "."], cwd=making, check=True)
        making.rename(folder)
    return [jar for jar in (folder / "usr" / "share" / "java").glob("*.jar") if not jar.is_symlink()]


def _status(method: str, url: str) -> int:
    """The status of an answer, which is not followed; 0 if there is none."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    try:
        with urllib.request.build_opener(Stay).open(
            urllib.request.Request(url, method=method), timeout=5
        ) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0
