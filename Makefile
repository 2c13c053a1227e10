# make demo   a place map from a bag, the node on a live ROS 2 graph, loop closures, a report
# make fuzz   many generated inputs, none of which may end in a traceback or a hang
# make test   lint, types, architecture and every test; make test-fast while you work
#
# Everything is installed into one virtual environment; nothing else on the machine changes. Without ROS, rclpy and the
# messages come as wheels from PyPI. With a sourced ROS installation that one is used instead, in an environment of its
# own: the two are never mixed.
#
# Settings: PYTHON (3.10 to 3.13; default python3), VENV, JOBS (test processes), FUZZ_CASES (inputs), PIP_INDEX_URL and
# PIP_EXTRA_INDEX_URL (for example an index with CPU builds of torch, which are much smaller), ROS_WHEELS (jazzy, in an
# environment of its own: make test ROS_WHEELS=jazzy PYTEST_ARGS=tests/ros).

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
JOBS ?= 2
FUZZ_CASES ?= 20000
DEMO_REPORT ?= demo_report
DEMO_BAG := maps/demo/town.mcap
# Second of the recording at which the first lap ends.
DEMO_LAP := 115
DISTRIBUTION ?= humble
# Times the recorded speed; in lockstep a slower machine takes longer and finds the same.
DEMO_SPEED ?= 5

ifdef ROS_DISTRO
VENV ?= $(CURDIR)/.venv-$(ROS_DISTRO)
ROS_SOURCE := sourced ROS 2 $(ROS_DISTRO)
VENV_FLAGS := --system-site-packages
CONSTRAINTS = $(STAMPS)/constraints.txt
ROS_EXTRAS :=
else ifeq ($(ROS_WHEELS),jazzy)
VENV ?= $(CURDIR)/.venv-jazzy-wheels
ROS_SOURCE := Jazzy's wheels from PyPI
VENV_FLAGS :=
CONSTRAINTS = $(STAMPS)/constraints.txt
ROS_EXTRAS := ,ros,ros-build,ros-build-jazzy
else
VENV ?= $(CURDIR)/.venv
ROS_SOURCE := wheels from PyPI
VENV_FLAGS :=
CONSTRAINTS = constraints.txt
ROS_EXTRAS := ,ros,ros-build
endif

STAMPS = $(VENV)/.stamps
BIN = $(VENV)/bin
PY = $(BIN)/python
RUN_EXTRAS := opencv,openvino,onnx,viz$(ROS_EXTRAS)
TEST_EXTRAS := $(RUN_EXTRAS),fleet,sim,slam,serve,foxglove,train,export,test,lint
# Packages of their own, which a robot leaves out.
BESIDE := training simulation
TORCH := torch==2.13.0

UV := $(shell command -v uv 2>/dev/null)
INSTALL = $(if $(UV),VIRTUAL_ENV=$(VENV) $(UV) pip install,$(PY) -m pip install --quiet --disable-pip-version-check)

# The wheels set no AMENT_PREFIX_PATH; a sourced ROS has one, and the environment with our messages goes before it.
ENVIRONMENT = AMENT_PREFIX_PATH=$(VENV)$${AMENT_PREFIX_PATH:+:$$AMENT_PREFIX_PATH} \
	$(if $(ROS_DISTRO),LD_LIBRARY_PATH=$(VENV)/lib$${LD_LIBRARY_PATH:+:$$LD_LIBRARY_PATH}) \
	FASTDDS_DEFAULT_PROFILES_FILE=$(CURDIR)/config/fastdds.xml \
	ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST ROS_LOCALHOST_ONLY=1 \
	PATH=$(BIN):$$PATH

# Hundreds of processes import the package: each would compile it anew where PYTHONDONTWRITEBYTECODE is set, as in many images.
TESTED = $(ENVIRONMENT) OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=

say = @printf '\033[1m==> %s\033[0m\n' "$(1)"

