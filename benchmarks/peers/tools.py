"""How other tools make the same deploy, each as its own documentation has it.

A tool is a function from scenario, place and revision to a command line, which ends with 0 when all hosts are live.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.peers.fleet import USER, Fleet
from benchmarks.peers.scenario import Scenario
from benchmarks.peers.verify import KEEP, LINKED_DIRS, LINKED_FILES

Tool = Callable[[Scenario, str, str], list[str]]
FABRIC = Path(__file__).resolve().parent / "plain_fabric.py"

_SCRIPT = """\
set -e
root={root} revision={revision} release={root}/releases/{name}
mkdir -p $root/releases $root/shared/log $root/shared/tmp/pids $root/shared/public/uploads
[ -f $root/shared/.env ]
[ -f $root/repo/HEAD ] || git clone -q --mirror {url} $root/repo
git -C $root/repo cat-file -e "$revision^{{commit}}" 2>/dev/null || git -C $root/repo remote update --prune >/dev/null
mkdir $release
git -C $root/repo archive $revision | tar -x -C $release
echo $revision >$release/REVISION
mkdir -p $release/tmp $release/public
ln -s $root/shared/log $release/log
ln -s $root/shared/tmp/pids $release/tmp/pids
ln -s $root/shared/public/uploads $release/public/uploads
ln -s $root/shared/.env $release/.env
[ -f $release/config/app.yml ]
ln -s $release $root/.current.{name}
mv -T $root/.current.{name} $root/current
touch $release/tmp/restart.txt
cd $root/releases
ls -1 | head -n -{keep} | xargs -r rm -rf
echo "$(date) $revision as {name}" >>$root/revisions.log
"""

_CAPFILE = """\
require "capistrano/setup"
require "capistrano/deploy"
require "capistrano/scm/git"
install_plugin Capistrano::SCM::Git
"""
_CAP_DEPLOY = """\
set :application, "app"
set :repo_url, "{url}"
set :deploy_to, "{root}"
set :keep_releases, {keep}
set :branch, "{revision}"
set :linked_dirs, %w[{dirs}]
set :linked_files, %w[{files}]
set :ssh_options, {{config: "{etc}/ssh_config", verify_host_key: :always}}
set :format_options, log_file: nil
namespace :deploy do
  task(:check_release) {{ on(roles(:all)) {{ execute :test, "-f", release_path.join("config/app.yml") }} }}
  task(:restart) {{ on(roles(:all)) {{ execute :touch, release_path.join("tmp/restart.txt") }} }}
  after "deploy:updated", "deploy:check_release"
  after "deploy:published", "deploy:restart"
end
"""


def openssh(scenario: Scenario, place: str, revision: str) -> list[str]:
    """One script over one connection per host, all at once: less than this no tool over SSH can do."""
    folder = _folder(scenario.fleet, place)
    (folder / "deploy.sh").write_text(
        _SCRIPT.format(
            root=scenario.fleet.root / place,
            revision=revision,
            name=_release_name(),
            url=scenario.repository.url,
            keep=KEEP,
        )
    )
    (folder / "hosts").write_text("".join(f"{address}\n" for address in scenario.reached))
    ssh = f"ssh -F {_etc(scenario.fleet)}/ssh_config -o KexAlgorithms=curve25519-sha256 {{}} sh -s <{folder}/deploy.sh"
    return ["xargs", "-a", str(folder / "hosts"), "-P", str(len(scenario.reached)), "-I{}", "sh", "-c", ssh]


def capistrano(scenario: Scenario, place: str, revision: str) -> list[str]:
    """Capistrano 3 with its git strategy and its parallel runner, as `cap install` sets it up."""
    folder = _folder(scenario.fleet, place)
    (folder / "config" / "deploy").mkdir(parents=True, exist_ok=True)
    (folder / "Capfile").write_text(_CAPFILE)
    values = {
        "url": scenario.repository.url,
        "root": scenario.fleet.root / place,
        "keep": KEEP,
        "revision": revision,
        "dirs": " ".join(LINKED_DIRS),
        "files": " ".join(LINKED_FILES),
        "etc": _etc(scenario.fleet),
    }
    (folder / "config" / "deploy.rb").write_text(_CAP_DEPLOY.format(**values))
    servers = "".join(f'server "{address}", user: "{USER}", roles: %w[app]\n' for address in scenario.reached)
    (folder / "config" / "deploy" / "production.rb").write_text(servers)
    return ["sh", "-c", f"cd {folder} && exec cap production deploy"]


def fabric(scenario: Scenario, place: str, revision: str) -> list[str]:
    """A Fabric 3 group with one `run` per command, as its documentation shows."""
    folder = _folder(scenario.fleet, place)
    (folder / "hosts").write_text("".join(f"{address}\n" for address in scenario.reached))
    root = str(scenario.fleet.root / place)
    config = f"{_etc(scenario.fleet)}/ssh_config"
    words = (config, str(folder / "hosts"), root, scenario.repository.url, revision, _release_name(), str(KEEP))
    return [sys.executable, str(FABRIC), *words]


def _release_name() -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime())


def _etc(fleet: Fleet) -> Path:
    return fleet.folder / "etc"


def _folder(fleet: Fleet, place: str) -> Path:
    folder = fleet.folder / "tools" / place
    folder.mkdir(parents=True, exist_ok=True)
    return folder
