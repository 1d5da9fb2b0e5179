//go:build !nounsafe

#include "go_asm.h"
#include "textflag.h"

// What stands in registers throughout. AX to DX, R11, R14, R15, Y0 and Y1 are free.
#define SRC      SI
#define LITERAL  DI // where the next one goes
#define IP       R8
#define LAST     R9 // e.recent[0]
#define ANCHOR   R10
#define E        R12
#define SEQUENCE R13 // where the next one goes
#define QUOTES   Y7

// And from where a match is found until it is told, when IP and ANCHOR become its end.
#define DISTANCE AX
#define END      BX

DATA prime<>+0(SB)/8, $const_prime
GLOBL prime<>(SB), RODATA|NOPTR, $8

DATA quotes<>+0(SB)/8, $const_marks
GLOBL quotes<>(SB), RODATA|NOPTR, $8

// func matchAVX2(e *Encoder, src *byte, ip, anchor, to int) (nextIP, nextAnchor int)
//
// As match, which says why. What makes it faster is that most matches end within 32 bytes, which one comparison tells,
// and that what comes before a match is told without a branch: a loop over bytes is left where the processor does not
// expect it.
TEXT ·matchAVX2(SB), NOSPLIT, $16-56
	MOVQ e+0(FP), E
	MOVQ src+8(FP), SRC
	MOVQ ip+16(FP), IP
	MOVQ anchor+24(FP), ANCHOR
	MOVQ to+32(FP), AX
	SUBQ $const_fastMargin, AX
	MOVQ AX, limit-8(SP)
	MOVL Encoder_recent+0(E), LAST
	MOVQ Encoder_literals+literals_room(E), LITERAL
	ADDQ Encoder_literals+literals_size(E), LITERAL
	MOVQ Encoder_sequences+sequences_list+0(E), AX
	MOVQ Encoder_sequences+sequences_list+8(E), CX
	IMUL3Q $sequence__size, CX, CX
	LEAQ (AX)(CX*1), SEQUENCE
	MOVQ Encoder_sequences+sequences_list+16(E), CX
	IMUL3Q $sequence__size, CX, CX
	ADDQ AX, CX
	MOVQ CX, room-16(SP)
	VPBROADCASTQ quotes<>(SB), QUOTES

next:
	CMPQ IP, limit-8(SP)
	JGT  done
	MOVQ (SRC)(IP*1), AX
	MOVQ AX, CX
	SHLQ $(64-8*const_hashed), CX
	IMULQ prime<>(SB), CX
	MOVQ CX, DX
	SHRQ $(64-const_tableLog), DX
	SHRQ $(64-const_tableLog-const_tagBits), CX
	ANDL $((1<<const_tagBits)-1), CX
	MOVL IP, BX
	SHLL $const_tagBits, BX
	ORL  CX, BX
	MOVL Encoder_table(E)(DX*4), CX
	MOVL BX, Encoder_table(E)(DX*4)
	SUBL CX, BX
	ROLL $const_windowLog, BX // the distance that the table tells
	MOVQ IP, CX
	SUBQ LAST, CX
	MOVQ (SRC)(CX*1), DX
	XORQ AX, DX
	CMPQ DX, $(1<<(64-8*const_sameEnd))
	JCS  again
	LEAL -1(BX), DX
	CMPL DX, $(const_windowSize-1)
	JCC  nothing
	MOVQ IP, CX
	SUBQ BX, CX
	CMPL AX, (SRC)(CX*1)
	JNE  nothing
	MOVL BX, DISTANCE
	LEAQ 4(IP), END
	JMP  forward

again: // the last distance, from behind the byte of DX that differs last
	MOVQ LAST, DISTANCE
	LEAQ 8(IP), END
	LEAL 1(DX)(DX*1), DX
	BSRL DX, DX
	ADDL $7, DX
	SHRL $3, DX
	ADDQ DX, IP

forward:
	MOVQ END, CX
	SUBQ DISTANCE, CX
	LEAQ 32(END), DX
	CMPQ DX, to+32(FP)
	JGT  slowForward
	VMOVDQU (SRC)(END*1), Y0
	VPCMPEQB (SRC)(CX*1), Y0, Y0
	VPMOVMSKB Y0, DX
	NOTL DX
	TZCNTL DX, DX
	ADDQ DX, END
	CMPL DX, $32
	JEQ  forward

ended:
	MOVQ IP, CX
	SUBQ DISTANCE, CX

back: // up to eight bytes, as far as they are the same, not told yet, and there
	CMPQ CX, $8
	JLT  slowBack
	MOVQ -8(SRC)(IP*1), DX
	XORQ -8(SRC)(CX*1), DX
	LZCNTQ DX, DX
	SHRL $3, DX
	MOVQ IP, R14
	SUBQ ANCHOR, R14
	CMPQ DX, R14
	CMOVQGT R14, DX
	SUBQ DX, IP
	SUBQ DX, CX
	CMPL DX, $8
	JEQ  back

begun:
	MOVQ IP, DX
	SUBQ ANCHOR, DX // how many literals
	VMOVDQU (SRC)(ANCHOR*1), Y1
	VMOVDQU Y1, (LITERAL)
	CMPQ DX, $32
	JHI  manyLiterals

copied:
	ADDQ DX, LITERAL
	MOVL $1, CX // how the distance is told
	CMPQ DISTANCE, LAST
	JNE  other
	TESTL DX, DX
	JEQ  other

