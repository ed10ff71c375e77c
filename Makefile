# Wellspring. `make help` lists the commands. Nothing is installed by hand: each command makes the virtual
# environment it needs from a lock file, once.

.DEFAULT_GOAL := help
.PHONY: help run deploy releases rollback tear-down load export demo feed-schema token psql pause-db resume-db redrive release events-out slow recount test long check quick-checks cpu-bound-checks io-bound-checks lint types imports template new-type-cost property-tests mutations outside pooler unpipelined \
	contract abuse openapi asyncapi message-schema golden events docs pictures bench sam-test sam-image sam-invoke clean stack-venv dev-venv sam-venv checkov-venv
MAKEFLAGS += --no-print-directory

PYTHON_IN := .venv/bin/python
# No key and no profile: with either, the SAM CLI asks AWS who it is, and waits.
SAM := env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY -u AWS_SESSION_TOKEN -u AWS_PROFILE \
	AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 PATH="$$PWD/.local/sam-venv/bin:$$PATH" \
	.local/sam-venv/bin/python -m samcli

# Passed on to what runs: `make token AS=owner`, `make test ARGS="-k cursor"`.
# `AS` is the assembler to make itself, where nobody sets it.
ifneq ($(filter default undefined,$(origin AS)),)
AS :=
endif
export AS
export SUB SERVICE SCOPE
ARGS ?=

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

run: stack-venv ## The whole system on this machine: PORT (3000), SQS_PORT (3001); stop with Ctrl-C
	@exec $(PYTHON_IN) -m local --stop-with-parent

token: stack-venv ## A bearer token; AS=owner (default), member, guest, outsider, operator, pipeline, matcher; SUB=UUID; SERVICE=NAME SCOPE="…"
	@$(PYTHON_IN) -m local token "$$AS" --sub "$$SUB" --service "$$SERVICE" --scope "$$SCOPE"

psql: stack-venv ## psql on the running stack's database; ARGS="-c 'select 1'" goes to it
	@$(PYTHON_IN) -m local psql $(ARGS)

pause-db: stack-venv ## Takes the database away from the running stack's functions: they answer 503
	@$(PYTHON_IN) -m local pause-db

resume-db: stack-venv ## Gives it back
	@$(PYTHON_IN) -m local resume-db

load: stack-venv ## Loads a file of events (.jsonl, .jsonl.gz) into the running stack; FILE=…, or FILE=- for standard input; fails where lines were rejected
	@$(PYTHON_IN) -m local load "$(FILE)"

export: stack-venv ## Writes all that the running stack has of a workspace into a file; WORKSPACE=ID OUT=FILE (.jsonl, .jsonl.gz)
	@$(PYTHON_IN) -m local export "$(WORKSPACE)" "$(OUT)"

demo: stack-venv ## Fills the running stack with a year of forty workspaces: SIZE=large
	@PYTHONPATH=layers/shared $(PYTHON_IN) -m local demo "$(SIZE)"

redrive: stack-venv ## Moves the running stack's dead letters back to its queue, and says how many
	@$(PYTHON_IN) -m local redrive

release: stack-venv ## Tries the running stack's parked messages again, and says how many it released; CONNECTOR=ID, REASON=code, DRY_RUN=1
	@$(PYTHON_IN) -m local release --connector "$(CONNECTOR)" --reason "$(REASON)" $(if $(DRY_RUN),--dry-run)

events-out: stack-venv ## The events of the running stack, as they come; ARGS=--json shows them whole
	@$(PYTHON_IN) -m local events-out $(ARGS)

slow: stack-venv ## The slowest requests that the stack of this machine has answered, with their ids in the logs
	@$(PYTHON_IN) -m local slow

recount: stack-venv ## Compares the running stack's sums with its rows, and shows what differs
	@$(PYTHON_IN) -m local psql -c "SELECT * FROM wellspring.recount(0, 9223372036854775807, false)"

test: dev-venv ## All tests that need nothing but pip; ARGS goes to pytest
	@$(PYTHON_IN) -m pytest -n 2 --dist loadfile -m "not outside and not contract and not abuse and not worlds and not aws and not sam and not price and not long" \
		$(ARGS)

long: dev-venv ## Those of them that take long: the stack stopped and started, silence, large tables; ARGS goes to pytest
	@$(PYTHON_IN) -m pytest -n 2 --dist loadfile -m long $(ARGS)

