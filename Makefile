# The only list of commands; continuous integration calls the same targets.
PYTHON ?= python3
VENV := .venv
FLOORS := .venv-floors
BIN := $(VENV)/bin
PARALLEL := --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test exhaustive browser check lint fast floors fuzz bench docs wheel constraints clean

$(VENV)/.core: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[pictures]'
	touch $@

$(VENV)/.test: $(VENV)/.core
	$(PIP) -e '.[test]'
	touch $@

$(VENV)/.dev: $(VENV)/.test
	$(PIP) -e '.[dev]'
	touch $@

demo: $(VENV)/.core  ## the tour
	$(BIN)/manyhot demo

test: $(VENV)/.test browser  ## all tests but sweeps and soaks; MANYHOT_DATA names the folder of real data sets
	$(BIN)/python -m pytest $(PARALLEL)

exhaustive: $(VENV)/.test  ## sweeps and soaks too long for every change; their date and counts go to tests/exhaustive.json
	mkdir -p build
	$(BIN)/python -m pytest -m exhaustive $(PARALLEL) --timeout=3600 --junitxml=build/exhaustive.xml
	$(BIN)/python tests/record_exhaustive.py build/exhaustive.xml tests/exhaustive.json

browser:  ## Chromium for the tests of pages, installed where that may be done
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	  { test "$$(id -u)" = 0 && command -v apt-get && apt-get update -qq && apt-get install -y -qq chromium; } || \
	  echo "no Chromium on the PATH, so the tests of pages are skipped: apt-get install chromium"

lint: $(VENV)/.dev  ## format, lint, types, import layers
	$(BIN)/ruff format --check src tests benchmarks examples docs
	$(BIN)/ruff check src tests benchmarks examples docs
	$(BIN)/mypy
	$(BIN)/lint-imports

fast: $(VENV)/.test  ## the tests that take seconds
	$(BIN)/python -m pytest -m "not slow and not exhaustive" $(PARALLEL)

floors:  ## the same with the lowest versions that pyproject.toml declares, on the lowest Python
	rm -rf $(FLOORS)
	$(PYTHON) -m venv $(FLOORS)
	$(FLOORS)/bin/python -m pip install --quiet --disable-pip-version-check packaging
	$(FLOORS)/bin/python tests/floors.py pyproject.toml > $(FLOORS)/constraints.txt
	$(FLOORS)/bin/python -m pip install --quiet --disable-pip-version-check -c $(FLOORS)/constraints.txt \
	  -e '.[static,onnxtext,pretrained,test]'
	$(FLOORS)/bin/python -m pytest -m "not slow and not exhaustive" $(PARALLEL)

check: lint fast  ## before every commit

docs: $(VENV)/.test  ## the site in build/docs, without a warning; what the documents show runs; MANYHOT_DATA for all of it
	$(BIN)/python -m sphinx -b html -q -W --keep-going -d build/docs-trees docs build/docs
	$(BIN)/python -m pytest $(PARALLEL) tests/contract/test_docs.py tests/docs

fuzz: $(VENV)/.test  ## 500 requests for each endpoint of the service, made from its own description
	MANYHOT_FUZZ_EXAMPLES=500 $(BIN)/python -m pytest tests/serving/test_openapi.py -k fuzzed --timeout=1800

bench: $(VENV)/.test  ## speed and accuracy beside peers; needs MANYHOT_DATA
	$(BIN)/python benchmarks/fit.py
	$(BIN)/python benchmarks/mulan.py

wheel: $(VENV)/.dev  ## build, install into an empty environment, run the tour from another folder
	rm -rf dist build/wheel
	$(BIN)/python -m build --outdir dist
	$(PYTHON) -m venv build/wheel
	build/wheel/bin/python -m pip install --quiet -c constraints.txt dist/*.whl
	build/wheel/bin/python -c "import importlib.util as u; assert not any(map(u.find_spec, ('torch', 'tensorflow', 'altair', 'vl_convert')))"
	build/wheel/bin/python -c "import importlib.resources as r; assert (r.files('manyhot') / 'py.typed').is_file()"
	mkdir -p build/elsewhere
	cd build/elsewhere && ../wheel/bin/manyhot demo

constraints: $(VENV)/.dev  ## write down the versions that were tested
	$(BIN)/python -m pip freeze --exclude-editable --exclude pip --exclude setuptools > constraints.txt

clean:
	rm -rf $(VENV) $(FLOORS) build dist
