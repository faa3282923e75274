# Every target sets up what it needs by itself: one environment, .venv, renewed only when a lock changes.

PYTHON := $(or $(PYTHON),$(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done))
ifeq ($(PYTHON),)
$(error Python 3.11 or newer is needed; name it: make PYTHON=/path/to/python3)
endif

python = .venv/bin/python
pip = $(python) -m pip install --quiet --disable-pip-version-check
# A process for each core; the tests of a file share what they are tried on, so they stay together.
pytest = -m pytest -q --hypothesis-profile=ci --numprocesses=auto --dist=loadfile

# The stamp of a role is named by its lock and by the place of the checkout: an environment cannot be moved.
stamp = .venv/stamps/$(1)-$(shell (pwd; cat requirements/$(1).txt) | cksum | tr ' ' '-')
test_env := $(call stamp,test)
bench_env := $(call stamp,bench)
dev_env := $(call stamp,dev)

.PHONY: demo test setup lint types nojit notebooks deep bench lock check-lock

# QUICK=1: the short form. OCTOMODEL_DATA: folder of the measured trace; default ../shared/data where there is one.
demo: export OCTOMODEL_DATA ?= $(wildcard ../shared/data)
demo: $(test_env)
	$(python) -m octomodel.demo $(if $(QUICK),--quick)

# TESTS=path: only these tests; so for nojit and deep.
test: $(test_env)
	$(python) $(pytest) $(TESTS)

setup: $(test_env)

lint: $(dev_env)
	$(python) -m ruff check .

types: $(dev_env)
	$(python) -m mypy

# Coverage of the kernels is taken from plain Python: of compiled code Numba reports lines that never ran.
nojit: export NUMBA_DISABLE_JIT = 1
nojit: $(test_env)
	@$(python) -m coverage erase
	$(python) -m coverage run $(pytest) -m "nojit and not deep" $(TESTS)
	@$(python) -m coverage combine --quiet
	$(python) -m coverage report --precision=2 --fail-under=100

# Run as they are, in a copy: what they draw and print stays out of the tree.
notebooks: $(dev_env)
	@rm -rf out/notebooks && mkdir -p out && cp -r notebooks out/notebooks
	$(python) -m pytest -q -p no:cacheprovider --rootdir=out/notebooks --nbmake --overwrite --nbmake-timeout=240 out/notebooks

deep: $(test_env)
	$(python) $(pytest) --hypothesis-profile=nightly-deep --numprocesses=auto --dist=loadfile -m deep $(TESTS)

# FULL=1: 10^8 executions on the wafer too. Fails when a bar is missed.
bench: $(bench_env)
	$(python) -m bench $(if $(FULL),--full)

lock: $(dev_env)
	$(python) requirements/lock.py

check-lock:
	$(PYTHON) requirements/lock.py --check

$(test_env):
	@echo "setting up .venv (a minute or two, repeated only when a lock changes)"
	@test -x $(python) || $(PYTHON) -m venv --clear .venv
	@rm -rf .venv/stamps
	@$(pip) --require-hashes -r requirements/test.txt
	@$(pip) --no-deps --no-build-isolation --editable .
	@mkdir .venv/stamps && touch $@

$(bench_env) $(dev_env): .venv/stamps/%: | $(test_env)
	@echo "adding requirements/$(firstword $(subst -, ,$*)).txt to .venv"
	@$(pip) --require-hashes -r requirements/$(firstword $(subst -, ,$*)).txt
	@touch $@
