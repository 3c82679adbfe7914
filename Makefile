# Everything below installs into .tools and builds into target; `make clean`
# removes both.

SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .tools/venv
BUILD_VENV := .tools/build-venv
LINT_VENV := .tools/lint-venv
RIE := .tools/aws-lambda-rie
DYNALITE := .tools/dynalite
RIE_ARCH := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)

# Without these, pip and sam call home or write into the home folder.
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export SAM_CLI_TELEMETRY := 0
export __SAM_CLI_APP_DIR := $(CURDIR)/.tools/sam
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# `make run HINT=1` and `make test HINT=1` compile of aws-sdk-ec2 only what is used, which
# takes an option that Rust has not made stable. With the next command without it, or the
# first with it, everything is compiled again.
CARGO := $(if $(HINT),RUSTC_BOOTSTRAP=1 cargo -Zprofile-hint-mostly-unused \
	--config 'profile.dev.package.aws-sdk-ec2.hint-mostly-unused=true',cargo)
FIRST_BUILT := compgen -G 'target/debug/deps/libaws_sdk_ec2-*' >/dev/null

.PHONY: run
run: tools announce ## Show the whole product on this machine: a small broken fleet, diagnosed and repaired
	@$(FIRST_BUILT) || { mkdir -p target; $(CARGO) test --locked --test it --no-run 2>target/first-build.log & \
	echo "Meanwhile the command-line tool, which needs no AWS, reads a log:" >&2; \
	cargo run --quiet --locked --no-default-features --features cli --target-dir target/engine \
		--bin ssm-agent-triage -- scan events/mixed.log; \
	echo "The function is being built; target/first-build.log says how far it is." >&2; \
	wait $$! || { cat target/first-build.log >&2; exit 1; }; }
	@RUST_BACKTRACE=0 $(CARGO) test --locked --test it demo:: -- --quiet --nocapture

.PHONY: test
test: tools $(DYNALITE)/.ready announce ## Run all tests
	@command -v jq >/dev/null || { echo "The tests need jq" >&2; exit 1; }
	$(CARGO) test --locked
	$(VENV)/bin/python -m pytest -q -rs -p no:cacheprovider tests/template tests/page

.PHONY: bench
bench: prerequisites $(if $(SWEEP)$(BOOTSTRAP),tools announce) ## Compare the engine's speed with decoding; with BOOTSTRAP=PATH HELLO=PATH the start, with SWEEP=1 a sweep, too; PLOTS=docs/performance writes the charts
	$(if $(PLOTS),PLOTS=$(abspath $(PLOTS))) cargo bench --locked --no-default-features --bench engine
	$(if $(PLOTS),PLOTS=$(abspath $(PLOTS)) cargo test --locked --lib simulator::growth -- --ignored --nocapture)
	$(if $(BOOTSTRAP),PYTHON=$(abspath $(VENV)/bin/python) cargo bench --locked --no-default-features --bench start -- \
		$(abspath $(BOOTSTRAP) benches/start/same_job.py $(HELLO)))
	$(if $(SWEEP),cargo test --locked --test it sweep_volume:: -- --quiet --nocapture)

# The property tests with many more cases, each time from a new seed, and weeks of a
# simulated fleet, about a second each; then what a nightly toolchain fuzzes by coverage.
# `make fuzz CASES=100000` for longer; `WEEKS=3..4` plays a week again, and
# `PAIRS=3..4` a round of logs in two wrappers.
CASES ?= 5000
PAIRS ?= 0..5
WEEKS ?= 1000
SEED ?= $(shell date +%s)

.PHONY: fuzz
fuzz: prerequisites ## Run the property tests at length: no input panics, no cut changes a verdict
	PAIRS=$(PAIRS) PROPTEST_RNG_SEED=$(SEED) PROPTEST_CASES=$(CASES) PROPTEST_MAX_GLOBAL_REJECTS=$$(($(CASES) * 10)) \
		cargo test --locked --no-default-features --features cli --lib --bins --test lab
	SEEDS=$(WEEKS) cargo test --locked --lib --test it simulator::weeks -- --nocapture
	@if cargo +nightly --version >/dev/null 2>&1; then $(MAKE) fuzz-coverage; \
	else echo "Without a nightly toolchain nothing is fuzzed by coverage: rustup toolchain install nightly" >&2; fi

# What they find is to be kept in fuzz/corpus, which the tests repeat.
FUZZ_SECONDS ?= 60
CARGO_FUZZ := .tools/cargo/bin/cargo-fuzz

