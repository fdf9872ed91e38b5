// Package slots is memory that graphscore and its local workers both map, cut into slots for the columns of requests.
//
// Words:
//
//   - The memory is one sealed memfd of a pool, inherited by every worker: any worker can take any call. It has no name,
//     so that nothing is left of it however its processes end.
//   - A slot is a part of it, of one size for all. It begins with a header that has the number of its use.
//   - The slot of a giant is for one request that is larger than that, and has memory only while it is in use. These slots
//     come last, and their numbers after those of the others.
//   - A use is a slot in the hands of one call. Each has a number of its own, which is never given again.
//   - A holder is a process that may read and write a slot: it was sent it, and has neither answered nor been waited for.
//
// The states of a slot:
//
//	free -> Take -> taken by a call -> Sent -> held by workers, too -> End, and Answered or Gone of each holder -> free
//
// Decisions:
//
//   - A slot is free again only when its call has ended and it has no holder. A deadline, a cancel or a retry does not
//     free it: a worker that was stopped in mid-call goes on one day, and would read the columns of another request and
//     write over its scores. That is a wrong score with exit code 0. Price: such a slot is out of use until its worker
//     has gone, so that where half of the slots are held by calls that have ended, their workers are replaced.
//   - Nobody waits for a slot: where none is free the columns go inline. So slots cannot cause a deadlock, whichever
//     shard is collected first, and memory is bounded by count times size. Price: such a request costs what it did before.
//   - Pages are allocated when a slot is taken, by fallocate: where memory is short that is an error, and the columns go
//     inline. A first write to a page would be SIGBUS. The seals keep the size, so that no other can cause one.
//   - A giant's slot has a place in the file as large as the largest message, and pages for what its request needs. The pages
//     are given back once nobody has it: whoever reads them after all finds zeros, and no signal, as the file keeps its size.
//     graphscore writes and reads it by the file, without mapping it: pages that are written whole are not cleared first. A
//     worker maps what it needs for the call. Price: two calls of the system a column, which a giant does not feel.
//   - Slots of giants have a bound in bytes, those of ended calls included; beyond it a giant goes inline. A worker is
//     replaced for the memory of giants when another one wants it, and not before: it may be about to answer.
//   - The header is cleared when a call ends: a worker that begins late sees at once that the slot is not for it. No
//     correctness rests on that.
package slots
