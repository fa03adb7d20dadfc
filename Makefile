# cri-shim. `make help` lists the targets; each target installs or builds what it needs.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Use the distribution's Python if it is new enough: Debian's is built with profile-guided optimisation, which others
# that come first in PATH often are not. That saves a quarter of the daemon's CPU time.
DISTRIBUTION := $(shell /usr/bin/python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
                  && echo /usr/bin/python3 || echo python3)
# PYTHON is a program, or for unit-with a version such as 3.13.
PYTHON ?= $(DISTRIBUTION)
BASE := $(if $(filter 3.%,$(PYTHON)),$(DISTRIBUTION),$(PYTHON))
OTHER := $(or $(filter 3.%,$(PYTHON)),3.14)
VENV := .venv
RUN := $(VENV)/bin/python
# The demo has an environment with what an installed daemon has, and nothing of the tests.
RUNTIME := .venv-runtime
# import-linter has an environment of its own; pyproject.toml says why.
CONTRACTS := .venv-contracts
# The environment is rebuilt when the dependencies or the protocol definitions change.
STAMP := $(VENV)/.installed
SOURCES := pyproject.toml constraints.txt cri_shim/__init__.py proto/compile.py $(shell find proto -name '*.proto')
CODE := cri_shim containerd_client untrusted lab checks tests

# Debian's packages that the tests and the demo use: a real containerd with runc and CNI plugins, a registry, a static
# busybox for images; util-linux, whose unshare makes user namespaces; gcc for small programs that images need; systemd
# for systemd-analyze; chromium for the explorer page; libnghttp2 for a CRI client in C.
PACKAGES := python3 python3-venv containerd runc containernetworking-plugins docker-registry busybox-static \
            iptables iproute2 util-linux gcc libc6-dev systemd openssl apache2-utils zstd chromium criu \
            libnghttp2-dev curl procps jq

# Of these, what the demo needs: no compiler, no browser, no libraries of tests.
DEMO_PACKAGES := python3 python3-venv containerd runc containernetworking-plugins docker-registry busybox-static \
                 iptables iproute2

# What the exercises of docs/lab run besides.
LAB_PACKAGES := curl procps util-linux jq

# Packages that build and run the guest of test-guest.
GUEST_PACKAGES := qemu-system-x86 mmdebstrap e2fsprogs

# ARGS is passed to pytest: make test ARGS="-k logs -x"
ARGS ?=

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{ printf "  make %-13s %s\n", $$1, $$2 }'

.PHONY: packages
packages:  ## install the missing Debian packages (as root, on Debian)
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    missing=""; \
	    for package in $(PACKAGES); do \
	        dpkg-query -W -f '$${db:Status-Status}' "$$package" 2>/dev/null | grep -qx installed \
	            || missing="$$missing $$package"; \
	    done; \
	    if [ -n "$$missing" ]; then \
	        echo "installing$$missing"; \
	        apt-get -qq update; \
	        DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends $$missing </dev/null; \
	    fi; \
	fi

.PHONY: guest-packages
guest-packages: packages
	@$(MAKE) --no-print-directory packages PACKAGES="$(GUEST_PACKAGES)"

.PHONY: demo-packages
demo-packages:  ## install the few Debian packages that the demo needs (as root, on Debian)
	@$(MAKE) --no-print-directory packages PACKAGES="$(DEMO_PACKAGES)"

.PHONY: venv
venv: packages $(STAMP)  ## make the virtual environment, with the project in it

# The order-only prerequisite installs python3-venv before it is needed, without rebuilding anything.
$(STAMP): $(SOURCES) | packages
	@test -x $(RUN) || $(BASE) -m venv $(VENV)
	@# Debian's pip does not support --group yet.
	$(RUN) -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . --group dev
	@touch $@

# The code of the protocol is compiled while pip builds the project, in an environment of pip's own.
$(RUNTIME)/.installed: $(SOURCES) | demo-packages
	@test -x $(RUNTIME)/bin/python || $(BASE) -m venv $(RUNTIME)
	$(RUNTIME)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

# Wheels are for the Python and the architecture of the machine that makes them.
WHEELS ?= dist/wheels