.PHONY: help
help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(STAMPS)/messages ## Map from a bag, live node, loop closures, report in demo_report/
	$(call say,1/3 The recording is played to the node on a live ROS 2 graph)
	@$(ENVIRONMENT) a2gc replay $(DEMO_BAG) --live --lockstep --rate $(DEMO_SPEED) --report $(DEMO_REPORT)
	$(call say,2/3 A place map from its first lap)
	@rm -f $(DEMO_REPORT)/first_lap.a2gc*
	@$(ENVIRONMENT) a2gc map build $(DEMO_BAG) --stop $(DEMO_LAP) --out $(DEMO_REPORT)/first_lap.a2gc
	$(call say,3/3 The rest of the drive relocalizes against that map)
	@$(ENVIRONMENT) a2gc replay $(DEMO_BAG) --start $(DEMO_LAP) --map $(DEMO_REPORT)/first_lap.a2gc \
	    --report $(DEMO_REPORT)/relocalization
	$(call say,Open $(DEMO_REPORT)/index.html)

.PHONY: test
test: lint ## Lint, types, architecture, then every test
	$(call say,Tests on $(JOBS) processes)
	@$(TESTED) $(PY) -m pytest -n $(JOBS) --dist loadfile --durations 25 --durations-min 5 $(PYTEST_ARGS)

.PHONY: test-fast
test-fast: $(STAMPS)/test ## The tests of one thing at a time, for while you work: no processes of ROS, nothing slow
	@$(TESTED) $(PY) -m pytest -n $(JOBS) --dist loadfile -m 'not ros and not slow' $(PYTEST_ARGS)

.PHONY: coverage
coverage: $(STAMPS)/test ## The same with the lines that no test reached; slower, so apart from `make test`
	@$(INSTALL) 'pytest-cov>=5'
	@$(TESTED) $(PY) -m pytest -n $(JOBS) --dist loadfile -m 'not ros and not slow' \
	    --cov a2gc_ros --cov a2gc_training --cov-report term-missing:skip-covered $(PYTEST_ARGS)

.PHONY: fuzz
fuzz: $(STAMPS)/test ## Generated inputs through the library: FUZZ_CASES of them (20000)
	$(call say,$(FUZZ_CASES) generated inputs$(comma) each of which must end in a result or a sentence)
	@$(TESTED) $(PY) tests/fuzz/run.py --cases $(FUZZ_CASES)

# A real drive that may be shown, where it lies beside the checkout.
REAL := ../shared/data/robot_run
PAGES := build/pages

