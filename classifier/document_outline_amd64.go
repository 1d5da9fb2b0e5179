package classifier

//lint:file-ignore U1000 document_outline_amd64.s uses what nothing here does

import "golang.org/x/sys/cpu"

var canOutline = cpu.X86.HasAVX2 && cpu.X86.HasBMI1 && cpu.X86.HasPOPCNT

// outlineAVX2 writes the places of those quotes of doc[:size] that ',', '}', ']' or ' ' follows to ends, and returns how
// many they are and how many quotes there are in all. The first is -1 where a byte of doc[:size] is a backslash, a control
// byte or outside ASCII, or where there may be more than maxEnds places. It reads doc[size] too; size is at least
// outlineBlock and below 1<<16.
//
//go:noescape
func outlineAVX2(doc *byte, size int, ends *uint16) (n, quotes int)

// Words for forwardAVX2.
const (
	wordTrue = 't' | 'r'<<8 | 'u'<<16 | 'e'<<24
	wordNull = 'n' | 'u'<<8 | 'l'<<16 | 'l'<<24
	wordFals = 'f' | 'a'<<8 | 'l'<<16 | 's'<<24
)

// forwardAVX2 takes steps as scanOutlined does, as long as they lead to usual values that no pointer names, and
// nothing has to be read behind doc[:size]. It returns where the first step begins that it leaves, with the first of
// those that may be it, or nil if there is none.
//
//go:noescape
func forwardAVX2(doc *byte, size int, ends *[maxEnds + 1]uint16, at, i int, step *shapeStep) (nextAt, nextI int, next *shapeStep)
