# Short names for the project's commands. `make check` is what a change must pass.
.PHONY: check test demo cast dist package-test psql-test wine bench matrix fuzz soak generate

check:
	.ci/run

# The tests, and which of them were left out, because a program or a privilege is not there.
test:
	@log=$$(mktemp); go test -v ./... >$$log 2>&1; code=$$?; \
	[ $$code = 0 ] || grep -vE '^=== |^ *--- (PASS|SKIP)' $$log; \
	grep -E '^(ok|FAIL)' $$log; \
	sed -n 's/^ *--- SKIP: /left out: /p' $$log; \
	rm $$log; exit $$code

demo:
	go run ./cmd/bodkin demo

# The run of three commands that the readmes show, played again and put there.
cast:
	go run ./bench/cast -write

# Programs, archives and packages for every system, and their checksums, in dist/. Two minutes the first time, then half of one.
dist:
	go run ./packaging/dist

# The .deb installed, used, upgraded and purged in a clean Debian, which debootstrap makes; needs root. Two minutes.
package-test:
	packaging/debian/test

# PostgreSQL's psql against a real server over bodkin forward; needs root and PostgreSQL. Ten seconds.
psql-test:
	NATLAB=require go test -count=1 -tags psql -v -run Psql ./cmd/bodkin

# The Windows tests under Wine, in a Debian 13 that debootstrap makes; needs root. Ten minutes, 1.4 GB.
wine:
	packaging/wine/run

# Every figure of docs/benchmarks.md comes from one of these. About five minutes; needs 10,000 descriptors in each of two processes.
bench:
	go test -run 'TestDialTakes|TestATransfer' -count=1 -v .
	go test -run 'SameTick|AllNodes|Hostile|Hopeless' -count=1 -v ./internal/rendezvous/server
	go test -run '^$$' -bench . ./internal/rendezvous/server ./internal/identity ./internal/session ./internal/reuseport ./natlab
	go -C bench/mux test -count=1 -v .
	go run ./bench/transfer
	go run ./bench/transfer -kills 20
	go run ./bench/transfer -connections 10000

# Every pair of NATs, 20 runs each. Half an hour on a quiet machine with two cores.
matrix:
	go run ./bench/matrix -json matrix.json -markdown docs/matrix.md -svg docs/matrix.svg

# Each fuzz target of the tree for FUZZTIME.
FUZZTIME ?= 1m
fuzz:
	@for package in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "== $$package $$target"; \
	    go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
	  done; \
	done

# The pairs of NATs and the reconnects, again and again; bounded by SOAKCOUNT. About four minutes each, half an hour in all. Then 1 GiB each way through every
# fault there is, three times each, ten minutes; FAULTS random faults under streams, half an hour; 40 million steps of the line's model, a quarter of one.
SOAKCOUNT ?= 8
FAULTS ?= 1000
soak:
	NATLAB=require go test -timeout 3h -count=$(SOAKCOUNT) -run 'TestAllPairs|TestAMapped|CannotBePunched|TestNodesBehind|TestMesh' . -runs 20
	go run ./bench/faults -rounds 3
	NATLAB=require go test -timeout 3h -count=1 -v -run TestStreamsGoOnThroughManyFaults . -faults $(FAULTS)
	go test -timeout 3h -count=1 -v -run TestSessionsLastForDays . -days 7
	go test -timeout 3h -count=1 -v -run TestModel ./internal/session/line -line.steps 10000000

generate:
	go generate ./internal/wire