.PHONY: screenshots
screenshots: $(STAMPS)/test ## The documentation's pictures of pages, in docs/assets (needs Chromium)
	@mkdir -p $(PAGES) && rm -f $(PAGES)/*.a2gc*
	@$(ENVIRONMENT) a2gc replay $(DEMO_BAG) --report $(PAGES)/demo
	@$(ENVIRONMENT) a2gc map build $(DEMO_BAG) --out $(PAGES)/town.a2gc
	@$(ENVIRONMENT) a2gc map view $(PAGES)/town.a2gc --html $(PAGES)/map.html
	@if [ -d $(REAL) ]; then $(ENVIRONMENT) a2gc bag from-images $(REAL)/images --poses $(REAL)/poses.csv --rate 0.5 \
	    --out $(PAGES)/robot_run.mcap && $(ENVIRONMENT) a2gc replay $(PAGES)/robot_run.mcap --report $(PAGES)/real; fi
	@$(ENVIRONMENT) a2gc viz retrieval --database $(DEMO_BAG) --queries $(DEMO_BAG) --spacing 4 --wrong-only \
	    --out $(PAGES)/retrieval
	@$(ENVIRONMENT) $(PY) tests/browser/screenshots.py --retrieval $(PAGES)/retrieval --out docs/assets
	@$(ENVIRONMENT) a2gc map show $(PAGES)/town.a2gc 300 --out $(PAGES)/asked.jpg
	@$(ENVIRONMENT) a2gc map build $(DEMO_BAG) --stop $(DEMO_LAP) --out $(PAGES)/lap.a2gc
	@$(ENVIRONMENT) a2gc serve $(PAGES)/lap.a2gc --port 8677 & server=$$!; trap "kill $$server" EXIT; \
	    until (exec 3<>/dev/tcp/127.0.0.1/8677) 2> /dev/null; do kill -0 $$server && sleep 1 || exit 1; done; \
	    $(ENVIRONMENT) $(PY) tests/browser/screenshots.py --served http://127.0.0.1:8677/ --ask $(PAGES)/asked.jpg \
	        --out docs/assets
	@$(ENVIRONMENT) $(PY) tests/browser/screenshots.py --demo $(PAGES)/demo --map $(PAGES)/map.html \
	    $(if $(wildcard $(REAL)),--real $(PAGES)/real) --out docs/assets

SOAK_MINUTES ?= 30

.PHONY: soak
soak: $(STAMPS)/test ## A node under a camera at 30 Hz, transitions, map loads and kill -9, for SOAK_MINUTES
	@$(ENVIRONMENT) $(PY) tests/ros/soak.py --minutes $(SOAK_MINUTES)

.PHONY: lint
lint: $(STAMPS)/test ## ruff, mypy, import-linter
	$(call say,Lint: ruff$(comma) mypy$(comma) import-linter)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: docs
docs: $(STAMPS)/docs ## The documentation as a site in site/, to be read without a network
	$(call say,The site in site/: open site/index.html)
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build

# What needs neither torch nor ROS: the rest would bring newer packages.
OLDEST_TESTS := tests/cli/test_map.py tests/placemap tests/replay tests/bags tests/viz/test_report.py

.PHONY: oldest
oldest: ## Tests with the old packages of DISTRIBUTION (humble: Python 3.10, jazzy: 3.12)
	$(call say,The oldest packages of $(DISTRIBUTION))
	@$(PYTHON) -m venv $(CURDIR)/.venv-oldest-$(DISTRIBUTION)
	@$(CURDIR)/.venv-oldest-$(DISTRIBUTION)/bin/python -m pip install --quiet -r .ci/$(DISTRIBUTION).txt
	@$(CURDIR)/.venv-oldest-$(DISTRIBUTION)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@$(CURDIR)/.venv-oldest-$(DISTRIBUTION)/bin/a2gc --help > /dev/null
	@$(CURDIR)/.venv-oldest-$(DISTRIBUTION)/bin/python -m pytest $(OLDEST_TESTS)

.PHONY: venv
venv: $(STAMPS)/messages ## The environment that runs the node, with a2gc_msgs built into it

.PHONY: shell
shell: $(STAMPS)/messages ## A shell in which a2gc, place_recognition and bag_player work
	@$(ENVIRONMENT) $${SHELL:-bash}

.PHONY: clean
clean: ## Removes the environment, builds and reports
	rm -rf $(VENV) build install log $(DEMO_REPORT)

comma := ,

$(STAMPS)/venv:
	$(call say,Environment in $(VENV) ($(if $(UV),uv,venv and pip)$(comma) ROS: $(ROS_SOURCE)))
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 10) <= v < (3, 14) else \
	    f"a2gc needs Python 3.10 to 3.13 and {sys.executable} is {v[0]}.{v[1]}: name another, make PYTHON=python3.12 ...")'
	@$(if $(UV),$(UV) venv --allow-existing --python $(PYTHON) $(VENV_FLAGS) $(VENV),$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)) \
	    || { echo "No virtual environment could be made; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@mkdir -p $(STAMPS) && touch $@

ifdef ROS_DISTRO
# A ROS distribution is compiled against its own NumPy, so that one stays.
$(STAMPS)/constraints.txt: $(STAMPS)/venv
	@$(PY) -c 'import numpy; print(f"numpy=={numpy.__version__}")' > $@
else
# The pins of what is not ROS, and those of another distribution.
$(STAMPS)/constraints.txt: $(STAMPS)/venv constraints.txt constraints-jazzy.txt
	@grep -vE '^(ros-|rosidl-|rclpy|rcutils|rmw-|ament-|[a-z-]+-(msgs|srvs|interfaces)==)' constraints.txt > $@
	@cat constraints-jazzy.txt >> $@
endif

$(STAMPS)/run: $(STAMPS)/venv setup.py constraints.txt $(filter $(STAMPS)/%,$(CONSTRAINTS))
	$(call say,Installing what the node needs ($(RUN_EXTRAS)))
	@$(INSTALL) -c $(CONSTRAINTS) -e '.[$(RUN_EXTRAS)]'
	@touch $@

# PyPI has no tf2_msgs, which a ROS distribution brings.
MESSAGES := a2gc_msgs$(if $(ROS_DISTRO),, wheels/tf2_msgs)

$(STAMPS)/messages: $(STAMPS)/run $(foreach package,$(MESSAGES),$(wildcard $(package)/*.* $(package)/*/*))
	$(call say,Building the interface packages: $(MESSAGES) ($(ROS_SOURCE)))
	@$(PY) -c 'import pathlib, sys, sysconfig as s; h = pathlib.Path(s.get_path("include"), "Python.h"); \
	    sys.exit(0 if h.exists() else f"a2gc_msgs needs {h}: install the headers of Python (Debian, Ubuntu: apt install python3-dev)")'
	@command -v $${CXX:-g++} > /dev/null || { echo "a2gc_msgs needs a C++ compiler (Debian, Ubuntu: apt install g++)" >&2; exit 1; }
