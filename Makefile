GO          ?= go
FUZZTIME    ?= 10s
STATICCHECK  = $(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: build test test-race test-bounds test-real test-real-program test-real-broker lint fuzz demo bench bench-check clean

build: ; $(GO) build -trimpath -o demarc ./cmd/demarc

test: ; $(GO) test ./...

# Not the packages that start no goroutine: those of others run through them here, and they take five times as long.
test-race:
	$(GO) test -race -run '^TestEvaluatorsShareAClassifier$$' ./classifier
	$(GO) test -race $$($(GO) list ./... | grep -Ev '/(classifier|ledger/claim|router/recount|internal/wire|internal/yaml|internal/zstd)$$')

# The zstd encoder does not check the bounds of its loads and stores. Here it does.
test-bounds: ; $(GO) test -tags nounsafe ./internal/zstd ./internal/wire

# Needs kcat, java and, the first time, mvn. Tests that need none of them are left to test. Half of the time they wait
# for clusters, so that two run at once.
test-real: ; $(MAKE) --jobs 2 --output-sync=target --no-print-directory test-real-program test-real-broker

test-real-program: ; $(GO) test -tags real -timeout 20m -p 1 -run '^TestReal' ./ledger/relay ./cmd/demarc

test-real-broker: ; $(GO) test -tags real -timeout 20m ./internal/devbroker/real

lint:
	@test -z "$$(gofmt -l .)" || { gofmt -l . ; echo "run: gofmt -w ." ; exit 1 ; }
	$(GO) vet ./... && $(GO) vet -tags real ./...
	$(STATICCHECK) -tags real ./...

# Each target on its own, two at a time: go fuzzes one in a run, and is not to build a program for each. A second try,
# because go's fuzzer now and then reports its own deadline as a failure; what it really finds is kept in testdata and
# fails again.
fuzz:
	@bin=$$(mktemp -d) && trap 'rm -rf "$$bin"' EXIT && cache=$$($(GO) env GOCACHE)/fuzz && \
	for dir in $$(grep -rl '^func Fuzz' --include='*_test.go' . | xargs -n 1 dirname | sort -u); do \
	  pkg=$$($(GO) list $$dir) && prog=$$bin/$$(echo $$dir | tr / _) && $(GO) test -c -fuzz . -o $$prog $$dir && \
	  list=$$($$prog -test.list '^Fuzz') && echo "$$list" | sed -n "s|^Fuzz.*|$$dir $$pkg $$prog &|p" || exit 1; \
	done >$$bin/targets && \
	xargs -P 2 -L 1 sh -c 'cd $$0 && echo $$1 $$3 && fuzz="$$2 -test.parallel 1 -test.run ^$$ -test.fuzz ^$$3\$$ -test.fuzztime $(FUZZTIME) \
	  -test.fuzzminimizetime 1s -test.fuzzcachedir '$$cache'/$$1" && { $$fuzz || $$fuzz; }' <$$bin/targets

demo: ; $(GO) build -trimpath -o demarc ./cmd/demarc && ./demarc demo

# Forty minutes; needs Java and, the first time, Maven. What a peer needs besides says its build.sh.
bench: ; $(GO) run ./bench -results bench/RESULTS.md -readme README.md -sizing router/README.md

# Has demarc become slower, compared with a floor in the same run? Needs Go alone, and a minute. After a change that
# is meant to be slower or faster: go run ./bench -record -broker embedded -records 1000000
bench-check: ; $(GO) run ./bench -check

clean: ; rm -f demarc coverage.out
