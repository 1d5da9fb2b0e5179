//go:build !nounsafe

#include "go_asm.h"
#include "textflag.h"

// func replayAVX2(r *replay) (literals, content int)
//
// A sequence is decoded from one word of the stream, IN being where it was loaded from: 1 to 8 of its bits from the top
// on were read before, and a sequence with its three states may take 56 more. A is minus how many have been read, as far
// as its low byte goes: an entry is subtracted whole, since its low byte is the number of bits, and so is what SHRX and
// BZHI take from it. Nothing in r changes until everything has been checked, so that whatever is not as it is mostly is
// left to Go, undone: a sequence of too many bits, one that does not fit, the last ones.
//
// There is no branch on which of the recent distances it is but for a seldom one, and none on lengths up to 32 literals
// and matches of 64 bytes: lengths cannot be foreseen, and a wrong guess costs as much as a sequence.
#define R DI
#define LITERALS R8
#define LENGTHS R9
#define DISTANCES R10
#define WORD R11
#define A R12
#define IN R13
#define OUT SI
#define FROM BX
#define TOLD AX
#define TO AX
#define LENGTH CX
#define N DX
#define LEFT R14
#define DISTANCE R15
#define X BP
#define WHICH BP
#define AT BP
#define RECENT X2
#define TURNED X3

// The recent distances, and fourth a new one, turned so that one of them is the first: the same, the second, the third,
// the fourth.
DATA turns<>+0x00(SB)/8, $0x0706050403020100
DATA turns<>+0x08(SB)/8, $0x0f0e0d0c0b0a0908
DATA turns<>+0x10(SB)/8, $0x0302010007060504
DATA turns<>+0x18(SB)/8, $0x0f0e0d0c0b0a0908
DATA turns<>+0x20(SB)/8, $0x030201000b0a0908
DATA turns<>+0x28(SB)/8, $0x0f0e0d0c07060504
DATA turns<>+0x30(SB)/8, $0x030201000f0e0d0c
DATA turns<>+0x38(SB)/8, $0x0f0e0d0c07060504
GLOBL turns<>(SB), RODATA|NOPTR, $64

// NUMBER reads the number of an entry, of 32 bits.
#define NUMBER(entry, to) \
	SUBQ  entry, A      \
	SHRXQ A, WORD, to   \
	BZHIQ entry, to, to \
	RORXQ $16, entry, X \
	ADDL  X, to

// STATE reads the state behind that of an entry, which becomes its entry.
#define STATE(entry, kind) \
	SHRQ  $8, entry    \
	SUBQ  entry, A     \
	SHRXQ A, WORD, X   \
	BZHIQ entry, X, X  \
	SHRQ  $40, entry   \
	ADDQ  entry, X     \
	MOVQ  replay_tables+kind*const_tableBytes(R)(X*8), entry

TEXT ·replayAVX2(SB), NOSPLIT, $32-24
	MOVQ r+0(FP), R
	MOVQ replay_literals(R), FROM
	MOVQ replay_literals+8(R), X
	ADDQ FROM, X
	MOVQ X, literalsEnd-8(SP)
	MOVQ replay_dst(R), X
	MOVQ replay_dst+8(R), OUT
	ADDQ X, OUT
	MOVQ replay_most(R), AX
	ADDQ X, AX
	MOVQ AX, outEnd-16(SP)
	ADDQ replay_start(R), X
	MOVQ X, frame-24(SP)

	// The word that holds the next bit ends behind its byte.
	MOVQ replay_bits+backward_b(R), IN
	LEAQ 8(IN), X
	MOVQ X, inLeast-32(SP)
	MOVQ replay_bits+backward_left(R), AX
	MOVQ AX, X
	SHRQ $3, X
	LEAQ -7(IN)(X*1), IN
	ANDQ $7, AX
	LEAQ -8(AX), A

	MOVQ replay_entries+0(R), LITERALS
	MOVQ replay_entries+8(R), DISTANCES
	MOVQ replay_entries+16(R), LENGTHS
	VMOVDQU replay_recent(R), RECENT
	MOVQ replay_left(R), LEFT
	DECQ LEFT // the last one is not done here
	CMPQ IN, inLeast-32(SP)
	JCS  end
	MOVQ (IN), WORD

	PCALIGN $32

sequence:
	LEAQ    (LITERALS)(LENGTHS*1), AX
	ADDQ    DISTANCES, AX
	MOVBLZX AH, CX
	MOVBLZX AL, DX
	ADDL    DX, CX
	CMPL    CX, $56
	JHI     end
	NUMBER(DISTANCES, TOLD)
	NUMBER(LENGTHS, LENGTH)
	NUMBER(LITERALS, N)

	// Which of the recent distances: one more where there are no literals; what is told above 3 is a new one.
	LEAQ    -1(TOLD), WHICH
	CMPQ    N, $1
	ADCQ    $0, WHICH
	SUBQ    $3, TOLD
	VPINSRD $3, TOLD, RECENT, TURNED
	JEQ     third

