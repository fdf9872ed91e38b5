// Package local starts Python scoring workers on this machine and watches over them.
//
// Words:
//
//   - A worker is one Python process that serves the model on a unix socket of its own.
//   - The pool is all workers of a run, with the folder that holds their sockets.
//   - The lifeline is a pipe whose write end only graphscore holds. Workers leave when it ends, which it does
//     however graphscore ends.
//
// Decisions:
//
//   - A lifeline, and not the parent-death signal of Linux: that one follows the thread that started the
//     process, and Go moves between threads. Price: the worker needs a thread that reads the pipe.
//   - Workers have process groups of their own, so that Ctrl-C at a terminal reaches graphscore alone, which
//     may then finish what is under way.
//   - Workers do not look for modules in the working folder (PYTHONSAFEPATH): a numpy.py beside somebody's
//     data must not run.
//   - A worker that dies before the pool is ready fails the start; afterwards it is started again on the same
//     socket, at most some times in a row.
package local