ifdef ROS_DISTRO
	@cmake -S a2gc_msgs -B build/a2gc_msgs-$(ROS_DISTRO) -DCMAKE_INSTALL_PREFIX=$(VENV) -DBUILD_TESTING=OFF \
	    -DPython3_EXECUTABLE=$(PY) > build-a2gc_msgs.log || { cat build-a2gc_msgs.log >&2; exit 1; }
	@cmake --build build/a2gc_msgs-$(ROS_DISTRO) --target install >> build-a2gc_msgs.log || { cat build-a2gc_msgs.log >&2; exit 1; }
	@rm -f build-a2gc_msgs.log
else
	@AMENT_PREFIX_PATH=$(VENV) CMAKE_PREFIX_PATH=$(VENV) PATH=$(BIN):$$PATH \
	    $(INSTALL) --no-build-isolation --no-deps --force-reinstall $(addprefix ./,$(MESSAGES))
endif
	@touch $@

$(STAMPS)/docs: $(STAMPS)/venv setup.py constraints.txt $(filter $(STAMPS)/%,$(CONSTRAINTS))
	$(call say,Installing what the site is made with)
	@$(INSTALL) -c $(CONSTRAINTS) -e '.[docs]'
	@touch $@

# Stand-ins for a lifecycle manager and for other SLAM systems speak their messages. With a distribution its own packages
# do, or the tests that need them are skipped.
TEST_MESSAGES := $(if $(ROS_DISTRO),,wheels/bond $(addprefix tests/back_end_msgs/,rtabmap_msgs pose_graph_tools_msgs))

$(STAMPS)/test: $(STAMPS)/messages $(BESIDE:%=%/pyproject.toml) $(foreach package,$(TEST_MESSAGES),$(wildcard $(package)/*.* $(package)/*/*))
	$(call say,Installing what the tests need ($(TORCH)$(comma) $(TEST_EXTRAS)))
	@$(INSTALL) $(TORCH)
	@$(INSTALL) -c $(CONSTRAINTS) -e '.[$(TEST_EXTRAS)]' $(BESIDE:%=-e ./%)
ifndef ROS_DISTRO
	@AMENT_PREFIX_PATH=$(VENV) CMAKE_PREFIX_PATH=$(VENV) PATH=$(BIN):$$PATH \
	    $(INSTALL) --no-build-isolation --no-deps --force-reinstall $(addprefix ./,$(TEST_MESSAGES))
endif
	@touch $@
