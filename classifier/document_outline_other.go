//go:build !amd64

package classifier

// Without wide registers an outline costs what it saves.
const canOutline = false

func outlineAVX2(*byte, int, *uint16) (n, quotes int) { return -1, 0 }

func forwardAVX2(_ *byte, _ int, _ *[maxEnds + 1]uint16, at, i int, step *shapeStep) (nextAt, nextI int, next *shapeStep) {
	return at, i, step
}
