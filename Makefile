# Short names for the project's commands. `make check` is what a change must pass.
.PHONY: check test bench fuzz soak demo generate

check:
	.ci/run

test:
	go test ./...

demo:
	go run ./cmd/bodkin demo

generate:
	go generate ./internal/wire