told:
	MOVQ DISTANCE, LAST
	MOVL END, AX
	SUBL IP, AX
	SUBL $const_leastMatch, AX

	// pace.found
	MOVQ Encoder_pace+pace_patience(E), R15
	MOVL (SRC)(IP*1), R8
	XORL $const_marks32, R8
	LEAL -const_ones32(R8), R11
	ANDNL R11, R8, R8
	XORL R14, R14
	LEAL const_patienceSteps(R15), R11
	SUBL $const_patienceSteps, R15
	CMOVLLT R14, R15
	MOVL $const_mostPatience, R14
	CMPL R11, R14
	CMOVLGT R14, R11
	TESTL $const_tops32, R8
	CMOVLNE R11, R15
	MOVQ R15, Encoder_pace+pace_patience(E)
	XORL R14, R14
	CMPB -1(SRC)(END*1), $const_documentEnd
	CMOVLEQ R14, R15
	MOVQ R15, Encoder_pace+pace_gap(E)

	// The sequence: DX literals, AX bytes, a distance told by CX.
	CMPL DX, $const_smallLiterals
	JCC  largeLiterals
	LEAQ ·literalsFields(SB), R10
	MOVL (R10)(DX*4), R10

literalsCoded:
	CMPL AX, $const_smallLengths
	JCC  largeLength
	LEAQ ·lengthFields(SB), R8
	MOVL (R8)(AX*4), R8

lengthCoded: // of a count of bits in a register the lowest six count
	BSRL CX, R11
	MOVL R10, R14
	NEGL R14
	SHLXQ R14, DX, DX
	SHRXQ R8, DX, DX
	ADDL R8, R10
	NEGL R8
	SHLXQ R8, AX, AX
	ORQ  AX, DX
	SHRXQ R11, DX, DX
	IMUL3L $(1|1<<(8+8*const_ofDistances)), R11, R8
	ADDL R8, R10
	NEGL R11
	SHLXQ R11, CX, CX
	ORQ  CX, DX
	MOVQ DX, sequence_extra(SEQUENCE)
	MOVL R10, sequence_bits(SEQUENCE)
	ADDQ $sequence__size, SEQUENCE
	MOVQ END, IP
	MOVQ END, ANCHOR
	CMPQ SEQUENCE, room-16(SP)
	JNE  next

done:
	MOVQ IP, nextIP+40(FP)
	MOVQ ANCHOR, nextAnchor+48(FP)
	MOVL LAST, Encoder_recent+0(E)
	SUBQ Encoder_literals+literals_room(E), LITERAL
	MOVQ LITERAL, Encoder_literals+literals_size(E)
	MOVQ SEQUENCE, AX
	SUBQ Encoder_sequences+sequences_list+0(E), AX
	XORL DX, DX
	MOVL $sequence__size, CX
	DIVQ CX
	MOVQ AX, Encoder_sequences+sequences_list+8(E)
	VZEROUPPER
	RET

nothing:
	MOVQ Encoder_pace+pace_gap(E), CX
	TESTQ CX, CX
	JLE  fasterAndFaster

	// pace.next, which looks at no more than 40 bytes
	VPCMPEQB 1(SRC)(IP*1), QUOTES, Y0
	VPMOVMSKB Y0, DX
	VMOVQ 33(SRC)(IP*1), X1
	VPCMPEQB X7, X1, X1
	VPMOVMSKB X1, BX
	SHLQ $32, BX
	ORQ  BX, DX
	TZCNTQ DX, DX
	CMPQ DX, CX
	CMOVQGT CX, DX
	LEAQ 1(IP)(DX*1), IP
	ANDQ $~7, DX
	SUBQ DX, CX
	MOVQ CX, Encoder_pace+pace_gap(E)
	JMP  next

fasterAndFaster:
	MOVQ IP, CX
	SUBQ ANCHOR, CX
	SHRQ $7, CX
	LEAQ 1(IP)(CX*1), IP
	JMP  next

slowForward: // in the last 32 bytes
	CMPQ END, to+32(FP)
	JGE  ended
	MOVBLZX (SRC)(END*1), DX
	CMPB DX, (SRC)(CX*1)
	JNE  ended
	INCQ END
	INCQ CX
	JMP  slowForward

slowBack: // to the first eight
	CMPQ IP, ANCHOR
	JLE  begun
	TESTQ CX, CX
	JEQ  begun
	MOVBLZX -1(SRC)(IP*1), DX
	CMPB DX, -1(SRC)(CX*1)
	JNE  begun
	DECQ IP
	DECQ CX
	JMP  slowBack

manyLiterals:
	LEAQ (SRC)(ANCHOR*1), R14
	MOVL $32, R15

moreLiterals:
	VMOVDQU (R14)(R15*1), Y1
	VMOVDQU Y1, (LITERAL)(R15*1)
	ADDQ $32, R15
	CMPQ R15, DX
	JCS  moreLiterals
	JMP  copied

other: // recent.tell
	LEAL 3(DISTANCE), CX
	MOVL Encoder_recent+4(E), R14
	MOVL LAST, Encoder_recent+4(E)
	CMPL DISTANCE, LAST
	JEQ  new
	CMPL DISTANCE, R14
	JEQ  second
	CMPL DISTANCE, Encoder_recent+8(E)
	JNE  new
	MOVL $3, CX
	JMP  third

second:
	MOVL $2, CX
	MOVL Encoder_recent+8(E), R14 // stays

third:
	CMPL DX, $1 // less 1 directly behind another match
	SBBL $0, CX

new:
	MOVL R14, Encoder_recent+8(E)
	JMP  told

largeLiterals:
	BSRL DX, R10
	IMUL3L $(1|1<<(8+8*const_ofLiterals)), R10, R10
	ADDL $(const_largeLiterals<<(8+8*const_ofLiterals)), R10
	JMP  literalsCoded

largeLength:
	BSRL AX, R8
	IMUL3L $(1|1<<(8+8*const_ofLengths)), R8, R8
	ADDL $(const_largeLengths<<(8+8*const_ofLengths)), R8
	JMP  lengthCoded
