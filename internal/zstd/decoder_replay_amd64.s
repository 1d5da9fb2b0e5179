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
// There is no branch on which of the recent distances it is, and none on lengths up to 32 literals and matches of 64
// bytes: lengths cannot be foreseen, and a wrong guess costs as much as a sequence.
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
#define WHICH R14
#define DISTANCE R15
#define X BP

#define RECENT0 replay_recent(R)
#define RECENT1 replay_recent+8(R)
#define RECENT2 replay_recent+16(R)

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
	DECQ replay_left(R)                 // the last one is not done here
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
	MOVQ    RECENT0, DISTANCE
	CMPQ    WHICH, $1
	CMOVQEQ RECENT1, DISTANCE
	CMPQ    WHICH, $2
	CMOVQEQ RECENT2, DISTANCE
	SUBQ    $3, TOLD
	CMOVQHI TOLD, DISTANCE
	JEQ     third

check:
	LEAQ (OUT)(N*1), TO
	LEAQ (TO)(LENGTH*1), X
	CMPQ X, outEnd-16(SP)
	JHI  undo
	LEAQ (FROM)(N*1), X
	CMPQ X, literalsEnd-8(SP)
	JHI  undo
	MOVQ TO, X
	SUBQ DISTANCE, X
	CMPQ X, frame-24(SP)
	JCS  undo
	CMPQ DISTANCE, replay_window(R)
	JHI  undo

	MOVQ    RECENT1, X
	CMPQ    WHICH, $2
	CMOVQCS RECENT2, X
	MOVQ    X, RECENT2
	MOVQ    RECENT1, X
	CMPQ    WHICH, $1
	CMOVQCC RECENT0, X
	MOVQ    X, RECENT1
	MOVQ    DISTANCE, RECENT0

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
	DECQ replay_left(R)
	JEQ  end
	CMPQ IN, inLeast-32(SP)
	JCC  sequence
	JMP  end

third: // the third, or where there are no literals the byte before the first
	CMPQ WHICH, $3
	JNE  check
	DECQ DISTANCE
	JNE  check

undo:
	ADDQ LITERALS, A
	ADDQ LENGTHS, A
	ADDQ DISTANCES, A

end:
	VZEROUPPER
	MOVQ LITERALS, replay_entries+0(R)
	MOVQ DISTANCES, replay_entries+8(R)
	MOVQ LENGTHS, replay_entries+16(R)
	INCQ replay_left(R)
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
	MOVQ $32, WHICH

moreLiterals:
	VMOVDQU (FROM)(WHICH*1), Y0
	VMOVDQU Y0, (OUT)(WHICH*1)
	ADDQ    $32, WHICH
	CMPQ    WHICH, N
	JCS     moreLiterals
	JMP     match

longMatch:
	MOVQ $64, WHICH

moreMatch:
	VMOVDQU (X)(WHICH*1), Y0
	VMOVDQU 32(X)(WHICH*1), Y1
	VMOVDQU Y0, (TO)(WHICH*1)
	VMOVDQU Y1, 32(TO)(WHICH*1)
	ADDQ    $64, WHICH
	CMPQ    WHICH, LENGTH
	JCS     moreMatch
	JMP     next

nearMatch: // in steps that do not reach what they are to write
	XORL WHICH, WHICH
	CMPQ DISTANCE, $8
	JCS  bytes
	CMPQ DISTANCE, $32
	JCS  words

lanes:
	VMOVDQU (X)(WHICH*1), Y0
	VMOVDQU Y0, (TO)(WHICH*1)
	ADDQ    $32, WHICH
	CMPQ    WHICH, LENGTH
	JCS     lanes
	JMP     next

words:
	VMOVQ (X)(WHICH*1), X0
	VMOVQ X0, (TO)(WHICH*1)
	ADDQ  $8, WHICH
	CMPQ  WHICH, LENGTH
	JCS   words
	JMP   next

bytes:
	MOVB (X)(WHICH*1), DX
	MOVB DX, (TO)(WHICH*1)
	INCQ WHICH
	CMPQ WHICH, LENGTH
	JCS  bytes
	JMP  next
