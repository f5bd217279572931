/** What the editor highlights: the words that DuckDB reserves, those of its statements, and those of mlbox's own. */
export const WORDS = spaced(`
add after aggregate alert alerts alias all alter analyse analyze and anti any array artifact artifacts as asc asof
asymmetric async at authorization backoff baseline begin between binary both by calendar cancel cascade case cast check
collate collation collect collection collections column columns comment commit concurrently constraint continuous
cooldown copy cosine create cron cross current dataset default deferrable delete deploy desc describe distinct do docker
dot drift drop dropped each else embed end endpoint endpoints engine enrich ensemble entity env error every except
exclude exists explain export fail false feature features feed feeds fetch filter finally first following for force foreign
freeze from full function functions garbage generated glob grant graph group halving handler having hub if ilike image
impute in info initially inner input inputs insert install intersect into is isnull join key known kubernetes l2 label
labels lambda last lateral leading left like limit lineage log macro manual map max maximize mean median merge metric
minimize model models monitor monitors natural new none not notify notnull null nulls of offline offset on online only
options or order outer output over overlaps parallel param partition pivot pivot_longer pivot_wider placing positional
postprocess preceding predictions preprocess primary profile profiles project projects prune publish purge qualify quarantine recursive
references refresh relations rename replace requirements rerun resources restore resume retry returning returns revoke
right rollback row rows run runs runtime sample schedule schedules schema secret secrets segment select semi set sets
severity shadow show similar skip some source split stack stop store struct summarize suspend sweep symmetric table
tablesample temp temporary text then timeout timestamp timezone to token tokenizer tolerance traffic trailing transform
true try_cast ttl tuple unbounded undeploy union unique unpack unpivot update use using values variadic vector vectors
verbose verify view vote warn weight weighted when where window with without workflow workflows`);

export const TYPES = spaced(`
bigint bit blob bool boolean bytea char date datetime decimal double enum float hugeint int int1 int2 int4 int8 integer
interval json list long numeric real short smallint string text time timestamp timestamptz timetz tinyint ubigint
uhugeint uinteger union usmallint utinyint uuid varchar variant`);

/** The first words of mlbox's own statements that hold brackets, OR REPLACE left out. */
export const STARTS = spaced(`
alter_alert alter_artifact alter_endpoint alter_feature alter_feed alter_function alter_model alter_monitor alter_project alter_run
alter_schedule alter_source alter_workflow cancel collect_garbage create_alert create_collection create_dataset
create_endpoint create_feature create_feed create_function create_model create_monitor create_profile create_project create_schedule
create_source create_token create_workflow delete_entity deploy_endpoint drop_alert drop_artifact drop_collection
drop_endpoint drop_feature drop_feed drop_function drop_model drop_monitor drop_profile drop_project drop_run drop_schedule
drop_secret drop_source drop_token drop_workflow export_project grant install_function log publish refresh_collection
refresh_feature refresh_model refresh_monitor rerun restore revoke run run_workflow undeploy_endpoint verify_feature`);

/** One blank between the words: CodeMirror takes a line's end for a part of a word. */
function spaced(words: string): string {
  return words.trim().split(/\s+/).join(" ");
}
