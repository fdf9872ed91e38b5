// Package remote scores batches over gRPC. It is the only Go code that knows the generated protobuf.
//
// Words:
//
//   - A protocol is how a batch goes over the wire: [ProtocolNative] sends it as columns, [ProtocolGCN] graph
//     by graph to servers of the older service.
//   - The connection is the one *grpc.ClientConn of a run, from [Dial]. It spreads calls over all addresses.
//   - The preflight is [Describe]: it finds out, before any graph is read, whether each address can be reached
//     and what scores there, and names mistakes in addresses, TLS settings and protocol.
//   - A scorer, [Native] or [GCN], turns a batch into scores. Every failure is an [*Error] with a [Kind].
//
// Decisions:
//
//   - Calls fail at once where no server is reachable (no WaitForReady): whoever retries can then say why, and
//     a dead server does not cost a whole deadline. Retrying is left to the caller; gRPC's own stops silently
//     for large requests.
//   - The preflight asks every address over a short-lived connection of its own, because gRPC reports every
//     TLS mistake as Unavailable and a balanced call reaches any one server. Price: one more connection an
//     address at the start of a run.
//   - UNKNOWN and INTERNAL may be retried: exceptions in a Python handler, proxies and cut streams all come as
//     these. A graph that makes a server fail every time therefore ends the run with the server's own message
//     once the retries are used up; quarantining it would also quarantine every graph of a broken server.
//   - A scorer that vanishes with its host, or with the way there, is noticed by TCP, however long the deadline: the kernel
//     probes from 10 s of silence on, and gives up after 30 s without a sign, with data on the way up to 10 s later. Pings
//     of HTTP/2 are no way to that. Servers with gRPC's default rules, as those of the older protocol, cut off who pings
//     more often than every five minutes while a call is computed: measured with a call of five minutes and a ping every
//     20 s, grpcio 1.85 ends it after 100 s (GOAWAY, too_many_pings); they do not see probes of TCP. And on a slow link a
//     ping waits behind what is sent. Price: what is away for longer than 30 s costs the calls under way, which are sent
//     again; a proxy that holds connections to a host that is gone is found out at the deadline; systems other than Linux
//     bound by rules of their own how long data may be on the way.
//   - Proxies that the environment names (HTTPS_PROXY) are not used: scorers are near, and a proxy that breaks
//     HTTP/2 looks like a dead server.
//   - Messages of refused graphs hold no address, time or count of attempts: they land in the quarantine file,
//     which has the same bytes in every run.
package remote
