package main

// fault is a fault that must be survived, or a promise of the README that no fault is needed for.
type fault struct {
	number   string // or a letter: what rows name
	what     string
	expected string
}

// faults are the cases of the page, in its order. Each needs a row.
var faults = []fault{
	{"1", "kill -9 at a random time", "137, then 0 with the same bytes and nothing temporary left"},
	{"2", "kill at every system call", "137, then 0 with the same bytes; no half file is ever visible"},
	{"3", "power loss: what was not synced is gone", "0 after the next run, as 2"},
	{"4", "disk full", "74, path and need named, committed parts kept"},
	{"5", "fsync or any other call fails with EIO", "74, the part is not committed"},
	{"6", "output folder not writable, input not readable", "73, 65: before any call"},
	{"7", "server killed, back after 3 s", "0, the same bytes"},
	{"8", "server gone for good", "69 at the retry budget, resumable"},
	{"9", "server hung", "69, nothing is left running"},
	{"10", "slow link, slow server", "0, no storm of deadlines"},
	{"11", "answers of wrong counts, or of another model", "76, the field named, nothing of the batch written"},
	{"11b", "scores that are NaN or Inf", "3, those graphs in quarantine"},
	{"12", "connection cut in a message, reset, black hole", "0, each graph once"},
	{"13", "storm of RESOURCE_EXHAUSTED, pushback", "0, backs off as asked, recovers"},
	{"14", "GOAWAY by the age of a connection", "0, none lost"},
	{"15", "damaged files", "3, or 65 where all are; the process lives"},
	{"16", "one byte of the input flipped after a run", "78, the file named"},
	{"17", "features that are NaN, null or of another width", "3, in quarantine with a code"},
	{"18", "edges that name no node, that begin where they end, or are given twice", "3, in quarantine with a code; 0 for the others, by the rule of each layer"},
	{"19", "a node id twice; a graph id in two files", "3; 0, never merged"},
	{"20", "graphs over the message limit", "3, never sent"},
	{"21", "graphs of no nodes, a file of no rows, no files", "0; 66, or 0 with input.optional"},
	{"22", "SIGTERM, SIGINT, twice", "143, 130; then 0 with the same bytes"},
	{"23", "two runs into one output, and one after a run that died", "75 at once for the second, 0 for the first; the lock of the dead is taken"},
	{"24", "input changed between runs", "78, the file named"},
	{"25", "model or setting changed between runs", "78, both values named"},
	{"26", "the clock steps back or forward, over leap days and days of 23 and 25 hours", "0, every date once, no record overwritten"},
	{"27", "hostile paths", "refused by name, nothing outside touched"},
	{"28", "untrusted model: pickles, weights that are no numbers, damaged files", "65, nothing is unpickled"},
	{"29", "tokens and certificates that are missing, wrong or expired", "77 after one attempt, the cause named"},
	{"30", "message bombs", "the server lives, its memory bounded"},
	{"31", "slowloris, resets, pings, idle connections", "the server lives and answers others"},
	{"A", "a graph on which its worker raises, exits, crashes, hangs or has no memory", "3, that graph in quarantine"},
	{"B", "the same in the second of five dates", "3, the other dates are scored"},
	{"C", "a lookup on the output fails", "74 or as undisturbed, never a false success"},
	{"D", "a malformed reflection request, then SIGTERM", "0 within the grace"},
	{"E", "SIGSTOP of the only local worker", "0, it is replaced"},
	{"F", "workers with less memory than a graph needs", "3, that graph in quarantine"},
	{"G", "answers that are no protobuf", "76 at once"},
	{"H", "huge model files", "65 at once, little memory"},
	{"I", "job files of 1 MB of brackets", "78 at once"},
	{"J", "control characters in what is printed", "printed harmlessly"},
	{"K", "stderr is a full pipe that nobody reads", "SIGTERM ends the run"},
	{"L", "few open files", "the limit named, nothing else blamed"},
}

