# Two commands: `make run` and `make test`. PORT, DATA_DIR and the rest of .env.example are read from the environment.
PYTHON ?= python3
N ?= 2
VENV := .venv/bin
BOOTSTRAP := $(PYTHON) config/bootstrap.py

.PHONY: help setup run test check static-checks bench pictures clients drills reset requirements

help:
	@sed -n 's/^#: //p' Makefile

#: make run      set up and serve: http://127.0.0.1:8000 (PORT=8000 DATA_DIR=var)
run:
	@$(BOOTSTRAP) run
	@exec $(VENV)/python manage.py serve $(ARGS)

#: make setup    only .venv, as run does
setup:
	@$(BOOTSTRAP) run

#: make test     every test (ARGS="-k name" for some, N=2 processes); drills and clocks last, by themselves
test:
	@$(BOOTSTRAP) develop
	@$(BOOTSTRAP) browser
	@$(VENV)/python -m pytest -n $(N) --dist loadgroup -m "not drill and not quiet and not pace and not clients" $(ARGS)
	@$(if $(ARGS),,$(VENV)/python -m pytest -m "drill or quiet" -p no:randomly)

#: make check    style, layers, types, migrations, tests
check: static-checks test

static-checks:
	@$(BOOTSTRAP) develop
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/lint-imports
	$(VENV)/mypy .
	$(VENV)/python manage.py makemigrations --check --dry-run

#: make bench    benchmarks, as tables of ratios (BENCH=benchmarks/claim.py for one), and the pace of pages; fails when a limit is broken
BENCH ?= $(filter-out benchmarks/__init__.py benchmarks/peers.py benchmarks/database.py benchmarks/limits.py,$(wildcard benchmarks/*.py))
bench:
	@$(BOOTSTRAP) develop
	@status=0; for each in $(BENCH); do echo "== $$each"; PYTHONPATH=. $(VENV)/python $$each $(ARGS) || status=1; done; \
	$(if $(ARGS),,$(VENV)/python -m pytest -m pace -p no:randomly || status=1;) exit $$status

#: make pictures the pictures of docs/pictures anew, from the demonstration
pictures:
	@$(BOOTSTRAP) develop
	@$(BOOTSTRAP) browser
	@PICTURES=1 $(VENV)/python -m pytest -q -p no:randomly tests/look/test_pictures.py

#: make clients  the tools of Mechanical Turk, installed into var/clients, against this server
clients:
	@$(BOOTSTRAP) develop
	@$(BOOTSTRAP) browser
	@$(VENV)/python -m pytest -m clients -p no:randomly $(ARGS)

#: make drills   fault drills at full length: kills real processes, some minutes
drills:
	@$(BOOTSTRAP) develop
	@DRILLS=full exec $(VENV)/python -m pytest -m drill -s -p no:randomly $(ARGS)

#: make reset    forget the embedded data (asks; YES=1 does not)
reset:
	@$(BOOTSTRAP) run
	@$(VENV)/python manage.py forget $(if $(YES),--yes)

# Pins requirements*.txt anew from requirements*.in
requirements:
	@$(BOOTSTRAP) develop
	$(VENV)/python -m pip install --quiet uv
	$(VENV)/uv pip compile --quiet --python-version 3.11 requirements.in -o requirements.txt
	$(VENV)/uv pip compile --quiet --python-version 3.11 requirements-dev.in -o requirements-dev.txt