.PHONY: wheels
wheels: $(RUNTIME)/.installed  ## collect all that `pip install --no-index` needs, in dist/wheels (or WHEELS=DIRECTORY)
	@rm -f $(WHEELS)/*.whl
	$(RUNTIME)/bin/python -m pip wheel --quiet --disable-pip-version-check --constraint constraints.txt \
	    --wheel-dir $(WHEELS) '.[otel,socks]'

# debhelper and what it calls; lintian checks the result if it is installed.
DEB_PACKAGES := debhelper dpkg-dev
DEB ?= dist

.PHONY: deb
deb: wheels  ## build the Debian package for this Debian and architecture, in dist (or DEB=DIRECTORY)
	@$(MAKE) --no-print-directory packages PACKAGES="$(DEB_PACKAGES)"
	@$(RUNTIME)/bin/python -m lab.packaging $(WHEELS) $(DEB)

.PHONY: constraints
constraints: venv  ## write constraints.txt again, with the newest versions that fit together
	$(RUN) -m lab.constraints

$(CONTRACTS)/.installed: pyproject.toml constraints.txt | packages
	@test -x $(CONTRACTS)/bin/python || $(BASE) -m venv $(CONTRACTS)
	@$(CONTRACTS)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(CONTRACTS)/bin/python -m pip install --quiet --disable-pip-version-check \
	    --constraint constraints.txt --group contracts
	@touch $@

.PHONY: check
check: venv $(CONTRACTS)/.installed  ## lint, format, types, import contracts, and the rules in checks/
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy $(CODE)
	PYTHONPATH=. $(CONTRACTS)/bin/lint-imports --no-logo
	$(RUN) -m checks

.PHONY: picture
picture: venv  ## draw the rooms anew from the imports, and renew the line numbers in docs/architecture.md
	$(RUN) -m checks.picture
	$(RUN) -m checks.answers

# axe-core, whose rules the tests of the explorer page apply, comes from npm. Without npm, or when it cannot be fetched,
# those tests are skipped.
PAGE_TESTS := tests/integration/explorer
$(PAGE_TESTS)/node_modules/.package-lock.json: $(PAGE_TESTS)/package.json $(PAGE_TESTS)/package-lock.json
	@if command -v npm >/dev/null; then \
	    timeout 120 npm ci --prefix $(PAGE_TESTS) --ignore-scripts --silent --fetch-retries 1 </dev/null \
	        || echo "npm could not fetch axe-core: tests of the page that need it will be skipped"; \
	else echo "npm is not installed: tests of the page that need axe-core will be skipped"; fi

.PHONY: page-tools
page-tools: $(PAGE_TESTS)/node_modules/.package-lock.json  ## fetch what the tests of the page need from npm, if npm is there

.PHONY: screenshots
# ARGS names some of them: make screenshots ARGS="explorer-pod explorer-phone"
screenshots: venv  ## take the pictures of the page in docs/images again, from a real daemon with real pods
	$(RUN) -m lab.screenshots $(ARGS)

.PHONY: test
test: venv page-tools  ## run all tests (as root: real containerd, runc, CNI and registry)
	$(RUN) -m pytest $(ARGS)

# Use another containerd than the machine's, from Debian's newer suites, unpacked below .containerd. TESTS selects
# tests.
LINE ?= 2.1
TESTS ?= tests/integration tests/conformance

.PHONY: test-with
test-with: venv page-tools  ## run the tests that need containerd with another version: make test-with LINE=1.7 (or 2.1)
	@binaries="$$($(RUN) -m lab.debian containerd $(LINE))"; \
	"$$binaries/containerd" --version; \
	CONTAINERD_BINARIES="$$binaries" $(RUN) -m pytest $(TESTS) $(ARGS)

# All three run, whatever the result of the first one is.
.PHONY: test-all
test-all: venv  ## run all tests, and those that need containerd also with 1.7 and 2.1
	@failed=""; \
	$(MAKE) --no-print-directory test || failed="$$failed 1.6"; \
	for line in 1.7 2.1; do \
	    $(MAKE) --no-print-directory test-with LINE=$$line || failed="$$failed $$line"; \
	done; \
	if [ -n "$$failed" ]; then echo "tests failed with containerd$$failed"; exit 1; fi

# Python keeps what it has compiled, whatever the environment says: every process would compile all modules, and those of
# the tests with pytest's rewritten asserts.
unit unit-with: export PYTHONDONTWRITEBYTECODE :=

# The tests make and remove very many files: in memory, where there is a gigabyte of it.
MEMORY = $(shell test -w /dev/shm && test "$$(df --output=avail /dev/shm | tail -n 1)" -gt 1048576 \
           && echo /dev/shm || echo "$${TMPDIR:-/tmp}")

.PHONY: unit
unit: venv  ## run the tests that need neither root nor containerd, and print what they cover
	@mkdir -p .cache
	directory="$$(mktemp --directory $(MEMORY)/unit.XXXXXX)"; \
	trap 'rm --recursive --force "$$directory" || true' EXIT; \
	$(RUN) -m pytest --quiet --numprocesses 4 --dist worksteal --basetemp "$$directory" \
	    $(if $(ARGS),,--cov --cov-report=term) tests/unit tests/hostile $(ARGS)

# Another Python has an environment of its own. It uses the pip of the first environment, because Debian's Pythons have
# none.
$(VENV)-3.%/.installed: $(SOURCES) | $(STAMP)
	@program="$$($(RUN) -m lab.debian python 3.$*)"; \
	test -x $(@D)/bin/python || "$$program" -m venv --without-pip $(@D)
	$(RUN) -m pip --disable-pip-version-check --python $(@D)/bin/python install --quiet \
	    --constraint constraints.txt --editable . --group dev
	@touch $@

.PHONY: unit-with
unit-with: venv $(VENV)-$(OTHER)/.installed  ## run the unit tests on another Python: make unit-with PYTHON=3.13 (or 3.14)
	$(VENV)-$(OTHER)/bin/python -VV
	$(VENV)-$(OTHER)/bin/python -m pytest tests/unit tests/hostile $(ARGS)

# SUITES names suites of tests/guest/suites.py; ARGS is passed to pytest. GUEST_DEBIAN=trixie makes the guest a Debian
# 13; it gets an environment for the Python that this has. GUEST_KUBELET names a kubelet for the suite of that name.
GUEST_VENV := $(VENV)$(if $(filter trixie,$(GUEST_DEBIAN)),-3.13)

.PHONY: test-guest
test-guest: venv $(GUEST_VENV)/.installed guest-packages  ## run the tests that need cgroup v2 or systemd, in a virtual machine
	GUEST_DEBIAN=$(GUEST_DEBIAN) GUEST_KUBELET=$(GUEST_KUBELET) $(GUEST_VENV)/bin/python -m tests.guest.run $(SUITES) -- $(ARGS)

# CRICTL names a crictl, which Debian does not have; without one its commands are left out.
.PHONY: test-install
test-install: venv guest-packages  ## run the commands of docs/install.md in fresh Debians: make test-install DEBIAN=trixie
	$(RUN) -m tests.install.run $(DEBIAN)

.PHONY: demo
demo: demo-packages $(RUNTIME)/.installed  ## show real pods on a private containerd, kill the daemon under them, remove everything
	$(RUNTIME)/bin/python -m lab.playground.demo

.PHONY: up
# ARGS is, for example: --containerd 2.1 --side plugin --side docker
up: demo-packages $(RUNTIME)/.installed  ## start the same pods and daemon, and leave them running to play with
	$(RUNTIME)/bin/python -m lab.playground.up $(ARGS)

.PHONY: down
down: $(RUNTIME)/.installed  ## stop what `make up` started
	$(RUNTIME)/bin/python -m lab.playground.down

.PHONY: lab
# ARGS is, for example: 4 --yes
lab: $(RUNTIME)/.installed  ## walk through the exercises of docs/lab in the playground, and check each step
	@$(MAKE) --no-print-directory packages PACKAGES="$(LAB_PACKAGES)"
	$(RUNTIME)/bin/python -m lab.lesson.walk $(ARGS)

# ARGS are the arguments of `cri-shim compare` without its endpoints; docs/measuring.md describes them.
.PHONY: compare
compare: venv  ## measure this daemon against the in-process plugin, and report (20 minutes; with ARGS="--scenario life,exec" two)
	$(RUN) -m lab.compare $(ARGS)

# ARGS choose the sides and name programs that Debian does not have; docs/explorer.md describes them.
.PHONY: pod-starts
pod-starts: venv  ## record one pod start of each architecture, for the explorer (as root)
	$(RUN) -m lab.pod_starts $(ARGS)

# ARGS is, for example: --minutes 60 --kill 20 --kill-containerd 90
.PHONY: soak
soak: venv  ## churn pods for ten minutes, and prove that nothing is left and nothing has grown
	$(RUN) -m lab.soak $(ARGS)

.PHONY: conformance
conformance: venv  ## run the CRI tests on bridge and plugin, or on ENDPOINT=unix:///path/to.sock
	$(RUN) -m pytest tests/conformance $(if $(ENDPOINT),--cri-endpoint=$(ENDPOINT)) $(ARGS)

.PHONY: default
default: venv  ## print a configuration file with every key and its default
	@$(VENV)/bin/cri-shim config default

.PHONY: clean
clean:  ## remove all build results, including the virtual environment
	rm -rf $(VENV) $(VENV)-3.* $(CONTRACTS) $(RUNTIME) .cache build dist *.egg-info cri_shim/api containerd_client/api
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
