"""Addresses of the pages. Those of targets take any two words, so they come last."""

from django.urls import path

from deployments import log_text, page_actions, pages, rehearsal_pages, task_pages

urlpatterns = [
    path("", pages.home, name="home"),
    path("deploys/<int:deploy_id>", pages.deploy, name="deploy"),
    path("deploys/<int:deploy_id>/log.txt", log_text.log_text, name="log-text"),
    path("deploys/<int:deploy_id>/commits", pages.deploy_commits, name="deploy-commits"),
    path("deploys/<int:deploy_id>/cancel", page_actions.cancel, name="cancel"),
    path("deploys/<int:deploy_id>/retry", page_actions.retry, name="retry"),
    path("deploys/<int:deploy_id>/flip", page_actions.flip, name="flip"),
    path("deploys/<int:deploy_id>/rollback/preview", pages.rollback_preview, name="rollback-preview"),
    path("deploys/<int:deploy_id>/rollback", page_actions.roll_back, name="rollback"),
    path("deploys/<int:deploy_id>/redeploy", page_actions.redeploy, name="redeploy"),
    path("<slug:application>/<slug:environment>/", pages.target, name="target"),
    path("<slug:application>/<slug:environment>/tasks/<slug:name>", task_pages.task, name="task"),
    path("<slug:application>/<slug:environment>/tasks/<slug:name>/run", task_pages.run_task, name="run-task"),
    path("<slug:application>/<slug:environment>/converge", page_actions.converge, name="converge"),
    path("<slug:application>/<slug:environment>/deploy", pages.new_deploy, name="new-deploy"),
    path("<slug:application>/<slug:environment>/deploy/start", page_actions.start, name="start-deploy"),
    path("<slug:application>/<slug:environment>/deploy/rehearsal", rehearsal_pages.rehearse, name="rehearsal"),
    path("<slug:application>/<slug:environment>/deploy/refs", pages.new_deploy_refs, name="new-deploy-refs"),
    path("<slug:application>/<slug:environment>/deploy/plan", pages.new_deploy_plan, name="new-deploy-plan"),
    path("<slug:application>/<slug:environment>/deploy/start/look", pages.new_deploy_start, name="new-deploy-start"),
]
