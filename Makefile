# The commands of this repository; CI runs the same ones.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8888

.DEFAULT_GOAL := help
.PHONY: help start test test-hdfs lint fix docs bench bench-artifacts build clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

start: $(VENV)/.installed ## Set up, then serve JupyterLab with tracking in it
	$(BIN)/jupyter lab --port=$(PORT) --notebook-dir=notebooks $(if $(filter 0,$(shell id -u)),--allow-root) $(ARGS)

test: $(VENV)/.installed-test $(VENV)/.debian ## Set up, then run every test
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-hdfs: $(VENV)/.installed-test ## Run the tests of HDFS, on a Hadoop of their own; needs Java
	$(BIN)/python -m pytest -m hdfs $(ARGS)

lint: $(VENV)/.installed-test ## Check style and types of Python and TypeScript
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix labextension run --silent lint
	! grep -q '"resolved"' labextension/package-lock.json

fix: $(VENV)/.installed-test ## Mend what the linters can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-test ## Write the generated pages again
	$(BIN)/python docs/generate.py

bench: $(VENV)/.installed-test ## Measure against stock MLflow and FastTrackML
	$(BIN)/python -m benchmarks.compare $(ARGS)

bench-artifacts: $(VENV)/.installed-test ## Measure artifacts on S3: direct, through us, through stock MLflow
	$(BIN)/python -m benchmarks.artifacts $(ARGS)

build: $(VENV)/.installed-test ## Build the sdist and the wheel from scratch
	rm -rf dist server_ext/jupyter_tracking_server/labextension
	$(BIN)/python -m build

clean: ## Remove what was set up and built
	rm -rf $(VENV) .cache dist labextension/node_modules labextension/lib labextension/*.tsbuildinfo
	rm -rf server_ext/jupyter_tracking_server/labextension

# A Node for the panel's build comes from a wheel, into the build's own environment.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[lab,examples]'
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

# Programs that tests drive and that come from no wheel; installed where we may, else we say what is missing.
DEBIAN := chromium:chromium nginx:nginx-light sshd:openssh-server unzip:unzip
$(VENV)/.debian: $(VENV)/.installed-test Makefile
	@missing=; for pair in $(DEBIAN); do \
	  PATH="$$PATH:/usr/sbin" command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair#*:}"; \
	done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing fonts-dejavu-core; \
	  else echo "The tests need programs that are not installed (Debian: apt-get install$$missing fonts-dejavu-core)." >&2; exit 1; fi; \
	fi
	touch $@
