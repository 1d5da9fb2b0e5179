// Package zstd reads zstd frames (RFC 8878), and writes those of records sections: many small records that resemble each
// other, most of them JSON.
//
// A general encoder asks at every byte whether what follows has been seen before. Here most bytes are either part of
// what the record before says too, or of a value that nobody has said before (an id, a hash, a number), and a
// value ends at a quotation mark. So it is asked only where the last match ended and at the next quotation mark,
// beginning with the same place in the record before: a value of the same length is passed over in one comparison.
// Where no quotation mark follows soon, and behind the end of a document, it is asked at every byte, as everywhere
// in data that is no JSON.
//
// What entropy coding has to know of a block is much the same for the next one. So the tables of one block serve those
// behind it in the frame, as long as a sample says that tables of their own would hardly be better. Such tables have a
// place for what did not occur too, which takes about a sixtieth of the size of JSON, and spares most blocks the
// counting and the making of tables.
//
// All this is in Go alone as fast as the C library at its fastest useful level, within a twentieth of its size. On amd64
// processors with AVX2, BMI2 and LZCNT the search and what writes codes are in assembly, which takes a quarter off the
// encoder's time and writes the same frames.
//
// Frames of others are read as strictly as the format says, but for checksums, into one piece of memory that is the
// window too. What a decoder's time goes to is guesses: how long the next literals and the next match are, and which of
// the recent distances is meant. On the same processors sequences are done in assembly that makes no such guess, and
// literals in four streams at once; what it does not know it leaves to Go, which does the same and says what is wrong.
package zstd