.PHONY: fuzz-coverage
fuzz-coverage: $(CARGO_FUZZ)
	@for target in $(notdir $(basename $(wildcard fuzz/fuzz_targets/*.rs))); do \
		mkdir -p fuzz/target/grown/$$target; \
		PATH="$(CURDIR)/.tools/cargo/bin:$$PATH" ASAN_OPTIONS=detect_leaks=0 cargo +nightly fuzz run $$target \
			fuzz/target/grown/$$target fuzz/corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096 || exit 1; \
	done

$(CARGO_FUZZ): | prerequisites
	cargo install cargo-fuzz --version 0.13.2 --locked --root .tools/cargo

# Among faults, short deadlines and signals; docs/reliability.md has the figures. WORLDS is
# how many small fleets there are at a time.
INVOCATIONS ?= 10000
WORLDS ?= 14

.PHONY: soak
soak: tools $(DYNALITE)/.ready announce ## Invoke the function 10,000 times among faults, half an hour; SEED=N draws the same again
	INVOCATIONS=$(INVOCATIONS) WORLDS=$(WORLDS) SEED=$(SEED) cargo test --locked --test it faults:: -- --nocapture

.PHONY: lint
lint: format-check validate deny announce ## Check formatting, structure, clippy, docs, licences and the template
	cargo test --locked --test structure
	cargo clippy --locked --all-targets -- -D warnings
	cargo clippy --locked --no-default-features --features cli --lib --bins --benches -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items --no-default-features --features cli --lib

# rustup installs it where it is missing. Tests may want a newer one.
.PHONY: msrv
msrv: prerequisites ## Check that the oldest Rust that Cargo.toml names compiles it
	cargo +$(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) check --locked --target-dir target/msrv --lib --bins

# Built once, in about four minutes. Advisories need a database from the network and are left out.
CARGO_DENY := .tools/cargo/bin/cargo-deny

.PHONY: deny
deny: $(CARGO_DENY) ## Check licences, sources and duplicates of the crates against deny.toml
	$(CARGO_DENY) --locked --all-features check --hide-inclusion-graph bans licenses sources

$(CARGO_DENY): | prerequisites
	cargo install cargo-deny --version 0.20.2 --locked --root .tools/cargo

CARGO_CYCLONEDX := .tools/cargo/bin/cargo-cyclonedx
CARGO_ABOUT := .tools/cargo/bin/cargo-about

.PHONY: sbom
sbom: $(CARGO_CYCLONEDX) ## Write what the function is made of to target/sbom.cdx.json (CycloneDX)
	@mkdir -p target
	$(CARGO_CYCLONEDX) cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps --override-filename sbom.cdx
	@sed 's|path+file://$(CURDIR)\(/[a-z/]*\)\?#|pkg:cargo/|g' sbom.cdx.json >target/sbom.cdx.json
	@rm -f sbom.cdx.json benches/hello/sbom.cdx.json

$(CARGO_CYCLONEDX): | prerequisites
	cargo install cargo-cyclonedx --version 0.5.9 --locked --root .tools/cargo

LICENCES := target/THIRD_PARTY_LICENSES.txt

.PHONY: licences
licences: $(LICENCES) ## Write the licences of all that is linked to target/THIRD_PARTY_LICENSES.txt

$(LICENCES): Cargo.lock requirements/about.toml requirements/about.hbs | $(CARGO_ABOUT)
	@mkdir -p target
	$(CARGO_ABOUT) generate --config requirements/about.toml --locked --offline --fail --output-file $@ requirements/about.hbs

$(CARGO_ABOUT): | prerequisites
	cargo install cargo-about --version 0.9.3 --features cli --locked --root .tools/cargo

.PHONY: format-check
format-check: prerequisites
	cargo fmt --check

.PHONY: validate
validate: tools $(LINT_VENV)/.ready ## Check the templates with sam, cfn-lint and checkov
	$(VENV)/bin/sam validate --lint --template template.yaml --region us-east-1
	$(VENV)/bin/cfn-lint template.yaml member-role.yaml
	$(LINT_VENV)/bin/checkov --file template.yaml member-role.yaml --framework cloudformation --compact --quiet --skip-download

# `make build ARCHITECTURE=x86_64` for the other processor. The binary does not name where the crates lie,
# so that the same commit gives the same bytes in every home.
SAM_PARAMETERS := $(if $(ARCHITECTURE),--parameter-overrides Architecture=$(ARCHITECTURE))
BUILT := .aws-sam/build/Function

.PHONY: build
build: tools $(BUILD_VENV)/.ready $(LICENCES) ## Build the function for AWS (sam build, release, arm64)
	@echo "A release build takes 15 to 25 minutes and 8 GB of memory on 2 cores." >&2
	PATH="$(CURDIR)/$(BUILD_VENV)/bin:$$PATH" RUSTFLAGS="--remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}=/cargo" \
		$(VENV)/bin/sam build --template template.yaml $(SAM_PARAMETERS)
	@cp $(LICENCES) $(BUILT)/
	@sha256sum $(BUILT)/bootstrap

# From the commit, in a folder of its own.
AGAIN := target/again

.PHONY: reproduce
reproduce: build ## Build the last commit once more and compare the function with what make build made
	@rm -rf $(AGAIN) && git clone --quiet . $(AGAIN) && ln -s $(CURDIR)/.tools $(AGAIN)/.tools
	$(MAKE) -C $(AGAIN) build ARCHITECTURE=$(ARCHITECTURE)
	@cmp $(BUILT)/bootstrap $(AGAIN)/$(BUILT)/bootstrap && echo "The same, byte for byte."

.PHONY: deploy
deploy: build ## Deploy to AWS; asks for the parameters the first time
	$(VENV)/bin/sam deploy --capabilities CAPABILITY_IAM $(if $(wildcard samconfig.toml),,--guided) $(SAM_PARAMETERS)

.PHONY: clean
clean: ## Remove everything that was built or installed
	rm -rf target .tools .aws-sam

.PHONY: tools
tools: $(VENV)/.ready $(RIE)

# A ready environment holds a copy of the list it was made from, so that a
# checkout, which only renews the list's time, installs nothing again.
define INSTALL
@if cmp -s $< $@; then touch $@; else \
	set -e; echo "Installing $(1) into $(@D)" >&2; \
	rm -rf $(@D); python3 -m venv $(@D); \
	$(@D)/bin/python -m pip install --quiet --requirement $<; \
	cp $< $@; \
fi
endef

$(VENV)/.ready: requirements/tools.txt | prerequisites
	$(call INSTALL,the test server and the template tools (400 MB and about a minute))

$(BUILD_VENV)/.ready: requirements/build.txt | prerequisites
	$(call INSTALL,cargo-lambda (470 MB))

$(LINT_VENV)/.ready: requirements/lint.txt | prerequisites
	$(call INSTALL,checkov (300 MB))

# The real emulator, which sam ships for its container images.
$(RIE): $(VENV)/.ready
	@install -m 755 "$$($(VENV)/bin/python -c 'import samcli.local; print(samcli.local.__path__[0])')/rapid/aws-lambda-rie-$(RIE_ARCH)" $@

# A DynamoDB that is not the test server's, for a second opinion.
$(DYNALITE)/.ready: requirements/dynalite/package-lock.json | prerequisites
	@command -v npm >/dev/null || { echo "The tests need npm: Node.js 20 or later" >&2; exit 1; }
	@if cmp -s $< $@; then touch $@; else \
		set -e; rm -rf $(@D); mkdir -p $(@D); cp $(<D)/package*.json $(@D); \
		(cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel error >&2); \
		cp $< $@; \
	fi

.PHONY: prerequisites
prerequisites:
	@missing=; \
	[ "$$(uname -s)" = Linux ] || missing+="\n  Linux: the Lambda emulator runs there only"; \
	command -v cargo >/dev/null || missing+="\n  cargo: Rust 1.94.1 or later, from https://rustup.rs"; \
	command -v cc >/dev/null || missing+="\n  cc: a C compiler (Debian, Ubuntu: apt install gcc)"; \
	if ! command -v python3 >/dev/null; then missing+="\n  python3: 3.10 or later (Debian, Ubuntu: apt install python3 python3-venv)"; \
	elif ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))'; then missing+="\n  python3: 3.10 or later; this one is $$(python3 -V 2>&1)"; \
	elif ! python3 -c 'import ensurepip, venv' 2>/dev/null; then missing+="\n  python3 venv: (Debian, Ubuntu: apt install python3-venv)"; fi; \
	[ -z "$$missing" ] || { printf "This machine lacks:$$missing\n" >&2; exit 1; }

# Said once: until the largest crate is there.
.PHONY: announce
announce: prerequisites
	@$(FIRST_BUILT) || \
	echo "The first build takes about 8 minutes on 2 cores, and 8 GB of memory for the crate aws-sdk-ec2." >&2
