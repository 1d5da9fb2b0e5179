package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/segmentio/kafka-go"
)

// TestEveryCodeIsJudged: no answer of a broker loses a record, and every cause is in the closed list.
func TestEveryCodeIsJudged(t *testing.T) {
	for code := kafka.Error(-1); code < 130; code++ {
		if code == 0 {
			continue
		}
		v := judge(fmt.Errorf("produce: %w", code))
		if v.action != accept && !slices.Contains(Causes(), v.cause) {
			t.Errorf("%v: cause %q is not in the list", code, v.cause)
		}
		if v.action == accept && code != kafka.DuplicateSequenceNumber {
			t.Errorf("%v counts as stored", code)
		}
		if v.action == divide != v.reason.Quarantines() {
			t.Errorf("%v: action %v with reason %v", code, v.action, v.reason)
		}
	}
}

func TestErrorsWithoutAnAnswer(t *testing.T) {
	for _, tc := range []struct {
		err     error
		cause   Cause
		unknown bool
	}{
		{io.ErrUnexpectedEOF, CauseNetwork, true},
		{syscall.ECONNREFUSED, CauseNetwork, true},
		{context.DeadlineExceeded, CauseTimeout, true},
		{os.ErrDeadlineExceeded, CauseTimeout, true},
		{&RefusedError{Check: CheckClusterID}, CausePin, false},
		{&RefusedError{Check: CheckCertificate}, CauseTLS, false},
		{&RefusedError{Check: CheckReadBack}, CauseReadBack, false},
		{kafka.SASLAuthenticationFailed, CauseLogin, false},
	} {
		if v := judge(fmt.Errorf("wrapped: %w", tc.err)); v.action != retry || v.cause != tc.cause || v.unknown != tc.unknown {
			t.Errorf("judge(%v) = %+v", tc.err, v)
		}
	}
}

func TestJudgeDisk(t *testing.T) {
	for err, want := range map[error]Cause{syscall.ENOSPC: CauseDiskFull, syscall.EDQUOT: CauseDiskFull, syscall.EIO: CauseDisk, errors.New("x"): CauseDisk} {
		if got := judgeDisk(&os.PathError{Err: err}); got != want {
			t.Errorf("judgeDisk(%v) = %s", err, got)
		}
	}
}

func TestBackoffGrowsToItsLimit(t *testing.T) {
	for failures, want := range map[int]int64{0: 100, 1: 200, 3: 800, 4: 1000, 40: 1000} {
		for range 100 {
			if got := int64(backoff(failures, 100, 1000)); got < want/2 || got > want {
				t.Fatalf("backoff after %d failures = %d, want at most %d", failures, got, want)
			}
		}
	}
}