turn:
	MOVL    $3, AX
	CMPQ    WHICH, AX
	CMOVQHI AX, WHICH
	ADDQ    WHICH, WHICH
	LEAQ    turns<>(SB), AX
	VPSHUFB (AX)(WHICH*8), TURNED, TURNED
	VMOVD   TURNED, DISTANCE

	LEAQ (OUT)(N*1), TO
	LEAQ (TO)(LENGTH*1), X
	CMPQ X, outEnd-16(SP)
	JHI  undo
	LEAQ (FROM)(N*1), X
	CMPQ X, literalsEnd-8(SP)
	JHI  undo
	MOVQ TO, X
	SUBQ frame-24(SP), X
	CMPQ DISTANCE, X
	JHI  undo
	CMPQ DISTANCE, replay_window(R)
	JHI  undo

	VMOVDQA TURNED, RECENT
	STATE(LITERALS, const_ofLiterals)
	STATE(LENGTHS, const_ofLengths)
	STATE(DISTANCES, const_ofDistances)
	MOVBQSX A, A
	MOVQ    A, X
	SARQ    $3, X
	LEAQ    1(IN)(X*1), IN
	MOVQ    (IN), WORD
	ORQ     $-8, A

	VMOVDQU (FROM), Y0
	VMOVDQU Y0, (OUT)
	CMPQ    N, $32
	JHI     longLiterals

match:
	ADDQ    N, FROM
	MOVQ    TO, X
	SUBQ    DISTANCE, X
	CMPQ    DISTANCE, $64
	JCS     nearMatch
	VMOVDQU (X), Y0
	VMOVDQU 32(X), Y1
	VMOVDQU Y0, (TO)
	VMOVDQU Y1, 32(TO)
	CMPQ    LENGTH, $64
	JHI     longMatch

next:
	LEAQ (TO)(LENGTH*1), OUT
	DECQ LEFT
	JEQ  end
	CMPQ IN, inLeast-32(SP)
	JCC  sequence
	JMP  end

third: // or where there are no literals one less than the first, which is in place of a new one then
	CMPQ    WHICH, $3
	JNE     turn
	VMOVD   RECENT, AX
	DECQ    AX
	VPINSRD $3, AX, RECENT, TURNED
	JNE     turn

undo:
	ADDQ LITERALS, A
	ADDQ LENGTHS, A
	ADDQ DISTANCES, A

end:
	MOVQ LITERALS, replay_entries+0(R)
	MOVQ DISTANCES, replay_entries+8(R)
	MOVQ LENGTHS, replay_entries+16(R)
	VMOVDQU RECENT, replay_recent(R)
	VZEROUPPER
	INCQ LEFT
	MOVQ LEFT, replay_left(R)
	ADDQ $8, IN
	SUBQ replay_bits+backward_b(R), IN
	LEAQ (A)(IN*8), A
	MOVQ A, replay_bits+backward_left(R)
	SUBQ replay_literals(R), FROM
	MOVQ FROM, literals+8(FP)
	SUBQ replay_dst(R), OUT
	SUBQ replay_dst+8(R), OUT
	MOVQ OUT, content+16(FP)
	RET

longLiterals:
	MOVQ $32, AT

moreLiterals:
	VMOVDQU (FROM)(AT*1), Y0
	VMOVDQU Y0, (OUT)(AT*1)
	ADDQ    $32, AT
	CMPQ    AT, N
	JCS     moreLiterals
	JMP     match

longMatch:
	MOVQ $64, DX

moreMatch:
	VMOVDQU (X)(DX*1), Y0
	VMOVDQU 32(X)(DX*1), Y1
	VMOVDQU Y0, (TO)(DX*1)
	VMOVDQU Y1, 32(TO)(DX*1)
	ADDQ    $64, DX
	CMPQ    DX, LENGTH
	JCS     moreMatch
	JMP     next

nearMatch: // in steps that do not reach what they are to write
	XORL DX, DX
	CMPQ DISTANCE, $8
	JCS  nearest
	CMPQ DISTANCE, $32
	JCS  words

lanes:
	VMOVDQU (X)(DX*1), Y0
	VMOVDQU Y0, (TO)(DX*1)
	ADDQ    $32, DX
	CMPQ    DX, LENGTH
	JCS     lanes
	JMP     next

words:
	VMOVQ (X)(DX*1), X0
	VMOVQ X0, (TO)(DX*1)
	ADDQ  $8, DX
	CMPQ  DX, LENGTH
	JCS   words
	JMP   next

nearest:
	CMPQ LENGTH, $64
	JHI  spread

bytes:
	MOVB (X)(DX*1), R15
	MOVB R15, (TO)(DX*1)
	INCQ DX
	CMPQ DX, LENGTH
	JCS  bytes
	JMP  next

spread: // until it can be read from eight times as far back
	MOVB (X)(DX*1), R15
	MOVB R15, (TO)(DX*1)
	INCQ DX
	CMPQ DX, $64
	JCS  spread
	MOVQ X, R15
	SUBQ TO, R15
	LEAQ (X)(R15*8), X
	SUBQ R15, X
	JMP  words