# CI runs the second and the third list side by side: the one computes, the other waits for containers, browsers and
# processes. Of the last it takes some for each commit.
QUICK := lint types imports template
CPU_BOUND := test contract
IO_BOUND := sam-test outside abuse
IN_TURN := long property-tests mutations pooler unpipelined new-type-cost

check: $(QUICK) $(CPU_BOUND) $(IO_BOUND) $(IN_TURN) ## Every gate of CI
quick-checks: $(QUICK)
io-bound-checks: $(IO_BOUND)
cpu-bound-checks: $(CPU_BOUND)

openapi: stack-venv ## Write docs/openapi.json, and the file that the layer serves, from the declarations
	@PYTHONPATH=layers/shared $(PYTHON_IN) -m local.openapi

asyncapi: stack-venv ## Write docs/asyncapi.yaml and docs/events.schema.json from the declarations
	@$(PYTHON_IN) -m local.asyncapi

message-schema: stack-venv ## Write docs/messages.schema.json from the messages' models
	@PYTHONPATH=layers/shared $(PYTHON_IN) -m wellspring.messages >docs/messages.schema.json

golden: dev-venv ## Write the SQL of lists to tests/golden/lists
	@PYTHONPATH=layers/shared:. $(PYTHON_IN) -m tests.golden

events: stack-venv ## Write events/*.json and events/out/*.json from the declarations
	@$(PYTHON_IN) -m local.generate.events

docs: stack-venv ## Write the tables of the documents that the declarations hold
	@$(PYTHON_IN) -m local.generate.docs

feed-schema: stack-venv ## Write docs/feed.schema.json from the events' models
	@PYTHONPATH=layers/shared $(PYTHON_IN) -m wellspring.feed_events >docs/feed.schema.json

pictures: dev-venv ## Write the pictures of docs/console, from a demo in which something happens
	@sh local/need-chromium >/dev/null
	@PICTURES=docs/console $(PYTHON_IN) -m pytest -q -m outside tests/browser/test_console.py -k pictures

bench: dev-venv ## Measure each promise beside its floor; writes .local/bench.json
	@$(PYTHON_IN) -m bench $(ARGS)

clean: ## Remove all of .local, or of WELLSPRING_STATE: data, keys, logs, tools, bench data
	@python=$$(sh local/find-python) && "$$python" -m local clean

# ---- a deployment on AWS (docs/operations.md); each with the shell's credentials --------------------------
deploy: sam-venv ## Build and deploy a stage of samconfig.toml: STAGE=staging, PARAMETERS=file.yaml, ROLE=arn of CloudFormation's, TAGS="name=value"
	@.local/sam-venv/bin/python -m local.deploy "$(STAGE)" $(if $(PARAMETERS),--parameters "$(PARAMETERS)") $(if $(ROLE),--role-arn "$(ROLE)") \
		$(foreach one,$(SET),--set "$(one)") $(if $(TAGS),--tags $(TAGS))

releases: sam-venv ## The releases of a stage, and which one runs: STAGE=staging
	@.local/sam-venv/bin/python -m local.rollback "$(STAGE)" --list

rollback: sam-venv ## The code of a stage's release before, in seconds: STAGE=staging, TO=a release of `make releases`
	@.local/sam-venv/bin/python -m local.rollback "$(STAGE)" --to "$(TO)"

tear-down: sam-venv ## Delete a stage's stack and say what AWS keeps of it: STAGE=rehearsal, DATA=delete deletes that too
	@.local/sam-venv/bin/python -m local.tear_down "$(STAGE)" --data "$(or $(DATA),keep)" $(if $(ROLE),--role-arn "$(ROLE)")

# ---- the gates of `make check`, one by one ------------------------------------------------------------
lint: dev-venv
	@$(PYTHON_IN) -m ruff check
	@$(PYTHON_IN) -m ruff format --check

types: dev-venv
	@$(PYTHON_IN) -m mypy

imports: dev-venv
	@PYTHONPATH=layers/shared:producer .venv/bin/lint-imports

# Not --cached: SAM would not see a change of what builds the layers.
template: sam-venv checkov-venv dev-venv
	@$(SAM) validate
	@$(SAM) validate --lint
	@$(SAM) build --parallel --parameter-overrides Architecture=arm64
	@$(PYTHON_IN) -m tests.aws.stack
	@$(PYTHON_IN) -m pytest -n 2 --dist worksteal -m aws tests/aws

