-- The tables that are large, made by the database itself; what lifecycle would have left. {each}: deploys per target.
INSERT INTO deployments_release (target_id, name, revision, ref, kind, configuration_digest, bad, created_at)
  SELECT t.id, to_char(now() - n * interval '3 hours', 'YYYYMMDDHH24MISS') || '-' || substr(md5(t.id || '.' || n), 1, 7),
    md5(t.id / 8 || '.' || (n / 2)) || substr(md5(n::text), 1, 8), 'main', 'archive', '', false, now() - n * interval '3 hours'
  FROM environments_target t, generate_series({each}, 1, -1) n ORDER BY n DESC, t.id;
INSERT INTO deployments_deploy (key, target_id, number, kind, trigger, automatic, status, reason, ref, revision, release_id,
    by_id, by_name, plan, recipe, requested_at, started_at, finished_at, lines, log_sha256)
  SELECT substr(md5(r.id::text), 1, 16), r.target_id, row_number() OVER (PARTITION BY r.target_id ORDER BY r.id), 'deploy',
    'page', false, CASE r.id % 50 WHEN 0 THEN 'failed' WHEN 1 THEN 'partial' ELSE 'succeeded' END, 'All hosts are live.',
    r.ref, r.revision, r.id, 1 + r.id % 40, 'Person ' || (1 + r.id % 40), '{}', '{}', r.created_at, r.created_at,
    r.created_at + interval '40 seconds', 100, ''
  FROM deployments_release r ORDER BY r.id;
UPDATE environments_target t SET last_number = {each};
INSERT INTO deployments_standing (target_id, latest_id, live_id, looked_at, behind, ahead, compared)
  SELECT t.id, max(d.id), max(d.id) FILTER (WHERE d.status = 'succeeded'), now(), 3, 0, ''
  FROM environments_target t JOIN deployments_deploy d ON d.target_id = t.id GROUP BY t.id;
INSERT INTO deployments_placement (host_id, target_id, colour, current_id, switched_at, seen, seen_at, drift)
  SELECT m.host_id, t.id, '', d.release_id, d.finished_at, r.name, now(), ''
  FROM environments_target t JOIN environments_membership m ON m.environment_id = t.environment_id
    JOIN deployments_standing s ON s.target_id = t.id JOIN deployments_deploy d ON d.id = s.live_id
    JOIN deployments_release r ON r.id = d.release_id;
INSERT INTO deployments_heldrelease (placement_id, release_id) SELECT id, current_id FROM deployments_placement;
INSERT INTO deployments_hostrun (deploy_id, host_id, host_name, region, zone, roles, wave, status, step, error_kind, error,
    revision, previous, fence, started_at, finished_at, switched_at)
  SELECT d.id, h.id, h.name, 'eu-west', 'eu-west-a', '[]', 0, 'live', '', '', '', d.revision, '', 1, d.started_at,
    d.finished_at, d.finished_at
  FROM deployments_deploy d CROSS JOIN generate_series(1, 2) k JOIN environments_host h ON h.id = 1 + (d.id * 2 + k) % 1000;
INSERT INTO notifications_event (kind, at, actor, application, environment, deploy, facts)
  SELECT kinds.kind, d.requested_at, 'person' || (1 + d.id % 40), a.name, e.name, d.id,
    jsonb_build_object('number', d.number, 'ref', d.ref, 'revision', d.revision, 'by', d.by_name)
  FROM deployments_deploy d JOIN environments_target t ON t.id = d.target_id
    JOIN environments_application a ON a.id = t.application_id JOIN environments_environment e ON e.id = t.environment_id
    CROSS JOIN (VALUES ('deploy.requested'), ('deploy.succeeded')) kinds (kind) ORDER BY d.id, kinds.kind;
