"""Addresses of adding applications, hosts and targets. They come before those of one host, which take any word."""

from django.urls import path

from deployments.setup_pages import applications, checklist, host_checks, hosts, targets, tasks

urlpatterns = [
    path("start", checklist.start, name="start"),
    path("applications/add", applications.add_application, name="add-application"),
    path("applications/<slug:name>/repository", applications.connect_application, name="connect-application"),
    path("applications/<slug:name>/repository/check", applications.check_repository, name="check-repository"),
    path("applications/<slug:name>/repository/read", applications.read_repository, name="read-repository"),
    path("applications/<slug:name>/repository/trust", applications.trust_git_host, name="trust-git-host"),
    path("applications/<slug:name>/repository/branch", applications.choose_branch, name="choose-branch"),
    path("applications/<slug:name>/repository/code", applications.change_distribution, name="change-distribution"),
    path("applications/<slug:name>/repository/key", applications.renew_key, name="renew-key"),
    path("applications/<slug:name>/remove", applications.remove_application, name="remove-application"),
    path("hosts/add", hosts.add_hosts, name="add-hosts"),
    path("environments/<slug:environment>/hosts/check", hosts.check_hosts, name="check-hosts"),
    path("environments/<slug:environment>/hosts/check/all", host_checks.check_all_hosts, name="check-all-hosts"),
    path("environments/<slug:environment>/hosts/trust", hosts.trust_hosts, name="trust-hosts"),
    path("environments/<slug:environment>/hosts/known", hosts.paste_known_hosts, name="paste-known-hosts"),
    path("environments/<slug:environment>/hosts/key", hosts.use_key, name="use-key"),
    path("environments/<slug:environment>/hosts/<slug:name>/check", host_checks.check_host, name="check-host"),
    path("environments/<slug:environment>/hosts/<slug:name>/change", hosts.change_host, name="change-host"),
    path("environments/<slug:environment>/hosts/<slug:name>/remove", hosts.take_out_host, name="take-out-host"),
    path("targets/add", targets.add_target, name="add-target"),
    path("targets/step", targets.new_step, name="new-step"),
    path("targets/folder", targets.check_folder, name="check-folder"),
    path("targets/task", tasks.new_task, name="new-task"),
    path("<slug:application>/<slug:environment>/tasks", tasks.edit_tasks, name="edit-tasks"),
    path("<slug:application>/<slug:environment>/edit", targets.edit_target, name="edit-target"),
]
