//go:build !unix

package router

import "time"

// processorTime is not known here.
func processorTime() time.Duration { return 0 }
