"""A project as people deploy it by Debian's real Capistrano, to a real OpenSSH server."""

import getpass
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.deployments.openssh import OpenSSH
from tests.repository import Repository

CAPFILE = """\
require "capistrano/setup"
require "capistrano/deploy"
require "capistrano/scm/git"
install_plugin Capistrano::SCM::Git
Dir.glob("lib/capistrano/tasks/*.rake").each { |r| import r }
"""

DEPLOY = """\
# config valid for current version and patch releases of Capistrano
lock "~> 3.17"

set :application, "shop"
set :repo_url, "{url}"
set :branch, ENV.fetch("BRANCH", "main")
set :deploy_to, "{home}/apps/#{{fetch(:application)}}"
set :keep_releases, 3
append :linked_files, "config/app.yml"
append :linked_dirs, "log"
set :ssh_options, {{ keys: %w[{key}], verify_host_key: :never, forward_agent: false }}
"""

STAGE = """\
server "127.0.0.1", port: {port}, user: "{user}", roles: %w{{app web}}
"""

TASKS = """\
namespace :deploy do
  desc "Restart the application"
  task :restart_app do
    on roles(:app) do
      execute :touch, release_path.join("tmp/restart.txt")
    end
  end
end
"""


@dataclass
class Project:
    """`cap` run in the folder of an application."""

    folder: Path
    server: OpenSSH

    @property
    def root(self) -> Path:
        return self.server.home / "apps/shop"

    def cap(self, *words: str, branch: str = "main") -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "USER": "grace",
            "LC_ALL": "C.UTF-8",
            "BRANCH": branch,
        }
        command = ["cap", "production", *words]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=180, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def current(self) -> str:
        return (self.root / "current").resolve().name

    def releases(self) -> list[str]:
        return sorted(path.name for path in (self.root / "releases").iterdir())


def make_project(folder: Path, server: OpenSSH, repository: Repository) -> Project:
    """Its key is let in; what is to be linked lies in shared/."""
    key = folder / "key"
    (folder / "config/deploy").mkdir(parents=True)
    (folder / "lib/capistrano/tasks").mkdir(parents=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-m", "PEM", "-f", key], check=True)
    (server.folder / "authorized_keys").write_text(key.with_suffix(".pub").read_text())
    texts = {
        "Capfile": CAPFILE,
        "config/deploy.rb": DEPLOY.format(url=repository.url, home=server.home, key=key),
        "config/deploy/production.rb": STAGE.format(port=server.port, user=getpass.getuser()),
        "lib/capistrano/tasks/restart.rake": TASKS,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    project = Project(folder, server)
    (project.root / "shared/config").mkdir(parents=True)
    (project.root / "shared/config/app.yml").write_text("secret: yes\n")
    return project
