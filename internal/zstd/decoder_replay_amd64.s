//go:build !nounsafe

#include "go_asm.h"
#include "textflag.h"

// func replayAVX2(r *replay) (literals, content int)
//
// A sequence is decoded from one word of the stream, IN being where it was loaded from: 1 to 8 of its bits from the top
// on were read before, and a sequence with its three states may take 56 more. A and T are minus how many have been read,
// as far as their low bytes go: an entry is subtracted whole, since its low byte is the number of bits, and so is what
// SHRX and BZHI take from it. Nothing in r changes until everything has been checked, so that whatever is not as it is
// mostly is left to Go, undone: a sequence of too many bits, one that does not fit, the last ones.
//
// There is no branch on which of the recent distances it is but for a seldom one, and none on lengths up to 32 literals
// and matches of 64 bytes: lengths cannot be foreseen, and a wrong guess costs as much as a sequence. What a sequence
// waits for is the state of the distance, which is known last: all else that comes off A comes off before it.
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
#define T R15
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
	SUBQ  entry, T      \
	SHRXQ T, WORD, to   \
	BZHIQ entry, to, to \
	RORXQ $16, entry, X \
	ADDL  X, to

// STATE reads the state behind that of an entry, which was moved down to how many bits that takes. at is A behind them.
// It becomes its entry.
#define STATE(entry, at, kind) \
	SHRXQ at, WORD, N         \
	BZHIQ entry, N, N         \
	SHRQ  $40, entry          \
	LEAQ  (R)(entry*8), entry \
	MOVQ  replay_tables+kind*const_tableBytes(entry)(N*8), entry

TEXT ·replayAVX2(SB), NOSPLIT, $112-24
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
	MOVQ $3, new-40(SP)

	// Where an index reaches them without a register for their address.
	VMOVDQU turns<>+0x00(SB), Y0
	VMOVDQU Y0, turns-112(SP)
	VMOVDQU turns<>+0x20(SB), Y0
	VMOVDQU Y0, moreTurns-80(SP)

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
	LEAQ (LITERALS)(LENGTHS*1), X
	ADDQ DISTANCES, X
	CMPB X, $const_mostExtraBits
	JHI  end
	MOVQ A, T
	SUBQ LENGTHS, A
	SUBQ LITERALS, A
	NUMBER(DISTANCES, TOLD)
	NUMBER(LENGTHS, LENGTH)
	NUMBER(LITERALS, N)

	// Which of the recent distances: one more where there are no literals.
	LEAL    2(TOLD), WHICH
	CMPQ    N, $1
	ADCL    $0, WHICH
	VPINSRD $3, TOLD, RECENT, TURNED
	CMPL    WHICH, $3
	JEQ     third
	CMOVLCC new-40(SP), WHICH

turn:
	ADDL    WHICH, WHICH
	VPSHUFB turns-112(SP)(WHICH*8), TURNED, TURNED
	VMOVD   TURNED, DISTANCE

	VMOVDQU (FROM), Y0
	VMOVDQU Y0, (OUT)
	LEAQ    (OUT)(N*1), TO
	ADDQ    N, FROM
	LEAQ    (TO)(LENGTH*1), OUT
	CMPQ    OUT, outEnd-16(SP)
	JHI     undo
	CMPQ    FROM, literalsEnd-8(SP)
	JHI     undo
	MOVQ    TO, X
	SUBQ    DISTANCE, X
	CMPQ    X, frame-24(SP)
	JLT     undo
	CMPQ    DISTANCE, replay_window(R)
	JHI     undo
	VMOVDQA TURNED, RECENT
	CMPQ    N, $32
	JHI     longLiterals

states:
	SHRQ $8, LITERALS
	SUBQ LITERALS, A
	MOVQ A, N
	SUBQ DISTANCES, N
	STATE(LITERALS, N, const_ofLiterals)
	SHRQ $8, LENGTHS
	SUBQ LENGTHS, A
	SUBQ DISTANCES, A
	STATE(LENGTHS, A, const_ofLengths)
	SHRQ $8, DISTANCES
	SUBQ DISTANCES, A
	STATE(DISTANCES, A, const_ofDistances)
	MOVBQSX A, N
	SARQ    $3, N
	LEAQ    1(IN)(N*1), IN
	MOVQ    (IN), WORD
	ORQ     $-8, A

	CMPQ    DISTANCE, $64
	JCS     nearMatch
	VMOVDQU (X), Y0
	VMOVDQU 32(X), Y1
	VMOVDQU Y0, (TO)
	VMOVDQU Y1, 32(TO)
	CMPQ    LENGTH, $64
	JHI     longMatch

next:
	DECQ LEFT
	JEQ  end
	CMPQ IN, inLeast-32(SP)
	JCC  sequence
	JMP  end

third: // or where there are no literals one less than the first, which is in place of a new one then
	TESTL   TOLD, TOLD
	JNE     turn
	VMOVD   RECENT, AX
	DECL    AX
	VPINSRD $3, AX, RECENT, TURNED
	JNE     turn
	JMP     undoBits

undo:
	SUBQ N, FROM
	MOVQ TO, OUT
	SUBQ N, OUT

undoBits:
	ADDQ LITERALS, A
	ADDQ LENGTHS, A

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
	NEGQ N
	ADDQ $32, N

moreLiterals:
	VMOVDQU (FROM)(N*1), Y0
	VMOVDQU Y0, (TO)(N*1)
	ADDQ    $32, N
	JLT     moreLiterals
	JMP     states

longMatch:
	MOVQ $64, N

moreMatch:
	VMOVDQU (X)(N*1), Y0
	VMOVDQU 32(X)(N*1), Y1
	VMOVDQU Y0, (TO)(N*1)
	VMOVDQU Y1, 32(TO)(N*1)
	ADDQ    $64, N
	CMPQ    N, LENGTH
	JCS     moreMatch
	JMP     next

nearMatch: // in steps that do not reach what they are to write
	XORL N, N
	CMPQ DISTANCE, $8
	JCS  nearest
	CMPQ DISTANCE, $32
	JCS  words

lanes:
	VMOVDQU (X)(N*1), Y0
	VMOVDQU Y0, (TO)(N*1)
	ADDQ    $32, N
	CMPQ    N, LENGTH
	JCS     lanes
	JMP     next

words:
	VMOVQ (X)(N*1), X0
	VMOVQ X0, (TO)(N*1)
	ADDQ  $8, N
	CMPQ  N, LENGTH
	JCS   words
	JMP   next

nearest:
	CMPQ LENGTH, $64
	JHI  spread

bytes:
	MOVB (X)(N*1), R15
	MOVB R15, (TO)(N*1)
	INCQ N
	CMPQ N, LENGTH
	JCS  bytes
	JMP  next

spread: // until it can be read from eight times as far back
	MOVB (X)(N*1), R15
	MOVB R15, (TO)(N*1)
	INCQ N
	CMPQ N, $64
	JCS  spread
	MOVQ X, R15
	SUBQ TO, R15
	LEAQ (X)(R15*8), X
	SUBQ R15, X
	JMP  words