// promises are those of the README that hold without a fault.
var promises = []fault{
	{"P1", "every row is scored, quarantined or skipped, and counted once", "any requests, any order of answers"},
	{"P2", "the same bytes for any number of workers, any request size, any order", "3, as the input has broken graphs"},
	{"P3", "several processes fill one output", "the bytes of one run"},
	{"P4", "a graph scored alone equals the same graph in a batch", "equal to the bit"},
	{"P5", "scores equal those of PyTorch Geometric", "to 1e-5"},
	{"P6", "memory follows the settings, not the input", "what is in flight is bounded"},
	{"P7", "an output is right whatever fails, in whatever order", "at any time, and after the next runs"},
}

// unmet is what cannot be met, with its reason.
var unmet = []string{
	"A disk that reports a sync before the bytes are on it may lose them at power loss, under any program. Case 3 loses what was not synced, no more.",
	"The bytes of scores are those of one BLAS kernel: a machine of another kind of processor may differ in the last bits. Parts name the kernel in the record of the run; all of an output are compared by `finish`.",
	"What a graph's quarantine line says of a deadline, a lost connection or memory depends on the moment; `--retry-quarantined` scores such graphs again. Cases A, B and F compare all other graphs to the byte.",
	"A machine that is too slow to answer one graph within the deadline has that graph in quarantine (`deadline_exceeded`), though nothing is wrong with it: a run cannot distinguish this from a graph that hangs its worker. The same comes of a call with that graph alone that takes longer than such a call has, which is 2 s at least, and a next one that takes longer than the deadline. `--retry-quarantined` scores it again.",
	"The clock of the kernel is not set by any test, as containers may not: case 26 is injected as the clock that the program is given.",
	"grpc may crash a server on which a certificate changes in the middle of a handshake ([grpc#36693](https://github.com/grpc/grpc/issues/36693)): it is handed a certificate only when the files have changed, which makes that rare. Calls are sent again.",
	"A proxy that holds the connection to a host that is gone answers for it, so that TCP has nothing to notice: such calls end at their deadline (case 12, where nothing passes). Pings of HTTP/2 would tell sooner. Servers of the older protocol refuse them by gRPC's default rules and end the calls under way, and on a slow link a ping waits behind what is sent ([measured](../pipeline/remote/doc.go)).",
	"A network interface goes down, and a disk is full, in namespaces of their own, which need root and iproute2. Where a test may not make them, the kernel drops every packet of a socket (case 12), and every write fails (case 4): the row says which it was.",
	"A server that gives the scores of two nodes each other's names, or those of another graph in the right form, breaks nothing that can be checked from outside (case 11): `graphscore verify` with another server scores a sample again and compares.",
	"A bearer token has no date of its own: one that is expired is one that the server has no more (case 29, where its tokens change).",
	"A graph is at fault for the end of a worker after two in a row with no other call under way. Who kills the worker from outside just then, twice, has put that graph in quarantine, and so has a call whose connection was cut and that ends the worker later, as one of the two, or a proxy that twice in a row answers UNAVAILABLE to such a call and not to one with a known good graph; `--retry-quarantined` scores it again.",
	"Health and GetModel answer within a second under the attacks of cases 30 and 31 on a server that has a core for it. Where the flood and the server share two cores, malformed reflection requests delayed them by up to 2.9 s, and floods of frames by up to 1.9 s; a new connection may be closed unanswered, and clients connect again. No test bounds these times, as they are the machine's.",
	"With `--max-message-bytes` far below the default, gRPC itself may hold more than 16 times that: 739 MiB were measured with answers that nobody takes, up to 500 MiB with floods of PRIORITY and WINDOW_UPDATE frames. The bound that is promised is therefore never below 1 GiB.",
	"`input.path` and `output.path` may be absolute and climb with `..`: who writes a job file may name any folder. Links, dates and names in a folder that lead elsewhere are refused (case 27).",
}
