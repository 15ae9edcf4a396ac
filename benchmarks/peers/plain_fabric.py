"""A deploy by Fabric as one would write it first. Run as a program: CONFIG HOSTS ROOT URL REVISION NAME KEEP."""

import sys
from pathlib import Path

from fabric import Config, ThreadingGroup
from paramiko.config import SSHConfig


def main() -> None:
    config, hosts, root, url, revision, name, keep = sys.argv[1:]
    release = f"{root}/releases/{name}"
    group = ThreadingGroup(*Path(hosts).read_text().split(), config=Config(ssh_config=SSHConfig.from_path(config)))
    commands = [
        f"mkdir -p {root}/releases {root}/shared/log {root}/shared/tmp/pids {root}/shared/public/uploads",
        f"[ -f {root}/shared/.env ]",
        f"[ -f {root}/repo/HEAD ] || git clone -q --mirror {url} {root}/repo",
        f"git -C {root}/repo remote update --prune",
        f"mkdir {release}",
        f"git -C {root}/repo archive {revision} | tar -x -C {release}",
        f"echo {revision} >{release}/REVISION",
        f"mkdir -p {release}/tmp {release}/public",
        *(f"ln -s {root}/shared/{path} {release}/{path}" for path in ("log", "tmp/pids", "public/uploads", ".env")),
        f"test -f {release}/config/app.yml",
        f"ln -s {release} {root}/.next && mv -T {root}/.next {root}/current",
        f"touch {release}/tmp/restart.txt",
        f"cd {root}/releases && ls -1 | head -n -{keep} | xargs -r rm -rf",
        f"echo {revision} as {name} >>{root}/revisions.log",
    ]
    for command in commands:
        group.run(command, hide=True, in_stream=False)


if __name__ == "__main__":
    main()
