"""Projects of Capistrano as they are found, and what becomes of them."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from deployments.capistrano.configuration import read_stage, stages
from deployments.capistrano.findings import Configuration
from deployments.capistrano.making import make
from deployments.capistrano.refusals import CannotRead, CannotTranslate
from deployments.capistrano.translation import Plan, translate
from environments.access import NotAllowed
from environments.models import Application, Environment, Host, Membership, Target, User
from notifications.models import Event

CAPFILE = """\
require "capistrano/setup"
require "capistrano/deploy"
require "capistrano/scm/git"
install_plugin Capistrano::SCM::Git
require "capistrano/rails"
require "airbrussh/capistrano"
Dir.glob("lib/capistrano/tasks/*.rake").each { |r| import r }
"""
DEPLOY = """\
lock "~> 3.17"
set :application, "my_shop"
set :repo_url, "git@git.example.com:web/shop.git"
ask :branch, `git rev-parse --abbrev-ref HEAD`.chomp
set :deploy_to, -> { "/srv/#{fetch(:application)}/#{fetch(:stage)}" }
append :linked_files, "config/database.yml", 'config/master.key'
append :linked_dirs, "log", "tmp/pids"
set :linked_dirs, fetch(:linked_dirs, []).push("public/system")
set :keep_releases, 3
set :default_env, { path: "/opt/ruby/bin:$PATH", rails_env: "production" }
set :ssh_options, { forward_agent: true, user: "deploy" }
set :puma_threads, [4, 16]
namespace :deploy do
  desc "Restart application"
  task :restart do
    on roles(:app), in: :sequence, wait: 5 do
      execute :touch, release_path.join("tmp/restart.txt")
    end
  end
  after :publishing, :restart
  after :finishing, "slack:tell"
  before :updated, :migrate do
    on primary(:db) do
      within release_path do
        with rails_env: fetch(:rails_env) do
          execute :rake, "db:migrate"
        end
      end
    end
  end
end
"""
STAGE = """\
server "web1.example.com", roles: %w{app web}, my_property: :x
server "web2.example.com:2222", user: "deploy", roles: [:app, "web"]
role :db, %w{deploy@db1.example.com}, no_release: true
set :branch, "main" if ENV["NIGHT"]
"""
RAKE = """\
task :remote_console do
  run_locally { execute "ssh web1" }
