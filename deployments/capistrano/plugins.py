"""Capistrano's plugins: what they do by themselves, and what does the same here."""

_SILENT = ("capistrano/setup", "capistrano/deploy", "capistrano/scm/git", "capistrano/console", "capistrano/doctor")
_ADVICE = (
    ("capistrano/rails/assets", "add a step with the preset asset-compile, and public/assets to the linked folders."),
    ("capistrano/rails/migrations", "add a step with the preset database-migration."),
    (
        "capistrano/rails",
        "add steps with the presets asset-compile and database-migration, and public/assets to the linked folders.",
    ),
    ("capistrano/bundler", "add a step with the preset command, phase prepare: bundle install."),
    ("capistrano/composer", "add a step with the preset command, phase prepare: composer install."),
    ("capistrano/npm", "add a step with the preset command, phase prepare: npm ci."),
    ("capistrano/yarn", "add a step with the preset command, phase prepare: yarn install."),
    ("capistrano/passenger", "add a step with the preset restart-touch-file: tmp/restart.txt."),
    ("capistrano/puma", "add a step with the preset restart-systemd or restart-pid-file."),
    ("capistrano3/unicorn", "add a step with the preset restart-pid-file, signal USR2."),
    ("capistrano/unicorn", "add a step with the preset restart-pid-file, signal USR2."),
    ("capistrano/sidekiq", "add steps with the presets drain-workers and spawn-workers, or restart-systemd."),
    ("capistrano/rbenv", "put rbenv's shims folder into the target's PATH."),
    ("capistrano/rvm", "put the Ruby's bin folder into the target's PATH, or use the shell `bash -lc`."),
    ("capistrano/chruby", "put the Ruby's bin folder into the target's PATH."),
    ("capistrano/nvm", "put node's bin folder into the target's PATH."),
    ("capistrano/symfony", "add steps with the presets cache-clear and cache-warm, and var/log to the linked folders."),
    ("capistrano/laravel", "add steps with the preset command for the artisan commands that you need."),
    ("capistrano/scm/svn", "only git is deployed here."),
    ("capistrano/scm/hg", "only git is deployed here."),
    ("whenever", "add a step with the preset command, phase after: whenever --update-crontab."),
)
_OWN_TASKS = ("deploy:", "git:", "load:", "install", "doctor")


def advise(name: str) -> str:
    """What to do instead of this `require`; empty: nothing."""
    if name in _SILENT:
        return ""
    for beginning, advice in _ADVICE:
        if name.startswith(beginning):
            return advice
    if name.startswith(("capistrano", "airbrussh", "slackistrano")) or "/capistrano" in name:
        return "this plugin is not known here; see what it does at each deploy, and make steps of it."
    return ""


def knows_task(name: str) -> bool:
    """Whether a hook with this task changes nothing here, as its work is done by the Deployer itself."""
    return name in ("deploy:restart", "deploy:cleanup", "deploy:check") or name.startswith("git:")
