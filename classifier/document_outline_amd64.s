#include "go_asm.h"
#include "textflag.h"

#define DOC    SI
#define ENDS   DI // where the next one goes
#define AT     R9 // the block
#define QUOTES R10
#define LAST   R11 // where the last block is
#define FULL   R12 // ENDS, behind which a block may not fit any more
#define NEW    R15 // which bytes of the block were in none before

// One byte each, eight times.
DATA bytes<>+0(SB)/8, $0x2222222222222222 // a quote
DATA bytes<>+8(SB)/8, $0x5c5c5c5c5c5c5c5c // a backslash
DATA bytes<>+16(SB)/8, $0x1f1f1f1f1f1f1f1f // the last control byte
DATA bytes<>+24(SB)/8, $0x2020202020202020 // makes ']' a '}'
GLOBL bytes<>(SB), RODATA|NOPTR, $32

// ' ', ',' and '}', each at its lowest four bits.
DATA followers<>+0(SB)/8, $0xffffffffffffff20
DATA followers<>+8(SB)/8, $0xffff7d2cffffffff
GLOBL followers<>(SB), RODATA|NOPTR, $16

// func outlineAVX2(doc *byte, size int, ends *uint16) (n, quotes int)
TEXT ·outlineAVX2(SB), NOSPLIT, $0-40
	MOVQ doc+0(FP), DOC
	MOVQ size+8(FP), LAST
	SUBQ $const_outlineBlock, LAST
	MOVQ ends+16(FP), ENDS
	LEAQ (2*(const_maxEnds-const_outlineBlock))(ENDS), FULL
	VPBROADCASTQ bytes<>+0(SB), Y10
	VPBROADCASTQ bytes<>+8(SB), Y11
	VPBROADCASTQ bytes<>+16(SB), Y12
	VPBROADCASTQ bytes<>+24(SB), Y13
	VBROADCASTI128 followers<>(SB), Y14
	XORL AT, AT
	XORL QUOTES, QUOTES
	MOVQ $-1, NEW

block:
	VMOVDQU 0(DOC)(AT*1), Y0
	VMOVDQU 32(DOC)(AT*1), Y1

	// As signed bytes those outside ASCII are below the control bytes.
	VPCMPGTB Y12, Y0, Y2
	VPCMPGTB Y12, Y1, Y3
	VPAND Y2, Y3, Y2
	VPCMPEQB Y11, Y0, Y3
	VPCMPEQB Y11, Y1, Y4
	VPOR Y3, Y4, Y3
	VPANDN Y2, Y3, Y2
	VPMOVMSKB Y2, AX
	CMPL AX, $-1
	JNE  none

	VPCMPEQB Y10, Y0, Y0
	VPCMPEQB Y10, Y1, Y1
	VPMOVMSKB Y0, AX
	VPMOVMSKB Y1, BX
	SHLQ $32, BX
	ORQ  BX, AX
	ANDQ NEW, AX // quotes

	// What follows them: a byte that is the one which the table has for its lowest four bits.
	VPOR 1(DOC)(AT*1), Y13, Y0
	VPOR 33(DOC)(AT*1), Y13, Y1
	VPSHUFB Y0, Y14, Y2
	VPSHUFB Y1, Y14, Y3
	VPCMPEQB Y2, Y0, Y0
	VPCMPEQB Y3, Y1, Y1
	VPMOVMSKB Y0, DX
	VPMOVMSKB Y1, BX
	SHLQ $32, BX
	ORQ  BX, DX
	POPCNTQ AX, BX
	ADDQ BX, QUOTES
	ANDQ AX, DX // those to write

	// Four of them whether or not there are so many: most blocks have fewer, and no branch tells how many.
	POPCNTQ DX, BX
	TZCNTQ DX, AX
	ADDL AT, AX
	MOVW AX, 0(ENDS)
	BLSRQ DX, DX
	TZCNTQ DX, AX
	ADDL AT, AX
	MOVW AX, 2(ENDS)
	BLSRQ DX, DX
	TZCNTQ DX, AX
	ADDL AT, AX
	MOVW AX, 4(ENDS)
	BLSRQ DX, DX
	TZCNTQ DX, AX
	ADDL AT, AX
	MOVW AX, 6(ENDS)
	BLSRQ DX, DX
	JNE  more

next:
	LEAQ (ENDS)(BX*2), ENDS
	CMPQ ENDS, FULL
	JHI  none
	ADDQ $const_outlineBlock, AT
	CMPQ AT, LAST
	JLE  block

	// The last block begins within the one before it.
	MOVQ AT, CX
	SUBQ LAST, CX
	CMPQ CX, $const_outlineBlock
	JEQ  done
	SHLQ CX, NEW
	MOVQ LAST, AT
	JMP  block

more:
	LEAQ 8(ENDS), CX

another:
	TZCNTQ DX, AX
	ADDL AT, AX
	MOVW AX, (CX)
	ADDQ $2, CX
	BLSRQ DX, DX
	JNE  another
	JMP  next

done:
	SUBQ ends+16(FP), ENDS
	SHRQ $1, ENDS
	MOVQ ENDS, n+24(FP)
	MOVQ QUOTES, quotes+32(FP)
	VZEROUPPER
	RET

none:
	MOVQ $-1, n+24(FP)
	MOVQ $0, quotes+32(FP)
	VZEROUPPER
	RET

