//go:build !nounsafe

#include "go_asm.h"
#include "textflag.h"

#define CODES DI
#define SHIFT SI
#define BITS0 R8
#define BITS1 R9
#define BITS2 R10
#define BITS3 R11
#define OUT0 R12
#define OUT1 R13
#define OUT2 R14
#define OUT3 R15

#define STREAM(i) huffmanDecoder_streams+i*literalStream__size

// LOAD loads the word of a stream, whose place is in AX, without the CX bits on top that were read. A bit at its end says
// later how many were: as many as there are zeros below it. It is never read itself: 7 bits and five codes are 62.
#define LOAD(bits) \
	MOVQ  (AX), bits \
	ORQ   $1, bits \
	SHLXQ CX, bits, bits

#define BEGIN(i, bits, out, in) \
	MOVQ STREAM(i)+literalStream_in(CODES), AX \
	ADDQ DX, AX \
	MOVQ AX, in \
	MOVQ STREAM(i)+literalStream_used(CODES), CX \
	LOAD(bits) \
	MOVQ STREAM(i)+literalStream_out(CODES), out \
	ADDQ BX, out

// LOOKUP stores two literals, of which the second may be none yet.
#define LOOKUP(bits, out) \
	SHRXQ SHIFT, bits, AX \
	MOVL  huffmanDecoder_table(CODES)(AX*4), AX \
	SHLXQ AX, bits, bits \
	MOVBLZX AH, CX \
	SHRL  $16, AX \
	MOVW  AX, (out) \
	ADDQ  CX, out

#define LOOKUPS \
	LOOKUP(BITS0, OUT0) \
	LOOKUP(BITS1, OUT1) \
	LOOKUP(BITS2, OUT2) \
	LOOKUP(BITS3, OUT3)

#define RELOAD(bits, in) \
	TZCNTQ bits, CX \
	MOVQ   CX, DX \
	SHRQ   $3, DX \
	MOVQ   in, AX \
	SUBQ   DX, AX \
	MOVQ   AX, in \
	ANDL   $7, CX \
	LOAD(bits)

#define END(i, bits, out, in) \
	TZCNTQ bits, CX \
	MOVQ   CX, STREAM(i)+literalStream_used(CODES) \
	MOVQ   in, AX \
	SUBQ   DX, AX \
	MOVQ   AX, STREAM(i)+literalStream_in(CODES) \
	SUBQ   BX, out \
	MOVQ   out, STREAM(i)+literalStream_out(CODES)

// func literalsBMI2(d *huffmanDecoder, out, b *byte, rounds int)
//
// Each lookup waits for the one before in its stream; four streams keep the processor busy.
TEXT ·literalsBMI2(SB), NOSPLIT, $32-32
	MOVQ d+0(FP), CODES
	MOVQ out+8(FP), BX
	MOVQ b+16(FP), DX
	MOVQ huffmanDecoder_shift(CODES), SHIFT
	BEGIN(0, BITS0, OUT0, in0-8(SP))
	BEGIN(1, BITS1, OUT1, in1-16(SP))
	BEGIN(2, BITS2, OUT2, in2-24(SP))
	BEGIN(3, BITS3, OUT3, in3-32(SP))

round:
	LOOKUPS
	LOOKUPS
	LOOKUPS
	LOOKUPS
	LOOKUPS
	RELOAD(BITS0, in0-8(SP))
	RELOAD(BITS1, in1-16(SP))
	RELOAD(BITS2, in2-24(SP))
	RELOAD(BITS3, in3-32(SP))
	DECQ rounds+24(FP)
	JNE  round

	MOVQ b+16(FP), DX
	END(0, BITS0, OUT0, in0-8(SP))
	END(1, BITS1, OUT1, in1-16(SP))
	END(2, BITS2, OUT2, in2-24(SP))
	END(3, BITS3, OUT3, in3-32(SP))
	RET
