# make up     start everything (PORT, VAR, DEMO and more: docs/settings.md)
# make test   every test        make lint   every check of the code
# make bench  measure           make lock   pin the newest allowed packages
# make screenshots    every page of the demo as a picture, for the documentation
# make chaos  break everything, on purpose (CHAOS_ROW, CHAOS_RUNS and more: .ci/chaos.py)
# make bench-peers    beside other tools, on real SSH servers (Linux, root; ARGS="--n 100 --tools openssh,deployer")

PYTHON = .venv/bin/python
# Compiled modules make each start three times as quick.
RUN = exec env -u PYTHONDONTWRITEBYTECODE $(PYTHON)
COMPILE = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.PHONY: up test lint screenshots bench bench-peers chaos lock

up:
	@sh .ci/install requirements.txt
	@$(RUN) manage.py up

test:
	@sh .ci/system-packages
	@sh .ci/install requirements.txt requirements-dev.txt
	@$(RUN) .ci/all_tests.py

lint:
	@sh .ci/install requirements.txt requirements-dev.txt
	@sh .ci/lint

screenshots:
	@sh .ci/install requirements.txt requirements-dev.txt
	@$(RUN) .ci/screenshots.py

bench:
	@sh .ci/install requirements.txt
	@$(RUN) benchmarks/run.py

bench-peers:
	@sh .ci/install requirements.txt
	@$(RUN) benchmarks/peers/compare.py $(ARGS)

chaos:
	@sh .ci/system-packages
	@sh .ci/install requirements.txt requirements-dev.txt
	@$(RUN) .ci/chaos.py

lock:
	@sh .ci/install requirements.txt
	$(COMPILE) --upgrade .ci/uv.in -o .ci/uv.txt
	$(COMPILE) --upgrade requirements.in -o requirements.txt
	$(COMPILE) --upgrade requirements-dev.in -o requirements-dev.txt