sam-test: dev-venv sam-venv ## Every function in Lambda's own runtime, where Docker can run; SAM_TEST=required wants it to
	@if found=$$(sh local/need-docker) && export DOCKER_HOST="$$found" && found=$$($(PYTHON_IN) -m local.lambda_image); then \
		echo "$$found"; $(PYTHON_IN) -m pytest -m sam tests/sam $(ARGS); \
	elif [ "$$SAM_TEST" = required ]; then \
		echo "sam-test cannot run: $$found" >&2; exit 1; \
	else \
		echo "sam-test is skipped: $$found"; \
	fi

new-type-cost: dev-venv ## What one more record type, attribute or reason costs by hand: declares it in a copy, whose tests run
	@$(PYTHON_IN) -m pytest -m price tests/declaring $(ARGS)

property-tests: dev-venv
	@$(PYTHON_IN) -m pytest -n 2 --dist loadfile -m worlds $(ARGS)

mutations: dev-venv
	@PYTHONPATH=layers/shared:layers/console:functions $(PYTHON_IN) -m tests.access.mutations $(MUTANTS) $(ARGS)

outside: dev-venv
	@sh local/need-chromium
	@sh local/need-pgbouncer
	@$(PYTHON_IN) -m pytest -n 2 --dist loadfile -m outside $(ARGS)

pooler: dev-venv
	@sh local/need-pgbouncer
	@$(PYTHON_IN) -m pytest -n 2 --dist loadfile --pooler -m "not worlds" \
		--ignore tests/access/test_hostile_input.py --ignore tests/access/test_tokens.py tests/access $(ARGS)
	@$(PYTHON_IN) -m pytest -n 2 --dist loadfile --pooler --no-pipelining \
		tests/access/test_row_level_security.py tests/access/test_pinning.py $(ARGS)

# What speaks to the database in flushes of its own choice; tests/protocol has both ways in `make test`, but for losses.
UNPIPELINED := tests/protocol/test_lost_connections.py tests/edge/test_deadlines.py \
	tests/edge/test_transactions.py tests/reading/test_lists.py tests/reading/test_plan_cache.py \
	tests/writing/test_creating.py tests/writing/test_looking_again.py tests/jsonapi/test_error_codes.py tests/sync

unpipelined: dev-venv ## Tests of what speaks to the database, with each statement in a flush of its own; ARGS goes to pytest
	@$(PYTHON_IN) -m pytest -n 2 --dist loadfile --no-pipelining $(UNPIPELINED) $(ARGS)

contract: dev-venv
	@$(PYTHON_IN) -m pytest -m contract $(ARGS)

abuse: dev-venv ## The sync queue and the feed while everything breaks or freezes: ABUSE_SEED, ABUSE_MESSAGES, ABUSE_SECONDS
	@$(PYTHON_IN) -m pytest -m abuse $(ARGS)

# ---- virtual environments -----------------------------------------------------------------------------
stack-venv:
	@sh local/venv .venv local/requirements/stack.txt

dev-venv:
	@sh local/venv .venv local/requirements/dev.txt

sam-venv:
	@sh local/venv .local/sam-venv local/requirements/sam.txt
	@python=$$(sh local/find-python) && "$$python" -m local.sam

sam-image: stack-venv ## The image of Lambda's runtime, for `sam local invoke`; starts or installs Docker where root may
	@found=$$(sh local/need-docker) || { echo "$$found" >&2; exit 1; }; \
	DOCKER_HOST="$$found" $(PYTHON_IN) -m local.lambda_image

sam-invoke: stack-venv sam-venv ## One function in Lambda's runtime, beside `make run`: FUNCTION=HealthFunction EVENT=health_check
	@[ -n "$(FUNCTION)" ] && [ -n "$(EVENT)" ] || { echo "say what to invoke: FUNCTION=HealthFunction EVENT=health_check" >&2; exit 1; }
	@$(PYTHON_IN) -m local.sam check
	@found=$$(sh local/need-docker) || { echo "$$found" >&2; exit 1; }; export DOCKER_HOST="$$found"; \
	$(PYTHON_IN) -m local.lambda_image >&2 || exit; \
	$(SAM) build >.local/sam/build.log 2>&1 || { cat .local/sam/build.log >&2; exit 1; }; \
	event="$(EVENT)"; event="$${event#events/}"; \
	$(SAM) local invoke "$(FUNCTION)" --event "events/$${event%.json}.json" $(ARGS)

checkov-venv:
	@sh local/venv .local/checkov-venv local/requirements/checkov.txt
