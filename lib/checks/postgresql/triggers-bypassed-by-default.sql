-- id: triggers-bypassed-by-default
-- title: sessions begin with session_replication_role = replica
-- engine: postgresql
-- probe: schema
-- topic: triggers
-- scope: server
-- kind: finding
-- default: on
-- cost: cheap
-- unit: count
-- message: {detail}
-- why: In such a session no trigger fires and no foreign key is checked: every write may leave rows without
--   a parent, totals that are wrong and history that has gaps, without any message.
-- spares: sessions that set it for themselves; a platform's own roles and databases; the value local,
--   which fires what origin does.
-- fix: Take the setting back; it holds for sessions that begin afterwards. Then look for rows without a
--   parent (fk-orphan-rows). A replication tool sets it in its own session.
-- remedy.1: take the setting back | sql | none | the same with SET session_replication_role = replica | closes
-- remedy.2: take it out of the file and reload | manual | none | | closes
SELECT pg_catalog.concat_ws(' in ', CASE WHEN s.setrole <> 0 THEN coalesce(pg_catalog.quote_ident(r.rolname), s.setrole::text) END,
        CASE WHEN s.setdatabase <> 0 THEN pg_catalog.quote_ident(d.datname) END) AS object,
    pg_catalog.format('%s %s', s.setdatabase, s.setrole) AS key,
    'warning' AS severity,
    pg_catalog.concat_ws(' in ', CASE WHEN s.setrole <> 0 THEN 'role ' || coalesce(pg_catalog.quote_ident(r.rolname), s.setrole::text) END,
        CASE WHEN s.setdatabase <> 0 THEN 'database ' || pg_catalog.quote_ident(d.datname) END) || ': its sessions fire no triggers and check no foreign keys' AS detail,
    CASE WHEN s.setrole = 0 THEN pg_catalog.format('ALTER DATABASE %s RESET session_replication_role;', @ident(d.datname))
    ELSE pg_catalog.format('ALTER ROLE %s%s RESET session_replication_role;', @ident(r.rolname), ' IN DATABASE ' || @ident(d.datname)) END AS remedy,
    NULL AS remedy_2
FROM pg_catalog.pg_db_role_setting AS s
LEFT JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
WHERE EXISTS (SELECT FROM pg_catalog.unnest(s.setconfig) AS c (c) WHERE c ~* '^session_replication_role=replica$')
  AND NOT coalesce(@platform_role(r.rolname), false) AND NOT coalesce(@platform_database(d.datname), false)
UNION ALL
-- What the files say, unless it is changed again for us.
SELECT 'session_replication_role', 'file', 'warning', 'the whole server: its sessions fire no triggers and check no foreign keys',
    CASE WHEN g.sourcefile ~ '/postgresql\.auto\.conf$' THEN E'ALTER SYSTEM RESET session_replication_role;\nSELECT pg_reload_conf();' END,
    CASE WHEN g.sourcefile !~ '/postgresql\.auto\.conf$' OR g.sourcefile IS NULL THEN
        pg_catalog.format('Take session_replication_role out of %s, line %s, then SELECT pg_reload_conf();', coalesce(g.sourcefile, 'the configuration or the command line'), g.sourceline) END
FROM pg_catalog.pg_settings AS g
WHERE g.name = 'session_replication_role' AND g.reset_val = 'replica' AND g.source NOT IN ('database', 'user', 'database user', 'client', 'session')
ORDER BY 1
LIMIT 1000