DATA digits<>+0(SB)/8, $0x3030303030303030 // '0'
DATA digits<>+8(SB)/8, $0x0909090909090909
GLOBL digits<>(SB), RODATA|NOPTR, $16

#define PLACE R8 // in the document
#define STEP  R9
#define SIZE  R10
#define FROM  R11 // of the value
#define TO    R12
#define FIRST R13 // of the steps that may be next
#define LIMIT R15 // PLACE, behind which 32 bytes cannot be loaded

// DIGITS counts the digits at a place in BX, up to 16.
#define DIGITS(AT) \
	VMOVDQU (DOC)(AT*1), X0 \
	VPSUBB X6, X0, X0 \
	VPMINUB X7, X0, X2 \
	VPCMPEQB X2, X0, X0 \
	VPMOVMSKB X0, BX \
	NOTL BX \
	TZCNTL BX, BX

// func forwardAVX2(doc *byte, size int, ends *[maxEnds + 1]uint16, at, i int, step *shapeStep) (nextAt, nextI int, next *shapeStep)
TEXT ·forwardAVX2(SB), NOSPLIT, $0-72
	MOVQ doc+0(FP), DOC
	MOVQ size+8(FP), SIZE
	MOVQ ends+16(FP), ENDS
	MOVQ at+24(FP), AX
	LEAQ (ENDS)(AX*2), ENDS
	MOVQ i+32(FP), PLACE
	MOVQ step+40(FP), STEP
	LEAQ -32(SIZE), LIMIT
	VPBROADCASTQ digits<>+0(SB), X6
	VPBROADCASTQ digits<>+8(SB), X7

step:
	MOVQ STEP, FIRST
	CMPQ PLACE, LIMIT
	JGT  leave
	VMOVDQU (DOC)(PLACE*1), Y1

way:
	VPXOR shapeStep_start(STEP), Y1, Y0
	VPTEST shapeStep_mask(STEP), Y0
	JNE  sibling
	MOVQ shapeStep_text+8(STEP), FROM
	CMPQ FROM, $32
	JHI  long

fits:
	ADDQ PLACE, FROM
	CMPL shapeStep_node(STEP), $const_offPath
	JNE  leave
	CMPB shapeStep_kind(STEP), $const_shapeString
	JNE  bare
	MOVWLZX (ENDS), TO
	CMPQ TO, FROM
	JLT  leave
	ADDQ $2, ENDS

value:
	MOVQ TO, PLACE
	MOVQ shapeStep_child(STEP), STEP
	TESTQ STEP, STEP
	JNE  step
	XORL FIRST, FIRST

leave:
	SUBQ ends+16(FP), ENDS
	SHRQ $1, ENDS
	MOVQ ENDS, nextAt+48(FP)
	MOVQ PLACE, nextI+56(FP)
	MOVQ FIRST, next+64(FP)
	VZEROUPPER
	RET

sibling: // may be the one, since this one is not
	MOVQ shapeStep_sibling(STEP), STEP
	TESTQ STEP, STEP
	JNE  way
	XORL FIRST, FIRST
	JMP  leave

long: // a text of up to 64 bytes, of which the last 32 are left to compare
	CMPQ FROM, $64
	JHI  leave
	MOVQ shapeStep_text(STEP), AX
	LEAQ (PLACE)(FROM*1), BX
	CMPQ BX, SIZE
	JGT  sibling
	VMOVDQU -32(AX)(FROM*1), Y0
	VPCMPEQB -32(DOC)(BX*1), Y0, Y0
	VPMOVMSKB Y0, AX
	CMPL AX, $-1
	JEQ  fits
	JMP  sibling

bare: // a number without an exponent whose parts have at most 15 digits, or a word
	CMPB shapeStep_kind(STEP), $const_shapeBare
	JNE  leave
	LEAQ 17(FROM), AX
	CMPQ AX, SIZE
	JGT  leave
	MOVQ FROM, TO
	CMPB (DOC)(FROM*1), $'-'
	JNE  number
	INCQ TO

number:
	DIGITS(TO)
	TESTL BX, BX
	JEQ  word
	CMPL BX, $16
	JEQ  leave
	CMPB (DOC)(TO*1), $'0'
	JEQ  zero

integer:
	ADDQ BX, TO
	MOVBLZX (DOC)(TO*1), AX
	CMPL AX, $'.'
	JEQ  fraction

ended:
	CMPL AX, $','
	JEQ  value
	ORL  $0x20, AX
	CMPL AX, $'}'
	JEQ  value
	JMP  leave

zero:
	CMPL BX, $1
	JEQ  integer
	JMP  leave

fraction:
	INCQ TO
	LEAQ 16(TO), AX
	CMPQ AX, SIZE
	JGE  leave
	DIGITS(TO)
	TESTL BX, BX
	JEQ  leave
	CMPL BX, $16
	JEQ  leave
	ADDQ BX, TO
	MOVBLZX (DOC)(TO*1), AX
	JMP  ended

word:
	MOVL (DOC)(FROM*1), AX
	LEAQ 4(FROM), TO
	CMPL AX, $const_wordTrue
	JEQ  value
	CMPL AX, $const_wordNull
	JEQ  value
	CMPL AX, $const_wordFals
	JNE  sibling
	CMPB 4(DOC)(FROM*1), $'e'
	JNE  sibling
	INCQ TO
	JMP  value