end
"""


@pytest.fixture
def capfile(tmp_path: Path) -> Path:
    return project(tmp_path)


def project(folder: Path, **texts: str) -> Path:
    files = {
        "Capfile": CAPFILE,
        "config/deploy.rb": DEPLOY,
        "config/deploy/production.rb": STAGE,
        "lib/capistrano/tasks/console.rake": RAKE,
    } | {name.replace("__", "/").replace("_rb", ".rb"): text for name, text in texts.items()}
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "Capfile"


def plan_of(capfile: Path, stage: str = "production", **fixed: str) -> Plan:
    return translate(read_stage(capfile, stage, fixed))


def notes(found: Plan | Configuration) -> list[str]:
    return [f"{finding.at}: {finding.text}" for finding in found.findings]


def test_what_people_write_is_understood(capfile: Path) -> None:
    assert stages(capfile) == ["production"]
    plan = plan_of(capfile)
    assert plan.problems == []
    assert (plan.slug, plan.repository, plan.branch) == (
        "my-shop/production",
        "git@git.example.com:web/shop.git",
        "master",
    )
    assert (plan.root, plan.user, plan.keep, plan.path_prepend) == (
        "/srv/my_shop/production",
        "deploy",
        3,
        ["/opt/ruby/bin"],
    )
    assert plan.linked_dirs == ["log", "tmp/pids", "public/system"]
    assert plan.linked_files == ["config/database.yml", "config/master.key"]
    assert [(host.name, host.address, host.port, host.roles) for host in plan.hosts] == [
        ("web1", "web1.example.com", 22, ["app", "web"]),
        ("web2", "web2.example.com", 2222, ["app", "web"]),
        ("db1", "db1.example.com", 22, ["db"]),
    ]
    assert plan.role == "app", "the database host gets no releases"


@pytest.mark.parametrize(
    "note",
    [
        "Capfile:5: require 'capistrano/rails': add steps with the presets asset-compile and database-migration",
        "Capfile:6: require 'airbrussh/capistrano': this plugin is not known here",
        "config/deploy.rb:2: the application 'my_shop' is called my-shop here.",
        "config/deploy.rb:4: Capistrano asks for the branch; here it is chosen with each deploy.",
        "config/deploy.rb:10: default_env sets rails_env; set it in the steps that need it.",
        "config/deploy.rb:12: puma_threads is read by nothing here",
        "config/deploy.rb:15: task deploy:restart (Restart application) runs `touch {release_path}/tmp/restart.txt`. "
        "It runs after deploy:publishing: make it a step with the preset restart-touch-file, phase restart, roles app.",
        "config/deploy.rb:21: hook: slack:tell runs after deploy:finishing. Make it a step with the preset command, "
        "phase after.",
        "config/deploy.rb:22: task deploy:migrate runs `rake db:migrate`. It runs before deploy:updated: make it a "
        "step with the preset database-migration, phase once, roles db.",
        "config/deploy/production.rb:1: no_release: db1.example.com get no releases, by the role app.",
        "config/deploy/production.rb:1: web1.example.com has properties that nothing reads here: my_property.",
        'config/deploy/production.rb:4: `set :branch, "main" if ENV["NIGHT"]` depends on a condition and was not '
        "followed. Say what holds with --set branch=…",
        "lib/capistrano/tasks/console.rake:1: task remote_console runs `ssh web1`. It works on the machine of whoever "
        "deploys (run_locally), which steps do not. Nothing runs it by itself: make it a task of the target.",
    ],
)
def test_what_is_not_translated_is_listed_with_its_line(capfile: Path, note: str) -> None:
    found = notes(plan_of(capfile))
    assert any(text.startswith(note) for text in found), "\n".join(found)


def test_nothing_is_executed(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    evil = f"system('touch {canary}')\n`touch {canary}`\nx = %x(touch {canary})\nset :a, \"#{{`touch {canary}`}}\"\n"
    capfile = project(tmp_path, config__deploy_rb=evil + DEPLOY)
    found = notes(plan_of(capfile))
    assert not canary.exists()
    assert any("system(" in text and "was not understood" in text for text in found)


@pytest.mark.parametrize("name", ["../other.rb", "/etc/passwd", "lib/../../x/*.rb"])
def test_files_outside_the_project_are_not_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "other.rb").write_text("set :keep_releases, 99")
    (tmp_path / "shop").mkdir()
    capfile = project(tmp_path / "shop", config__deploy_rb=f'{DEPLOY}load "{name}"\n')
    plan = plan_of(capfile)
    assert plan.keep == 3
    assert any("was not read" in text and "leads out of" in text for text in notes(plan))


def test_environment_variables_have_their_defaults_and_it_is_said(tmp_path: Path) -> None:
    text = 'set :branch, ENV.fetch("BRANCH", "main")\nset :keep_releases, (ENV["KEEP"] || 7)\n'
    plan = plan_of(project(tmp_path, config__deploy__production_rb=STAGE + text))
    assert (plan.branch, plan.keep) == ("main", 7)
    assert ": The environment variable BRANCH can change it when Capistrano runs; here it is 'main'." in notes(plan)


def test_loops_over_servers_are_followed(tmp_path: Path) -> None:
    loop = '%w[a b].each do |name|\n  server "#{name}.example.com", user: "d", roles: %w{app}\nend\n'
    assert [host.name for host in plan_of(project(tmp_path, config__deploy__production_rb=loop)).hosts] == ["a", "b"]


def test_names_of_hosts_do_not_collide(tmp_path: Path) -> None:
    text = "".join(
        f'server "{address}", user: "d", roles: %w{{app}}\n'
        for address in ("web.eu.example.com", "web.us.example.com", "10.0.0.5", "10.0.0.5:2222", "db_1.x")
    )
    plan = plan_of(project(tmp_path, config__deploy__production_rb=text))
    assert [host.name for host in plan.hosts] == [
        "web-eu-example-com",
        "web-us-example-com",
        "10-0-0-5",
        "10-0-0-5-2222",
    ]
    assert any("'db_1.x' is no host name" in text for text in notes(plan))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('set :deploy_to, "/"', "deploy_to: '/' must be an absolute path"),
        ("set :deploy_to, compute()", "deploy_to needs a run of Ruby (`compute`). Say it with --set deploy_to=…."),
        ("set :deploy_to, -> { fetch(:deploy_to) }", "settings that refer to each other"),
        ('set :repo_url, "ext::sh -c x"', "repo_url: 'ext::sh -c x' is no address of a repository."),
        ('set :current_directory, "live"', "current_directory is 'live'; here it is always 'current'."),
        ("set :repo_tree, 'sub'", "repo_tree deploys a part of the repository only"),
        ("set :scm, :svn", "only git is deployed here."),
    ],
)
def test_what_stands_in_the_way_is_a_problem(tmp_path: Path, text: str, said: str) -> None:
    plan = plan_of(project(tmp_path, config__deploy__production_rb=f"{STAGE}{text}\n"))
    assert [said in problem.text for problem in plan.problems] == [True]
    with pytest.raises(CannotTranslate):
        make(plan, by=None, actor="")


def test_what_only_a_run_tells_can_be_said(tmp_path: Path) -> None:
    capfile = project(tmp_path, config__deploy__production_rb=f"{STAGE}set :deploy_to, compute()\n")
    plan = plan_of(capfile, deploy_to="/srv/x/y", branch="release", user="me")
    assert (plan.root, plan.branch, plan.user, plan.problems) == ("/srv/x/y", "release", "me", [])


def test_without_servers_or_a_user_nothing_is_made(tmp_path: Path) -> None:
    plan = plan_of(project(tmp_path, config__deploy__production_rb="", config__deploy_rb=DEPLOY.replace("user:", "x:")))
    assert sorted(problem.text.split(";")[0] for problem in plan.problems) == [
        "no SSH user is named",
        "no server was found",
    ]


def test_a_file_that_is_no_ruby_is_named(tmp_path: Path) -> None:
    capfile = project(tmp_path, config__deploy_rb="set :a, 'x\n")
    with pytest.raises(CannotRead, match=r"config/deploy\.rb:1: the text that begins with ' has no end"):
        plan_of(capfile)
    with pytest.raises(CannotRead, match="cannot be read"):
        stages(tmp_path / "nothing")


@pytest.mark.both_databases
@pytest.mark.django_db
def test_a_plan_becomes_rows_and_what_is_there_stays(capfile: Path) -> None:
    Environment.objects.create(name="staging", position=4)
    made = make(plan_of(capfile), by=None, actor="someone (command line)")
    target = Target.objects.get()
    assert made.target == target
    assert (target.slug, target.root, target.user, target.keep, target.role) == (
        "my-shop/production",
        "/srv/my_shop/production",
        "deploy",
        3,
        "app",
    )
    assert target.environment.position == 5
    assert dict(Membership.objects.values_list("host__name", "roles")) == {
        "web1": ["app", "web"],
        "web2": ["app", "web"],
        "db1": ["db"],
    }
    assert (Host.objects.get(name="web2").port, Host.objects.get(name="web2").zone) == (2222, None)
    assert Event.objects.get(kind="target.imported").facts["made"] == made.made
    Target.objects.update(keep=9)
    again = make(plan_of(capfile), by=None, actor="")
    assert (again.made, len(again.kept), Target.objects.get().keep) == ([], 6, 9)
    assert Event.objects.filter(kind="target.imported").count() == 1


@pytest.mark.django_db
def test_another_application_of_that_name_is_not_taken(capfile: Path, viewer: User) -> None:
    Application.objects.create(name="my-shop", repository="https://git.example.com/other.git")
    with pytest.raises(CannotTranslate, match="There is an application my-shop already"):
        make(plan_of(capfile), by=None, actor="")
    assert not Environment.objects.exists(), "all or nothing"
    with pytest.raises(NotAllowed):
        make(plan_of(capfile), by=viewer, actor="")


@pytest.mark.django_db
def test_a_host_of_that_name_elsewhere_is_not_taken(capfile: Path) -> None:
    Host.objects.create(name="web1", address="web1.elsewhere.example")
    make(plan_of(capfile), by=None, actor="")
    assert Host.objects.get(address="web1.example.com").name == "production-web1"


def run_command(*words: str) -> str:
    out = io.StringIO()
    call_command("import-capistrano", *words, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_command_shows_makes_and_says_what_comes_next(capfile: Path) -> None:
    said = run_command(str(capfile), "--dry-run")
    assert "my-shop/production: git@git.example.com:web/shop.git, branch master" in said
    assert "not translated: config/deploy.rb:15: task deploy:restart" in said
    assert not Application.objects.exists()
    said = run_command(str(capfile), "--stage", "production")
    assert Target.objects.get().slug == "my-shop/production"
    assert "manage.py hostkey scan db1" in said
    assert "manage.py import-capistrano --history my-shop/production" in said


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Name a Capfile, or --history"),
        (("--stage", "x"), "There is no stage x. There are: production."),
        (("--set", "x"), "write NAME=VALUE"),
        (("--set", "deploy_to=/"), "Nothing was made: 1 things must be said or changed first"),
    ],
)
def test_the_command_names_what_is_wrong(capfile: Path, words: tuple[str, ...], said: str) -> None:
    given = (str(capfile), *words) if words else ()
    with pytest.raises(CommandError, match=said):
        run_command(*given)
    assert not Application.objects.exists()
