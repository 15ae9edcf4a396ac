"""What a target says of how it is deployed, done on hosts: roles, steps that run once, shared files, facts."""

import re
from pathlib import Path

from deployments import log
from deployments.runs import release_of
from tests.deployments.conftest import MakeFleetTarget
from tests.deployments.ended import errors, request, statuses
from tests.deployments.fleet import Driver, step
from tests.repository import Repository


def test_a_step_that_runs_once_runs_where_its_role_is(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(
        hosts=4,
        roles={1: ["db"], 2: ["db", "web"], 3: ["web"]},
        steps=[
            step("migrate", "echo x >>../../once", "once", roles=["db"]),
            step("warm", "echo x >>../../warm", "after", roles=["web"]),
        ],
    )
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, errors(deploy)) == ("succeeded", {})
    ran = [n for n, root in enumerate(place.roots()) if (root / "once").exists()]
    assert ran == [1]
    assert (place.roots()[1] / "once").read_text() == "x\n"
    assert [n for n, root in enumerate(place.roots()) if (root / "warm").exists()] == [2, 3]


def test_a_step_that_runs_once_and_fails_stops_all(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(steps=[step("migrate", "echo x >>../../once; exit 3", "once")])
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, statuses(deploy)) == ("failed", ["failed", "skipped"])
    assert [root / "once" for root in place.roots() if (root / "once").exists()] == [place.roots()[0] / "once"]
    assert not any((root / "current").exists() for root in place.roots())


def test_only_hosts_with_the_targets_role_take_part(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=3, roles={0: ["web"], 2: ["web"]}, role="web")
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, deploy.reason) == ("succeeded", "2 of 2 hosts are live.")
    assert not place.roots()[1].exists()


def test_shared_folders_and_files_are_linked(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(
        hosts=1,
        linked_dirs=["log", "public/uploads"],
        linked_files=["settings.ini"],
        umask="027",
        steps=[step("build", "echo x >built")],
    )
    (root,) = place.roots()
    refused = driver.run_to_end(request(place))
    assert refused.status == "failed"
    assert "shared/settings.ini does not exist on this host" in next(iter(errors(refused).values()))
    (root / "shared/settings.ini").write_text("colour = blue\n")
    (root / "shared/log").mkdir(exist_ok=True)
    (root / "shared/log/old").write_text("kept\n")
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, errors(deploy)) == ("succeeded", {})
    assert (root / "current/settings.ini").read_text() == "colour = blue\n"
    assert (root / "current/log/old").read_text() == "kept\n"
    assert (root / "current/public/uploads").is_symlink()
    assert (root / "current/built").stat().st_mode & 0o777 == 0o640


def test_steps_are_told_where_they_are(make_fleet_target: MakeFleetTarget, driver: Driver) -> None:
    place = make_fleet_target(hosts=1, roles={0: ["web", "db"]}, steps=[step("say", "env | grep ^DEPLOYER_; pwd -P")])
    deploy = driver.run_to_end(request(place))
    (host,) = place.homes
    said = {line.text for line in log.read_all(deploy.pk, host=host)}
    root = place.root(host).resolve()
    assert {
        f"DEPLOYER_APPLICATION={place.target.application.name}",
        f"DEPLOYER_ENVIRONMENT={place.target.environment.name}",
        f"DEPLOYER_HOST={host}",
        "DEPLOYER_REGION=eu-west",
        "DEPLOYER_ZONE=eu-west-a",
        "DEPLOYER_ROLES=web db",
        "DEPLOYER_NUMBER=1",
        "DEPLOYER_REF=main",
        f"DEPLOYER_REVISION={deploy.revision}",
        f"DEPLOYER_ROOT={root}",
        f"DEPLOYER_RELEASE_PATH={root}/releases/{release_of(deploy).name}",
        f"DEPLOYER_SHARED_PATH={root}/shared",
        f"{root}/releases/{release_of(deploy).name}",
    } <= said


def test_presets_and_the_repositorys_own_steps_do_their_work(
    make_fleet_target: MakeFleetTarget, driver: Driver, repositories: Path
) -> None:
    (repositories / "own-steps").mkdir()
    repository = Repository(repositories / "own-steps")
    repository.commit(
        {
            "public/app.css": "a  {  }\n",
            "deployer.yml": "linked_dirs: [pids]\n"
            "steps:\n"
            "  - {name: shrink, preset: asset-minify, parameters: {folders: public, tool: \"tr -s ' '\"}}\n"
            "  - {name: reload, preset: restart-touch-file}\n  - {name: say, command: echo colour $COLOUR}\n",
        }
    )
    place = make_fleet_target(
        hosts=2,
        repository=repository,
        steps=[
            step("load", "", preset="load-configuration", parameters={"to": ".env"}),
            step("up", "", "once", preset="database-migration", parameters={"command": 'echo "up $COLOUR" >>../../up'}),
        ],
    )
    for root in place.roots():
        (root / "shared").mkdir(parents=True)
        (root / "shared/.env").write_text("COLOUR=blue\n")
    deploy = driver.run_to_end(request(place))
    assert (deploy.status, errors(deploy)) == ("succeeded", {})
    for host, root in zip(place.homes, place.roots(), strict=True):
        assert (root / "current/.env").read_text() == "COLOUR=blue\n"
        assert (root / "current/public/app.css").read_text() == "a { }\n"
        assert (root / "current/tmp/restart.txt").exists()
        assert (root / "current/pids").is_symlink()
        assert "colour blue" in {line.text for line in log.read_all(deploy.pk, host=host)}
    assert [(root / "up").read_text() for root in place.roots() if (root / "up").exists()] == ["up blue\n"]


def test_a_sudoers_line_that_is_missing_ends_the_deploy_before_anything_changes(
    make_fleet_target: MakeFleetTarget, driver: Driver, tmp_path: Path
) -> None:
    (tmp_path / "sudo").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "sudo").chmod(0o755)
    place = make_fleet_target(
        hosts=1,
        path_prepend=[str(tmp_path)],
        steps=[step("restart", "touch /etc/shop", "restart", sudo=True)],
    )
    deploy = driver.run_to_end(request(place))
    (told,) = errors(deploy).values()
    assert deploy.status == "failed"
    assert re.search(r"visudo -f /etc/sudoers.d/deployer.*ALL=\(root\) NOPASSWD: \S*/touch /etc/shop", told)
    assert not any((root / "releases").exists() for root in place.roots())
