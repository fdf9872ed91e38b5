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
//     socket, at most some times in a row. A death does not count where the process has answered a call, or where a
//     graph may be at fault ([Pool.Excuse]), unless the process had not begun to serve.
//   - A worker that hangs is replaced: when a call has had no answer ([Pool.Replace] is for the caller, who knows the
//     deadline), and when it is stopped or deadlocked, whoever calls. Of that a health check without an answer is no
//     proof: it fails too while one long call holds the lock of the interpreter, and on a machine that is busy. So
//     the process must have used no CPU time as well, and all its threads must sleep. Price: /proc, thus Linux only.
package local
