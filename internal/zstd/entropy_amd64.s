//go:build !nounsafe

#include "go_asm.h"
#include "textflag.h"

// What stands in registers throughout. The top bits of ACC, as many as USED, are yet to be stored; what lies below them
// may be anything.
#define OUT  DI
#define ACC  R10
#define USED R11

// FLUSH stores them, and moves OUT behind what is whole bytes. AX is lost.
#define FLUSH \
	MOVL  USED, AX \
	NEGL  AX \
	SHRXQ AX, ACC, AX \
	MOVQ  AX, (OUT) \
	MOVL  USED, AX \
	SHRL  $3, AX \
	ADDQ  AX, OUT \
	ANDL  $7, USED

#define Q        SI
#define SEQUENCE R8
#define L        R12
#define D        R13
#define M        R9

#define SYMBOL(kind) sequences_tables+kind*fseTable__size+fseTable_symbols
#define STATE(kind) sequences_tables+kind*fseTable__size+fseTable_states

// PUT puts the low bits of a state on top. Turned, and not masked and shifted, the state takes fewer instructions; the
// rest of it, 10 bits at most, then stands at the bottom of ACC, where nothing counts: USED is at most 7 and stateBits.
// AX and CX are lost.
#define PUT(kind, state) \
	MOVBLZX sequence_codes+kind(SEQUENCE), AX \
	MOVL    SYMBOL(kind)+fseSymbol_bits(Q)(AX*8), CX \
	ADDL    state, CX \
	SHRL    $16, CX \
	RORQ    CX, state \
	SHRXQ   CX, ACC, ACC \
	ADDL    CX, USED \
	ORQ     state, ACC \
	ADDL    SYMBOL(kind)+fseSymbol_find(Q)(AX*8), state \
	MOVWLZX STATE(kind)(Q)(state*2), state

// func putSequencesBMI2(q *sequences, out *byte, states *[3]uint32) (acc uint64, used uint32, at int)
//
// As put, which says how.
TEXT ·putSequencesBMI2(SB), NOSPLIT, $0-48
	MOVQ q+0(FP), Q
	MOVQ out+8(FP), OUT
	MOVQ states+16(FP), AX
	MOVL 4*const_ofLiterals(AX), L
	MOVL 4*const_ofDistances(AX), D
	MOVL 4*const_ofLengths(AX), M
	MOVQ sequences_list+8(Q), SEQUENCE
	IMUL3Q $sequence__size, SEQUENCE, SEQUENCE
	ADDQ sequences_list+0(Q), SEQUENCE
	SUBQ $sequence__size, SEQUENCE
	MOVQ sequence_extra(SEQUENCE), ACC
	MOVBLZX sequence_bits(SEQUENCE), USED
	CMPQ SEQUENCE, sequences_list+0(Q)
	JEQ  done

next:
	SUBQ $sequence__size, SEQUENCE
	FLUSH
	PUT(const_ofDistances, D)
	PUT(const_ofLengths, M)
	PUT(const_ofLiterals, L)
	MOVBLZX sequence_bits(SEQUENCE), CX
	ADDL CX, USED
	CMPL USED, $(64-const_extraGarbage)
	JHI  many

extra:
	SHRXQ CX, ACC, ACC
	ORQ  sequence_extra(SEQUENCE), ACC
	CMPQ SEQUENCE, sequences_list+0(Q)
	JNE  next

done:
	MOVQ states+16(FP), AX
	MOVL L, 4*const_ofLiterals(AX)
	MOVL D, 4*const_ofDistances(AX)
	MOVL M, 4*const_ofLengths(AX)
	MOVQ ACC, acc+24(FP)
	MOVL USED, used+32(FP)
	SUBQ out+8(FP), OUT
	MOVQ OUT, at+40(FP)
	RET

many: // seldom, too many for one store
	SUBL CX, USED
	FLUSH
	ADDL CX, USED
	JMP  extra

#define H    SI
#define B    R8
#define LEFT R9 // bytes, less 6
#define LOW  R12
#define HIGH R13

// A code is at the top of its word, its length at the bottom: the word is what to put, and how many bits of it.
#define CODE(at, c) \
	MOVBLZX at(B)(LEFT*1), c \
	MOVQ    huffman_codes(H)(c*8), c

// JOIN puts codes of n bits below others, to whose count n is added.
#define JOIN(n, codes, otherN, others, both) \
	SHRXQ otherN, codes, both \
	ORQ   others, both \
	ADDL  n, otherN

// TWO joins the codes of two bytes. AX is lost.
#define TWO(at, codes, n) \
	CODE(at+1, AX) \
	CODE(at, n) \
	JOIN(AX, AX, n, n, codes)

// func putHuffmanBMI2(h *huffman, out, b *byte, n int) (size int)
//
// Six codes are joined before they are put: put one by one, each would wait for the one before.
TEXT ·putHuffmanBMI2(SB), NOSPLIT, $0-40
	MOVQ h+0(FP), H
	MOVQ out+8(FP), OUT
	MOVQ b+16(FP), B
	MOVQ n+24(FP), LEFT
	XORL ACC, ACC
	XORL USED, USED
	SUBQ $6, LEFT
	JLT  last

next:
	TWO(4, LOW, BX)
	TWO(2, R14, CX)
	TWO(0, HIGH, DX)
	JOIN(BX, LOW, CX, R14, LOW)
	ADDL CX, USED
	ADDL DX, USED
	CMPL USED, $(64-const_lengthBits)
	JHI  many
	JOIN(CX, LOW, DX, HIGH, LOW)
	SHRXQ DX, ACC, ACC
	ORQ  LOW, ACC

store:
	FLUSH
	SUBQ $6, LEFT
	JGE  next

last:
	ADDQ $6, LEFT
	JEQ  end

one:
	CODE(-1, CX)
	SHRXQ CX, ACC, ACC
	ORQ  CX, ACC
	ADDL CX, USED
	FLUSH
	DECQ LEFT
	JNE  one

end:
	SHRQ $1, ACC
	BTSQ $63, ACC // marks the end
	INCL USED
	FLUSH
	ADDL $7, USED
	SHRL $3, USED
	ADDQ USED, OUT
	SUBQ out+8(FP), OUT
	MOVQ OUT, size+32(FP)
	RET

many: // seldom, too many for one store
	SUBL DX, USED
	SHRXQ CX, ACC, ACC
	ORQ  LOW, ACC
	FLUSH
	ADDL DX, USED
	SHRXQ DX, ACC, ACC
	ORQ  HIGH, ACC
	JMP  store
